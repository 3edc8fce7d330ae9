"""Which trials are good, against the order written out trial by trial."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.history.dominance import non_domination_ranks
from ahpo.history.hypervolume import hypervolume
from ahpo.history.view import View
from ahpo.samplers.tpe.split import good_rows
from ahpo.states import StudyDirection, TrialState
from tests.samplers.trials import MAXIMIZE, MINIMIZE, Trials

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL

values = st.sampled_from([-inf, -2.0, 0.0, 1.0, 1.0, 3.5, inf])
reports = st.dictionaries(st.integers(0, 4), st.sampled_from([0.0, 1.0, 2.0, nan]), max_size=3)
ends = st.tuples(
    st.sampled_from([COMPLETE, COMPLETE, PRUNED, FAIL]),
    values,
    reports,
    st.sampled_from([None, None, -1.0, 0.0, 0.5, 2.0]),
)
histories = st.lists(ends, max_size=40)


def add(trials: Trials, end: tuple[Any, ...]) -> None:
    state, value, reported, constraint = end
    attrs = {} if constraint is None else {"constraints": [constraint, -3.0]}
    trials.add({}, value, state=state, reports=reported, attrs=attrs)


def naive_key(end: tuple[Any, ...], row: int, sign: float) -> tuple[float, ...] | None:
    """Return by what a finished trial is ordered; None if it failed."""
    state, value, reported, constraint = end
    if state is FAIL:
        return None
    if constraint is not None and constraint > 0:
        return (2, constraint, 0, row)
    if state is COMPLETE:
        return (0, sign * value, 0, row)
    if not reported:
        return (1, 1, inf, row)
    last = max(reported)
    loss = sign * reported[last]
    return (1, -last, inf if loss != loss else loss, row)


def naive_good(history: list[Any], n_good: int, sign: float) -> list[int]:
    keys = [naive_key(end, row, sign) for row, end in enumerate(history)]
    found = sorted(key for key in keys if key is not None)[:n_good]
    return sorted(int(key[3]) for key in found)


@given(histories, st.integers(0, 45), st.sampled_from([MINIMIZE, MAXIMIZE]))
def test_good_trials_are_the_first_in_the_documented_order(
    history: list[Any], n_good: int, direction: StudyDirection
) -> None:
    trials = Trials({}, [direction])
    for end in history:
        add(trials, end)
    sign = -1.0 if direction is MAXIMIZE else 1.0
    found = good_rows(trials.view(), {}, n_good)
    assert found.tolist() == naive_good(history, n_good, sign)


@given(st.lists(st.tuples(ends, st.integers(0, 12), st.booleans()), max_size=60))
def test_what_is_kept_from_trial_to_trial_never_shows(
    history: list[tuple[Any, int, bool]],
) -> None:
    trials = Trials({})
    cache: dict[Any, Any] = {}
    views: list[View] = []
    for position, (end, n_good, look) in enumerate(history):
        add(trials, end)
        views.append(trials.view())
        if look:
            # A trial that runs for long asks again with the view of its start.
            for row in {position, position // 2}:
                past = [one for one, *_ in history[: row + 1]]
                assert good_rows(views[row], cache, n_good).tolist() == naive_good(
                    past, n_good, 1.0
                )


def test_an_old_view_that_shares_few_of_the_best_rows_is_ranked_by_itself() -> None:
    trials = Trials({})
    cache: dict[Any, Any] = {}
    for row in range(10):
        trials.add({}, float(row))
    old = trials.view()
    for row in range(300):
        trials.add({}, -1.0 - row)
    assert len(good_rows(trials.view(), cache, 5)) == 5
    assert good_rows(old, cache, 5).tolist() == [0, 1, 2, 3, 4]


several = st.lists(
    st.tuples(st.tuples(values, values), st.sampled_from([None, None, 0.0, 0.5, 2.0])), max_size=25
)


@given(several, st.integers(1, 30))
def test_under_several_objectives_fronts_come_first_and_broken_constraints_last(
    history: list[tuple[tuple[float, float], float | None]], n_good: int
) -> None:
    trials = Trials({}, [MINIMIZE, MAXIMIZE])
    for (first, second), constraint in history:
        attrs = {} if constraint is None else {"constraints": [constraint]}
        trials.add({}, first, second, attrs=attrs)
    found = good_rows(trials.view(), {}, n_good).tolist()
    assert len(found) == len(set(found)) == min(n_good, len(history))
    kept = [row for row, (_, broken) in enumerate(history) if not broken]
    inside = [row for row in found if row in kept]
    if len(found) > len(inside):
        assert inside == kept
        chosen = sorted(history[row][1] or 0.0 for row in found if row not in kept)
        every = sorted(broken for _, broken in history if broken)
        assert chosen == every[: len(chosen)]
        return
    losses = np.array([[history[row][0][0], -history[row][0][1]] for row in kept]).reshape(-1, 2)
    ranks = dict(zip(kept, non_domination_ranks(losses).tolist(), strict=True))
    worst = max((ranks[row] for row in found), default=0)
    assert all(row in found for row in kept if ranks[row] < worst)


def test_of_a_front_the_points_with_the_largest_hypervolume_are_good() -> None:
    rng = np.random.default_rng(0)
    angles = np.sort(rng.random(60)) * np.pi / 2
    points = 2.0 - np.column_stack((np.cos(angles), np.sin(angles)))
    trials = Trials({}, [MINIMIZE, MINIMIZE])
    for point in points:
        trials.add({}, *point.tolist())
    chosen = good_rows(trials.view(), {}, 6)
    reference = points.max(axis=0) * 1.1
    volume = hypervolume(points[chosen], reference)
    others = [hypervolume(points[rng.choice(60, 6, False)], reference) for _ in range(200)]
    assert volume > max(others)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_objectives", [2, 3, 4])
def test_losses_of_any_size_are_ranked(n_objectives: int) -> None:
    """Differences of such losses, and products of these, are no floats."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        points = rng.choice(
            [-inf, -1.7e308, -1e200, 0.0, 1.0, 1e308, 1.7e308, inf], (20, n_objectives)
        )
        trials = Trials({}, [MINIMIZE] * n_objectives)
        for point in points:
            trials.add({}, *point.tolist())
        ranks = non_domination_ranks(points)
        for n_good in (1, 4, 9):
            found = good_rows(trials.view(), {}, n_good).tolist()
            assert len(set(found)) == n_good
            assert sorted(ranks[found]) == sorted(ranks)[:n_good]


