"""A history beside the naive study, and what the one must show to equal the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ahpo.history.facts import Fact
from ahpo.history.history import History
from ahpo.history.view import View
from ahpo.states import StudyDirection, TrialState
from tests.history.facts_drawn import NAMES, Move, facts_of
from tests.history.naive_study import NaiveStudy

Seen = Callable[[History], object]


def summary(history: History) -> str:
    """Return all that a history holds as text, in which NaN equals NaN."""
    front = history.front
    parts: dict[str, Any] = {
        "records": [history.record(number) for number in range(history.n_trials)],
        "running": sorted(history.running),
        "waiting": sorted(history.waiting),
        "rows": history.table.numbers.rows(history.table.n).tolist(),
        "best": history.best_number,
        "front": None if front is None else (front.numbers, front.losses.tolist()),
        "spaces": history.spaces,
        "groups": [history.groups(True).groups(), history.groups(False).groups()],
        "known": history.known_distributions,
        "attributes": (history.user_attrs, history.system_attrs),
        "started": history.first_started,
    }
    return repr(parts)


def legal_facts(moves: list[Move], directions: tuple[StudyDirection, ...]) -> list[Fact]:
    """Return the facts of the moves that no study would refuse."""
    naive = NaiveStudy(directions)
    facts = []
    for move in moves:
        for fact in facts_of(move, naive):
            if naive.refusal(fact) is None:
                naive.apply(fact)
                facts.append(fact)
    return facts


def both(facts: list[Fact], directions: tuple[StudyDirection, ...]) -> tuple[History, NaiveStudy]:
    history, naive = History("study", directions), NaiveStudy(directions)
    for fact in facts:
        history.apply(fact)
        naive.apply(fact)
    return history, naive


def assert_equal(history: History, naive: NaiveStudy) -> None:
    _assert_equal_columns(View(history), naive)
    _assert_equal_derived(history, naive)
    for trial in naive.trials:
        # As text, in which NaN equals NaN, and for good measure as objects where there is none.
        assert repr(history.record(trial.number)) == repr(trial.record())
        frozen = history.frozen(trial.number)
        assert repr(frozen) == repr(trial.frozen())
        assert frozen == trial.frozen() or "nan" in repr(frozen)
        assert history.state(trial.number) is trial.state


def _assert_equal_columns(view: View, naive: NaiveStudy) -> None:
    rows = naive.rows
    assert (view.n, view.n_trials) == (len(rows), len(naive.trials))
    assert view.directions == naive.directions
    assert view.numbers.tolist() == [row.number for row in rows]
    assert view.states.tolist() == [row.state for row in rows]
    np.testing.assert_array_equal(view.values, naive.values())
    np.testing.assert_array_equal(view.violation, [row.violation for row in rows])
    assert view.has_constraints == any(row.violation == row.violation for row in rows)
    assert view.last_step.tolist() == naive.last_steps()
    np.testing.assert_array_equal(view.last_value, naive.last_values())
    for name in (*NAMES, "nobody's"):
        np.testing.assert_array_equal(view.column(name), naive.column(name))
    ids, layouts = view.layouts()
    assert [layouts[i] for i in ids] == [tuple(row.params) for row in rows]
    for kind, state in (("running", TrialState.RUNNING), ("waiting", TrialState.WAITING)):
        found = [trial.number for trial in getattr(view, kind)()]
        assert found == [trial.number for trial in naive.trials if trial.state is state]


def _assert_equal_derived(history: History, naive: NaiveStudy) -> None:
    best = naive.best_numbers()
    if history.front is None:
        assert history.best_number == (best[0] if best else None)
        assert history.best_numbers() == best
    else:
        assert sorted(history.front.numbers) == best
    view = View(history)
    for include_pruned in (False, True):
        expected = naive.intersection(include_pruned)
        assert list(view.intersection(include_pruned).items()) == list(expected.items())
        groups = view.groups(include_pruned)
        assert {frozenset(group.items()) for group in groups} == naive.groups(include_pruned)
        assert len(groups) == len(naive.groups(include_pruned))
    for states in (None, (TrialState.RUNNING,), (TrialState.COMPLETE, TrialState.WAITING)):
        expected_numbers = [t.number for t in naive.trials if states is None or t.state in states]
        assert history.numbers(states) == expected_numbers
    assert (history.user_attrs, history.system_attrs) == (naive.user_attrs, naive.system_attrs)
    started = [t.started for t in naive.trials if t.started is not None]
    assert history.first_started == min(started, default=None)


def refused(history: History, fact: Fact, error: str) -> None:
    """Check that the history refuses the fact with an error of that name, and nothing changes."""
    before = summary(history)
    with pytest.raises(Exception) as caught:
        history.apply(fact)
    assert type(caught.value).__name__ == error, f"{fact}: {caught.value!r}"
    assert summary(history) == before
