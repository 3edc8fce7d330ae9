"""Columns and everything derived from them equal what a plain list of trials says."""

from __future__ import annotations

import random

import pytest
from hypothesis import given

from ahpo.distributions import FloatDistribution
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