def test_scale_of_an_objective_does_not_matter_when_it_is_huge() -> None:
    points = np.random.default_rng(0).random((40, 3)) + 0.5
    chosen = []
    for scale in (1.0, 2.0**1000):
        trials = Trials({}, [MINIMIZE] * 3)
        for point in points * [1.0, scale, 1.0]:
            trials.add({}, *point.tolist())
        chosen.append(good_rows(trials.view(), {}, 5).tolist())
    assert chosen[0] == chosen[1]


def test_under_several_objectives_pruned_trials_follow_complete_ones() -> None:
    trials = Trials({}, [MINIMIZE, MINIMIZE])
    trials.add({}, state=PRUNED)
    trials.add({}, 1.0, 1.0)
    trials.add({}, state=FAIL)
    trials.add({}, state=PRUNED, reports={3: 0.0})
    view = trials.view()
    assert [good_rows(view, {}, n).tolist() for n in range(1, 5)] == [
        [1],
        [1, 3],
        [0, 1, 3],
        [0, 1, 3],
    ]


@pytest.mark.parametrize("n_good", [0, -3])
def test_none_is_good_if_none_may_be(n_good: int) -> None:
    trials = Trials({})
    trials.add({}, 1.0)
    assert good_rows(trials.view(), {}, n_good).tolist() == []
