"""Columns and everything derived from them equal what a plain list of trials says."""

from __future__ import annotations

import pickle
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from ahpo.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from ahpo.history.facts import Fact, ParamSet, TrialCreated, TrialFinished, ValueReported
from ahpo.history.history import History
from ahpo.history.view import View
from ahpo.states import StudyDirection, TrialState
from tests.history.facts_drawn import Move, directions_drawn, facts_of, moves
from tests.history.naive_study import NaiveStudy
from tests.history.two_studies import assert_equal, both, refused

MINIMIZE = (StudyDirection.MINIMIZE,)


@given(moves, directions_drawn())
def test_history_equals_the_naive_study_and_refuses_what_it_should(
    drawn: list[Move], directions: tuple[StudyDirection, ...]
) -> None:
    """Facts that contradict the study or the table of legal changes are refused as a whole."""
    history, naive = History("study", directions), NaiveStudy(directions)
    for move in drawn:
        for fact in facts_of(move, naive):
            error = naive.refusal(fact)
            if error is None:
                history.apply(fact)
                naive.apply(fact)
            else:
                refused(history, fact, error)
    assert_equal(history, naive)


def long_study(n_trials: int, seed: int) -> list[Fact]:
    """Return the facts of trials that overlap, of which few differ from the rest in parameters."""
    rng = random.Random(seed)
    odd, ending, ranges = rng.choice([0.02, 0.1, 0.5]), rng.choice([0.4, 0.5]), rng.choice([1, 3])
    facts: list[Fact] = []
    going: list[int] = []
    for number in range(n_trials):
        facts.append(TrialCreated(number, number, TrialState.RUNNING, number))
        going.append(number)
        for name in ("c", "x") if rng.random() < odd else ("x", "n", "lr"):
            high = float(rng.randint(1, ranges))
            facts.append(ParamSet(number, name, rng.random(), FloatDistribution(0.0, high)))
        steps = rng.sample(range(100), rng.randrange(4))
        facts += [ValueReported(number, step, rng.random()) for step in steps]
        while going and rng.random() < ending:
            ended = going.pop(rng.randrange(len(going)))
            state = rng.choice([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])
            values = None if state is TrialState.FAIL else (float(rng.randrange(4)),)
            facts.append(TrialFinished(ended, state, values, number))
    return facts


@pytest.mark.parametrize("seed", range(40))
def test_columns_stay_right_as_they_grow(seed: int) -> None:
    assert_equal(*both(long_study(200 if seed < 4 else seed, seed), MINIMIZE))


def test_parameter_of_old_trials_only_is_absent_from_the_newer_rows() -> None:
    history = History("study", MINIMIZE)
    for number in range(100):
        history.apply(TrialCreated(number, number, TrialState.RUNNING, 0))
        if number < 3:
            history.apply(ParamSet(number, "x", 0.5, FloatDistribution(0.0, 1.0)))
        history.apply(TrialFinished(number, TrialState.COMPLETE, (1.0,), 1))
    column = View(history).column("x")
    assert column[:3].tolist() == [0.5] * 3
    assert len(column) == 100
    assert (column[3:] != column[3:]).all()


def _study_of_x(rows: Sequence[int], kinds: Sequence[BaseDistribution], n: int) -> list[Fact]:
    facts: list[Fact] = []
    for number in range(n):
        facts.append(TrialCreated(number, number, TrialState.RUNNING, 0))
        if number in rows:
            kind = kinds[number % len(kinds)]
            facts.append(ParamSet(number, "x", number / n, kind))
        facts.append(TrialFinished(number, TrialState.COMPLETE, (1.0,), 1))
    return facts


@pytest.mark.parametrize("n_kinds", [1, 3])
@pytest.mark.parametrize(
    "rows",
    [
        range(0, 300, 40),
        range(50, 300),
        (*range(60), *range(280, 300)),
        (0, 299),
        (0, *range(100, 300)),
        range(3, 300, 2),
        (200,),
    ],
)
def test_column_says_the_same_whether_few_or_many_rows_have_the_parameter(
    rows: Sequence[int], n_kinds: int
) -> None:
    kinds = [FloatDistribution(0.0, 1.0 + kind) for kind in range(n_kinds)]
    history, naive = both(_study_of_x(rows, kinds, 300), MINIMIZE)
    assert_equal(history, naive)
    assert_equal(pickle.loads(pickle.dumps(history)), naive)
    for n in range(0, 301, 7):
        column = history.table.columns["x"]
        np.testing.assert_array_equal(column.values(n), naive.column("x")[:n])
        assert [repr(column.at(row)) for row in range(n)] == list(
            map(repr, column.values(n).tolist())
        )


def test_finished_trials_show_the_choices_that_they_were_asked_for() -> None:
    """Distributions of choices 1 and True are equal, but the choices are not the same."""
    history = History("study", MINIMIZE)
    choices: list[tuple[Any, ...]] = [
        (1, 2),
        (1, 2),
        (True, 2.0),
        (1.0, 2),
        ((0,), 2),
        ((False,), 2),
    ]
    kinds = [CategoricalDistribution.__new__(CategoricalDistribution) for _ in choices]
    for number, (kind, items) in enumerate(zip(kinds, choices, strict=True)):
        kind.__setstate__(items)
        name = "a" if number < 4 else "b"
        history.apply(TrialCreated(number, number, TrialState.RUNNING, 0))
        history.apply(ParamSet(number, name, 0.0, kind))
        history.apply(TrialFinished(number, TrialState.COMPLETE, (1.0,), 1))
    for number, items in enumerate(choices):
        trial = history.frozen(number)
        assert repr(list(trial.params.values())) == repr([items[0]])
        (found,) = trial.distributions.values()
        assert isinstance(found, CategoricalDistribution)
        assert repr(found.choices) == repr(items)
