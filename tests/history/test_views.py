"""A view shows the study as it was when it was taken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.distributions import FloatDistribution
from ahpo.history.facts import TrialCreated
from ahpo.history.history import History
from ahpo.history.view import View
from ahpo.states import StudyDirection, TrialState
from tests.history.facts_drawn import NAMES, Move, directions_drawn, moves
from tests.history.test_columns import MINIMIZE, long_study
from tests.history.two_studies import both, legal_facts


def shown(view: View) -> str:
    """Return what a view shows of the finished trials, as text, in which NaN equals NaN."""
    ids, layouts = view.layouts()
    return repr(
        (
            view.n,
            view.n_trials,
            view.numbers.tolist(),
            view.states.tolist(),
            view.values.tolist(),
            view.violation.tolist(),
            view.last_step.tolist(),
            view.last_value.tolist(),
            [view.column(name).tolist() for name in NAMES],
            [layouts[i] for i in ids],
            view.intersection(),
            view.intersection(include_pruned=True),
        )
    )


@given(moves, directions_drawn(), st.lists(st.integers(0, 60), max_size=4))
def test_view_taken_earlier_does_not_change(
    drawn: list[Move], directions: tuple[StudyDirection, ...], when: list[int]
) -> None:
    history = History("study", directions)
    taken = []
    for place, fact in enumerate(legal_facts(drawn, directions)):
        if place in when:
            taken.append((view := View(history), shown(view)))
        history.apply(fact)
    for view, before in taken:
        assert shown(view) == before


def test_view_and_its_arrays_stay_as_they_are_when_columns_grow() -> None:
    history = History("study", MINIMIZE)
    taken = []
    arrays = []
    for place, fact in enumerate(long_study(300, seed=0)):
        if place % 50 == 0:
            view = View(history)
            taken.append((view, shown(view)))
            arrays += [(a, a.copy()) for a in (view.values, view.column("x"), view.column("c"))]
        history.apply(fact)
    assert all(shown(view) == before for view, before in taken)
    for array, before in arrays:
        np.testing.assert_array_equal(array, before)


def test_arrays_of_a_view_can_not_be_written_to() -> None:
    history, _ = both(long_study(40, seed=1), MINIMIZE)
    view = View(history)
    for array in (view.numbers, view.values, view.column("x"), view.last_step, view.layouts()[0]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@given(st.lists(st.booleans(), min_size=40, max_size=40), st.data())
def test_selected_rows_are_those_rows_and_no_others(mask: list[bool], data: st.DataObject) -> None:
    history, naive = both(long_study(80, seed=2), MINIMIZE)
    whole = View(history)
    chosen = np.flatnonzero(np.resize(mask, whole.n))
    view = whole.select(np.resize(np.array(mask), whole.n))
    again = data.draw(st.lists(st.integers(0, len(chosen) - 1), unique=True)) if len(chosen) else []
    for part, rows in ((view, chosen), (view.select(np.array(again, np.int64)), chosen[again])):
        assert part.n == len(rows)
        assert part.n_trials == whole.n_trials
        assert not part.whole
        np.testing.assert_array_equal(part.numbers, whole.numbers[rows])
        np.testing.assert_array_equal(part.values, whole.values[rows])
        np.testing.assert_array_equal(part.column("c"), whole.column("c")[rows])
        np.testing.assert_array_equal(part.last_value, whole.last_value[rows])
        at = np.arange(part.n)[::2]
        np.testing.assert_array_equal(
            part.points(at, ["c", "nobody has it", "x"]),
            np.array([part.point(row, ["c", "nobody has it", "x"]) for row in at]).reshape(-1, 3),
        )
        assert part.sizes(at).tolist() == [len(part.layouts()[1][i]) for i in part.layouts()[0][at]]
        assert [dict(part.system_attrs(row)) for row in at.tolist()] == [
            history.finished(number).system_attrs for number in part.numbers[at].tolist()
        ]
        naive.rows = [naive.trials[number] for number in part.numbers]
        for pruned in (False, True):
            assert part.intersection(pruned) == naive.intersection(pruned)
            groups = {frozenset(group.items()) for group in part.groups(pruned)}
            assert groups == naive.groups(pruned)


def test_what_is_derived_from_rows_is_kept_for_whole_views_only() -> None:
    history, _ = both(long_study(40, seed=3), MINIMIZE)
    View(history).cache["key"] = 1
    assert View(history).cache == {"key": 1}
    assert View(history).select(np.array([0, 1])).cache == {}


def test_running_trials_are_shown_as_they_go_on() -> None:
    history = History("study", MINIMIZE)
    history.apply(TrialCreated(0, 0, TrialState.RUNNING, 0))
    view = View(history)
    (running,) = view.running()
    assert running is view.open_trial(0)
    history.set_param(running, "x", 0.5, FloatDistribution(0.0, 1.0))
    assert view.running()[0].params == {"x": 0.5}
