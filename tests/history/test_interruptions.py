"""Ctrl-C raises between any two instructions: a trial that finishes then is in no half state."""

from __future__ import annotations

import itertools
import pickle
import random
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from ahpo.distributions import CategoricalDistribution, FloatDistribution
from ahpo.exceptions import UpdateFinishedTrialError
from ahpo.history.facts import (
    ConstraintSet,
    Fact,
    ParamSet,
    TrialCreated,
    TrialFinished,
    UserAttrSet,
    ValueReported,
)
from ahpo.history.history import History
from ahpo.history.view import View
from ahpo.pruners.step_index import StepIndex
from ahpo.states import StudyDirection, TrialState
from tests.history.naive_study import NaiveStudy
from tests.history.two_studies import assert_equal

N_BEFORE = 16  # after so many rows the columns grow
FIRST, SECOND = N_BEFORE, N_BEFORE + 1  # two running trials
COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def _interrupted(history: History, fact: Fact, instruction: int) -> bool:
    """Apply a fact, with a Ctrl-C before one of its instructions; tell whether it came so far."""
    left = instruction

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal left
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        history.apply(fact)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def _going_trial(number: int, rng: random.Random) -> Iterator[Fact]:
    yield TrialCreated(number, number, TrialState.RUNNING, number)
    yield ParamSet(number, "x", rng.random(), FloatDistribution(0.0, 1.0))
    yield ParamSet(number, "lr", 0.5, FloatDistribution(0.0, 1.0 + number % 3))
    if number in (0, FIRST):
        yield ParamSet(number, "c", 1.0, CategoricalDistribution(("a", None)))
        yield ConstraintSet(number, "k", 0.5 - number)
    if number == FIRST:
        yield ParamSet(number, "n", 0.5, FloatDistribution(0.0, 1.0))
    yield ValueReported(number, 3, rng.random())
    yield UserAttrSet(number, "key", number)


def _facts(n_objectives: int) -> list[Fact]:
    rng = random.Random(0)
    facts: list[Fact] = []
    for number in range(N_BEFORE):
        facts += _going_trial(number, rng)
        values = tuple(2.0 + rng.random() for _ in range(n_objectives))
        facts.append(TrialFinished(number, COMPLETE, values, 1))
    for number in (FIRST, SECOND):
        facts += _going_trial(number, rng)
    return facts


class Study:
    """Make histories at the moment before two running trials end."""

    def __init__(self, n_objectives: int) -> None:
        self.directions = (StudyDirection.MINIMIZE,) * n_objectives
        self.facts = _facts(n_objectives)
        history = History("study", self.directions)
        for fact in self.facts:
            history.apply(fact)
        self._pickled = pickle.dumps(history)

    def history(self) -> History:
        """Return a history with an index and groups."""
        history: History = pickle.loads(self._pickled)
        history.index(StepIndex)
        history.groups(True)
        return history

    def naive(self, *ends: Fact) -> NaiveStudy:
        """Return the plain study after these facts."""
        naive = NaiveStudy(self.directions)
        for fact in (*self.facts, *ends):
            naive.apply(fact)
        return naive


def _finish(history: History, fact: TrialFinished) -> bool:
    """Finish a trial; tell whether it had finished before."""
    try:
        history.apply(fact)
    except UpdateFinishedTrialError:
        return True
    return False


@pytest.mark.parametrize(("n_objectives", "another_first"), [(1, False), (2, True)])
def test_finishing_again_after_an_interruption_leaves_the_history_as_if_there_had_been_none(
    n_objectives: int, another_first: bool
) -> None:
    """The trial then fails, or it had got into the table; meanwhile another one may have ended."""
    study = Study(n_objectives)
    end = TrialFinished(FIRST, COMPLETE, (1.0,) * n_objectives, 5)
    again = TrialFinished(FIRST, FAIL, None, 6)
    other = TrialFinished(SECOND, PRUNED, None, 7)
    expected: dict[bool, str] = {}
    seen: list[bool] = []
    for instruction in itertools.count(n_objectives, 3):  # others in the other case
        history = study.history()
        interrupted = _interrupted(history, end, instruction)
        order: list[Fact] = [other] if another_first and _finish(history, other) is False else []
        was_there = _finish(history, again)
        order = [end, *order] if was_there else [*order, again]
        if not seen or seen[-1] is not was_there:
            # Once in full; and then each instruction by what it leads to, which is quicker.
            assert_equal(history, study.naive(*order))
            seen.append(was_there)
        found = _state(history)
        assert found == expected.setdefault(was_there, found), instruction
        if not interrupted:
            break
    assert seen == [False, True]
    assert instruction > 500


def _state(history: History) -> str:
    """Return as text what the end of two trials may change."""
    view = View(history)
    columns = [getattr(view, name).tolist() for name in ("numbers", "values", "violation")]
    columns += [view.column(name).tolist() for name in ("x", "lr", "c", "n")]
    records = [history.record(number) for number in (0, FIRST, SECOND)]
    kept = (history.best_number, history.front and history.front.numbers)
    spaces = (history.spaces, view.groups(True), view.has_constraints, view.last_step.tolist())
    return repr(
        (records, columns, list(history.running), kept, spaces, history.index(StepIndex).__dict__)
    )
