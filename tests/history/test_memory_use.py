"""Finished trials are columns: they take little memory."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

from ahpo.distributions import BaseDistribution, FloatDistribution
from ahpo.history.facts import ParamSet, TrialCreated, TrialFinished
from ahpo.history.history import History
from ahpo.history.view import View
from ahpo.samplers.tpe import TPESampler
from ahpo.states import TrialState
from tests.history.test_columns import MINIMIZE

N_NAMES, N_SPARSE = 300, 30_000
N_TRIALS = 1100  # just above a doubling, when most of the room is empty


def test_finished_trial_of_ten_parameters_takes_less_than_1200_bytes() -> None:
    """The peak is measured, in which the columns are doubled."""
    kinds: dict[str, BaseDistribution] = {f"x{i}": FloatDistribution(0.0, 1.0) for i in range(10)}
    history = History("study", MINIMIZE)
    gc.collect()
    tracemalloc.start()
    try:
        start, _ = tracemalloc.get_traced_memory()
        for number in range(N_TRIALS):
            history.apply(TrialCreated(number, number, TrialState.RUNNING, 10**15 + number))
            for place, (name, kind) in enumerate(kinds.items()):
                history.apply(ParamSet(number, name, (number + place) / 10**6, kind))
            history.apply(TrialFinished(number, TrialState.COMPLETE, (float(number),), 10**15))
        gc.collect()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    per_trial = (peak - start) / N_TRIALS
    print(f"{per_trial:.0f} bytes a trial")
    assert per_trial < 1200


def test_parameters_of_few_trials_take_memory_for_as_many_values() -> None:
    """As the parameters of branches that are rarely taken: each name is in two trials of 30,000."""
    kind = FloatDistribution(0.0, 1.0)
    sizes = []
    for named in (False, True):
        history = History("study", MINIMIZE)
        gc.collect()
        tracemalloc.start()
        try:
            for number in range(N_SPARSE):
                history.apply(TrialCreated(number, number, TrialState.RUNNING, 0))
                which = number if number < N_NAMES else N_SPARSE - 1 - number
                if named and which < N_NAMES:
                    history.apply(ParamSet(number, f"x{which}", number / N_SPARSE, kind))
                history.apply(TrialFinished(number, TrialState.COMPLETE, (float(number),), 1))
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
    per_name = (sizes[1] - sizes[0]) / N_NAMES
    print(f"{per_name:.0f} bytes a name")
    assert per_name < 3000
    view = View(history)
    for which in (0, N_NAMES - 1):
        column = view.column(f"x{which}")
        rows = np.flatnonzero(column == column).tolist()
        assert rows == [which, N_SPARSE - 1 - which]
        assert column[rows].tolist() == [row / N_SPARSE for row in rows]


@pytest.mark.parametrize("multivariate", [False, True])
def test_tpe_takes_memory_for_as_many_values(multivariate: bool) -> None:
    """Its caches hold the trials that have the parameters, not all trials once for each name."""
    kind = FloatDistribution(0.0, 1.0)
    history = History("study", MINIMIZE)
    for number in range(N_SPARSE // 10):
        history.apply(TrialCreated(number, number, TrialState.RUNNING, 0))
        history.apply(ParamSet(number, f"x{number % N_NAMES}", 0.5, kind))
        history.apply(TrialFinished(number, TrialState.COMPLETE, (float(number),), 1))
    sampler = TPESampler(seed=0, multivariate=multivariate)
    view = View(history)
    sampler.draw(view, number + 1, "x0", kind)
    gc.collect()
    tracemalloc.start()
    try:
        start, _ = tracemalloc.get_traced_memory()
        for which in range(1, N_NAMES):
            sampler.draw(view, number + 1, f"x{which}", kind)
        gc.collect()
        size = tracemalloc.get_traced_memory()[0] - start
    finally:
        tracemalloc.stop()
    print(f"{size / N_NAMES:.0f} bytes a name")
    assert size / N_NAMES < 12_000
