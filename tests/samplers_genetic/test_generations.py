"""Generations follow from the marks on finished trials, in whatever order they end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.distributions import FloatDistribution
from ahpo.samplers.generations import Marks, course, mark_of, members
from ahpo.samplers.nsgaii.population import parents_of
from ahpo.samplers.nsgaii.selection import most_spread
from ahpo.states import TrialState
from tests.samplers.trials import MINIMIZE, Trials

KEY = "NSGAIISampler:generation"
MARKS = Marks(KEY, 3)


class Best:
    """Let the best survive by one objective."""

    size = 3

    def survivors(self, losses: Any, violation: Any, generation: int) -> Any:
        return most_spread(losses, violation, self.size)


def trials(marks: list[int | None], states: list[TrialState] | None = None) -> Trials:
    """Return trials that ended in this order, with their place as their value."""
    study = Trials({"x": FloatDistribution(0.0, 1.0)}, (MINIMIZE,))
    for place, mark in enumerate(marks):
        state = states[place] if states else TrialState.COMPLETE
        attrs = {} if mark is None else {KEY: mark}
        study.add({"x": 0.5}, float(place), attrs=attrs, state=state)
    return study


def newest(study: Trials) -> int:
    view = study.view()
    return course(view, MARKS).newest(view.n)


def test_a_generation_is_closed_when_enough_are_complete() -> None:
    for n in range(10):
        assert newest(trials([i // 3 for i in range(n)])) == n // 3


def test_failed_and_pruned_trials_do_not_count() -> None:
    states = [TrialState.FAIL, TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE]
    study = trials([0] * 4, states)
    assert newest(study) == 0
    study.add({"x": 0.1}, 1.0, attrs={KEY: 0})
    assert newest(study) == 1
    assert members(study.view(), MARKS, 0).tolist() == [1, 3, 4]


def test_late_trials_of_a_closed_generation_do_not_close_the_next() -> None:
    assert newest(trials([0, 0, 0, 0, 0, 1, 0, 1])) == 1
    assert newest(trials([0, 0, 0, 0, 0, 1, 0, 1, 1])) == 2


def test_a_mark_of_a_later_generation_says_that_the_earlier_ones_are_closed() -> None:
    """Other workers may have another population size, or have seen trials earlier."""
    study = trials([0, 0, 4])
    assert newest(study) == 4
    assert course(study.view(), MARKS).ends == {0: 2, 1: 2, 2: 2, 3: 2}


@pytest.mark.parametrize("mark", [-1, 1.0, "1", True, None, 2**40])
def test_marks_that_are_none_are_no_marks(mark: Any) -> None:
    assert mark_of({KEY: mark}, KEY) == -1


def test_trials_without_a_mark_are_generation_0_however_many() -> None:
    study = trials([None] * 8)
    assert newest(study) == 1
    assert parents_of(study.view(), MARKS, Best(), 1).tolist() == [0, 1, 2]
    worst_first = trials([None] * 3)
    for value in (-1.0, -2.0, -3.0, -4.0):
        worst_first.add({"x": 0.5}, value)
        assert newest(worst_first) == 1
    assert sorted(parents_of(worst_first.view(), MARKS, Best(), 1)) == [4, 5, 6]


def test_trials_without_a_mark_that_come_later_compete_at_the_next_selection() -> None:
    study = trials([0, 0, 0, 1])
    study.add({"x": 0.5}, -1.0)
    study.add({"x": 0.5}, 9.0, attrs={KEY: 1})
    assert newest(study) == 1
    assert sorted(parents_of(study.view(), MARKS, Best(), 1)) == [0, 1, 2]
    study.add({"x": 0.5}, 9.0, attrs={KEY: 1})
    assert sorted(parents_of(study.view(), MARKS, Best(), 2)) == [0, 1, 4]


def naive_parents(values: list[float], marks: list[int], size: int) -> list[list[int]]:
    """Return the parents of each generation from 1 on, by running through the trials."""
    found: list[list[int]] = []
    start, count, parents = 0, 0, list[int]()
    for row, mark in enumerate(marks):
        count += mark == len(found)
        if count == size:
            pool = sorted([*range(start, row + 1), *parents], key=lambda r: values[r])
            parents = pool[:size]
            found.append(sorted(parents))
            start, count = row + 1, 0
    return found


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 10**6)), max_size=40))
def test_parents_are_the_best_of_what_ended_since_and_of_their_parents(
    late: list[tuple[int, int]],
) -> None:
    study = trials([])
    marks: list[int] = []
    values = [value + place / 100 for place, (_, value) in enumerate(late)]
    views = []
    for (lateness, _), value in zip(late, values, strict=True):
        marks.append(max(0, newest(study) - lateness))
        study.add({"x": 0.5}, value, attrs={KEY: marks[-1]})
        views.append(study.view())
    wanted = naive_parents(values, marks, 3)
    view = study.view()
    assert newest(study) == len(wanted)
    for generation, parents in enumerate(wanted, start=1):
        assert sorted(parents_of(view, MARKS, Best(), generation)) == parents
        # A view that is older than that gives the parents that there were.
        for old in views:
            at_most = min(generation, course(old, MARKS).newest(old.n))
            found = sorted(parents_of(old, MARKS, Best(), generation))
            assert found == (wanted[at_most - 1] if at_most else [])


def test_a_part_of_the_trials_has_a_course_of_its_own() -> None:
    """Hyperband shows the trials of one bracket only."""
    study = trials([0, 0, 0, 0, 0, 0, 1, 1, 1])
    even = study.view().select(np.arange(9) % 2 == 0)
    assert course(even, MARKS).newest(even.n) == 1
    assert even.numbers[parents_of(even, MARKS, Best(), 1)].tolist() == [0, 2, 4]
    assert newest(study) == 2


def test_each_trial_is_read_once() -> None:
    study = trials([])
    reads = 0

    class Counted(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            nonlocal reads
            reads += 1
            return super().get(key, default)

    for n in range(30):
        study.add({"x": 0.5}, 1.0, attrs={KEY: n // 3})
        study.history.table.system_attrs[n] = Counted({KEY: n // 3})
        assert newest(study) == (n + 1) // 3
    assert reads == 30
