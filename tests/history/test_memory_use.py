"""Finished trials are columns: they take little memory."""

from __future__ import annotations

import gc
import tracemalloc

from ahpo.distributions import BaseDistribution, FloatDistribution
from ahpo.history.facts import ParamSet, TrialCreated, TrialFinished
from ahpo.history.history import History
from ahpo.states import TrialState
from tests.history.test_columns import MINIMIZE

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
