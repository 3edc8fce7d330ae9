"""Which trials a Gaussian process learns from, and when it is fitted."""

from __future__ import annotations

import numpy as np
import pytest

from ahpo.history.view import View
from ahpo.samplers.gp.models import scheduled
from ahpo.samplers.gp.space import CodeSpace
from ahpo.samplers.gp.trials import Known, known_trials, pending_codes
from ahpo.states import TrialState
from tests.samplers.spaces import PLANE
from tests.samplers.trials import MAXIMIZE, MINIMIZE, Trials


def known(trials: Trials) -> Known:
    return known_trials(View(trials.history), CodeSpace(PLANE))


def test_fits_are_of_all_trials_at_first_and_then_once_in_a_while() -> None:
    assert [scheduled(n) for n in range(17)] == list(range(17))
    counts = [scheduled(n) for n in range(1, 2000)]
    assert counts == sorted(counts)
    for n, count in enumerate(counts, 1):
        assert 0.92 * n - 1 <= count <= n
    assert len(set(counts)) < 250


def test_trials_of_each_end_count_for_what_they_tell() -> None:
    trials = Trials(PLANE, [MAXIMIZE])
    for place, value in enumerate((3.0, 1.0, 2.0)):
        trials.add({"x": float(place), "y": 0.0}, value)
    trials.add({"x": 4.0, "y": 4.0}, state=TrialState.FAIL)
    trials.add({"x": 1.0, "y": 1.0}, state=TrialState.PRUNED, reports={5: 9.0})
    trials.add({"x": 2.0, "y": 1.0}, state=TrialState.PRUNED, reports={5: 0.5})
    trials.add({"x": 3.0, "y": 1.0}, state=TrialState.PRUNED)
    found = known(trials)
    np.testing.assert_allclose(found.failed, [[0.9, 0.9]])
    # The median is 2, so minimized -2: what was pruned at 9 is no better, what was at 0.5 is worse.
    assert found.losses(6)[:, 0].tolist() == [-3.0, -1.0, -2.0, -2.0, -0.5, -2.0]
    assert found.losses(3)[:, 0].tolist() == [-3.0, -1.0, -2.0]


def test_best_trials_are_feasible_ones() -> None:
    trials = Trials(PLANE)
    for value, broken in ((1.0, 2.0), (2.0, -1.0), (0.0, 1.0), (3.0, 0.0)):
        trials.add({"x": value, "y": 0.0}, value, attrs={"constraints:c": broken})
    found = known(trials)
    assert found.order(4).tolist() == [1, 3, 2, 0]
    assert found.feasible.tolist() == [False, True, False, True]
    assert found.constraints["c"].tolist() == [2.0, -1.0, 1.0, 0.0]


def test_best_of_several_objectives_are_on_the_front() -> None:
    trials = Trials(PLANE, [MINIMIZE, MAXIMIZE])
    for pair in ((1.0, 0.0), (0.0, 1.0), (2.0, 3.0), (3.0, 3.0)):
        trials.add({"x": 0.0, "y": 0.0}, *pair)
    assert set(known(trials).order(4)[:2].tolist()) == {1, 2}


@pytest.mark.parametrize("most", [4, 7])
def test_most_telling_trials_are_the_best_and_the_latest(most: int) -> None:
    trials = Trials(PLANE)
    for place in range(20):
        trials.add({"x": 0.0, "y": 0.0}, float(abs(place - 3)))
    half = most // 2
    chosen = known(trials).most_telling(20, most)
    assert len(chosen) == most
    assert chosen[:half].tolist() == sorted([3, 2, 4][:half])
    assert chosen[half:].tolist() == list(range(20 - (most - half), 20))
    assert known(trials).most_telling(most, most).tolist() == list(range(most))


def test_pending_trials_count_where_all_their_parameters_are_known() -> None:
    trials = Trials(PLANE)
    trials.start({"x": 5.0, "y": -5.0})
    trials.start({"x": 1.0})
    proposed = trials.start({"x": 0.0})
    trials.history.open_trial(proposed).proposal = {"x": 3.0, "y": 5.0}
    enqueued = trials.start({"x": 0.0}, {"fixed_params": {"y": 1.0}})
    trials.history.open_trial(enqueued).proposal = {"y": 5.0}
    own = trials.start({"x": 2.0, "y": 2.0})
    codes = pending_codes(View(trials.history), CodeSpace(PLANE), own)
    np.testing.assert_allclose(codes, [[1.0, 0.0], [0.5, 1.0]])
