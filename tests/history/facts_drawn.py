"""Strategies for the facts of a study, legal ones and others, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from hypothesis import strategies as st

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.history.facts import (
    ConstraintSet,
    Fact,
    ParamSet,
    StudySystemAttrSet,
    StudyUserAttrSet,
    SystemAttrSet,
    TrialCreated,
    TrialFinished,
    TrialStarted,
    UserAttrSet,
    ValueReported,
)
from ahpo.states import StudyDirection, TrialState
from tests.history.naive_study import NaiveStudy

NAMES = ("x", "lr", "n", "c")


class Param(NamedTuple):
    name: str
    value: float
    distribution: BaseDistribution


def _float(name: str, ends: list[float], u: float, log: bool) -> Param:
    low, high = sorted(ends)
    return Param(name, min(low + u * (high - low), high), FloatDistribution(low, high, log=log))


_units = st.floats(0.0, 1.0)
_ends = st.lists(st.sampled_from([1.0, 2.0, 8.0]), min_size=2, max_size=2)
fitting_params = st.one_of(
    st.builds(_float, st.just("x"), _ends, _units, st.just(False)),
    st.builds(_float, st.just("lr"), st.just([1e-5, 1.0]), _units, st.just(True)),
    st.builds(lambda k: Param("n", float(3 * k), IntDistribution(0, 9, step=3)), st.integers(0, 3)),
    st.builds(
        lambda k: Param("c", float(k), CategoricalDistribution(("a", None, 3))), st.integers(0, 2)
    ),
)
unfitting_params = st.sampled_from(
    [
        Param("x", 1.0, IntDistribution(0, 1)),
        Param("lr", 0.5, FloatDistribution(0.1, 1.0)),
        Param("c", 0.0, CategoricalDistribution(("a", None))),
    ]
)
_times = st.integers(0, 2 * 10**15)
_attributes = st.sampled_from([None, 1, "text", [1, [2]], {"k": [1.5]}])
_reported = st.floats(width=32)
_told = st.sampled_from([0.0, 1.0, 1.0, -2.5, float("inf"), float("nan")])
_states = st.sampled_from([TrialState.COMPLETE] * 3 + list(TrialState))


def directions_drawn() -> st.SearchStrategy[tuple[StudyDirection, ...]]:
    known = st.sampled_from([StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE])
    return st.lists(known, min_size=1, max_size=2).map(tuple)


# A move is (kind, which trial, what): the trial is counted modulo those that there are.
Move = tuple[str, int, Any]


def _move(kind: str, what: st.SearchStrategy[Any]) -> st.SearchStrategy[Move]:
    return st.tuples(st.just(kind), st.integers(-1, 40), what)


_values = st.none() | st.lists(_told, min_size=2, max_size=2)
_whole = st.tuples(
    st.lists(fitting_params, max_size=4),
    st.dictionaries(st.integers(0, 5), _reported, max_size=3),
    st.none() | st.floats(-1.0, 1.0),
    _states.filter(lambda state: state.is_finished()),
    _values,
)
moves = st.lists(
    st.one_of(
        _move("whole", _whole),
        _move("create", st.tuples(_states | st.just(TrialState.RUNNING), _times | st.none())),
        _move("start", _times),
        _move("param", fitting_params | unfitting_params),
        _move("report", st.tuples(st.integers(0, 5), _reported)),
        _move("user_attr", st.tuples(st.sampled_from("ab"), _attributes)),
        _move("system_attr", st.tuples(st.sampled_from("ab"), _attributes)),
        _move("constraints", st.none() | st.lists(st.floats(-1.0, 1.0), max_size=2)),
        _move("constraint", st.tuples(st.sampled_from("0k"), st.floats(-1.0, 1.0))),
        _move("finish", st.tuples(_states, _values, st.booleans(), _times)),
        _move("study_attr", st.tuples(st.booleans(), st.sampled_from("ab"), _attributes)),
    ),
    max_size=40,
)


def facts_of(move: Move, study: NaiveStudy) -> Iterator[Fact]:
    """Yield the facts that a move means for the study as it is."""
    kind, which, what = move
    new = len(study.trials)
    number = which % new if new and which >= 0 else which
    k = len(study.directions)
    match kind:
        case "whole":
            yield from _whole_trial(new, k, *what)
        case "create":
            state, at = what
            at = None if state is TrialState.WAITING else at  # it has not started
            yield TrialCreated(new if which % 8 else which, 100 + 3 * new, state, at)
        case "start":
            yield TrialStarted(number, what)
        case "param":
            yield ParamSet(number, *what)
        case "report":
            yield ValueReported(number, *what)
        case "user_attr":
            yield UserAttrSet(number, *what)
        case "system_attr":
            yield SystemAttrSet(number, *what)
        case "constraints":
            yield SystemAttrSet(number, "constraints", what)
        case "constraint":
            yield ConstraintSet(number, *what)
        case "finish":
            state, values, wrong_length, at = what
            told = None if values is None else tuple(values)[: k + wrong_length]
            yield TrialFinished(number, state, told, at)
        case _:
            of_user, key, value = what
            yield (StudyUserAttrSet if of_user else StudySystemAttrSet)(key, value)


def _whole_trial(
    number: int,
    k: int,
    params: list[Param],
    reports: dict[int, float],
    constraint: float | None,
    state: TrialState,
    values: list[float] | None,
) -> Iterator[Fact]:
    yield TrialCreated(number, 100 + 3 * number, TrialState.RUNNING, 10**15 + number)
    for param in params:
        yield ParamSet(number, *param)
    for step, value in reports.items():
        yield ValueReported(number, step, value)
    if constraint is not None:
        yield ConstraintSet(number, "k", constraint)
    told = None if values is None else tuple(values)[:k]
    yield TrialFinished(number, state, told, 10**15 + 10**6 + number)
