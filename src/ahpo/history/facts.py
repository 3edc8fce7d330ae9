"""Facts: the durable changes of a study, one immutable tuple each.

The same facts are applied to the history, written by the storages and replayed from them. They
are named tuples and not frozen dataclasses because a trial makes a dozen of them, and a named
tuple is made in a third of the time (0.3 against 0.9 microseconds).

Times are microseconds since the epoch (UTC). Parameter values are in internal representation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from ahpo.distributions import BaseDistribution
from ahpo.history.records import FinishedTrial
from ahpo.states import TrialState

__all__ = (
    "FAIL_REASON",
    "ConstraintSet",
    "Fact",
    "ParamSet",
    "StudySystemAttrSet",
    "StudyUserAttrSet",
    "SystemAttrSet",
    "TrialCreated",
    "TrialFact",
    "TrialFinished",
    "TrialStarted",
    "UserAttrSet",
    "ValueReported",
    "trial_facts",
)


# The system attribute that says why a trial failed.
FAIL_REASON = "fail_reason"


class TrialCreated(NamedTuple):
    """A trial exists: RUNNING since ``at``, or WAITING (``at`` is None)."""

    number: int
    trial_id: int
    state: TrialState
    at: int | None


class TrialStarted(NamedTuple):
    """A WAITING trial is RUNNING."""

    number: int
    at: int | None


class ParamSet(NamedTuple):
    """A parameter has its value."""

    number: int
    name: str
    value: float
    distribution: BaseDistribution


class ValueReported(NamedTuple):
    """An intermediate value was reported."""

    number: int
    step: int
    value: float


class UserAttrSet(NamedTuple):
    """A user attribute of a trial was set."""

    number: int
    key: str
    value: Any


class SystemAttrSet(NamedTuple):
    """A system attribute of a trial was set."""

    number: int
    key: str
    value: Any


class ConstraintSet(NamedTuple):
    """A named constraint of a trial has its value; above zero is a violation."""

    number: int
    key: str
    value: float


class TrialFinished(NamedTuple):
    """A trial is COMPLETE, PRUNED or FAIL, for good."""

    number: int
    state: TrialState
    values: tuple[float, ...] | None
    at: int | None


class StudyUserAttrSet(NamedTuple):
    """A user attribute of the study was set."""

    key: str
    value: Any


class StudySystemAttrSet(NamedTuple):
    """A system attribute of the study was set."""

    key: str
    value: Any


TrialFact: TypeAlias = (
    TrialCreated
    | TrialStarted
    | ParamSet
    | ValueReported
    | UserAttrSet
    | SystemAttrSet
    | ConstraintSet
    | TrialFinished
)
Fact: TypeAlias = TrialFact | StudyUserAttrSet | StudySystemAttrSet


def trial_facts(trial: FinishedTrial) -> Iterator[TrialFact]:
    """Yield the facts that make a trial what its record says; any state will do."""
    number, waiting = trial.number, trial.state is TrialState.WAITING
    first = TrialState.WAITING if waiting else TrialState.RUNNING
    yield TrialCreated(number, trial.trial_id, first, trial.started)
    for name, value in trial.params.items():
        yield ParamSet(number, name, value, trial.distributions[name])
    for step, reported in trial.intermediate_values.items():
        yield ValueReported(number, step, reported)
    for key, attribute in trial.user_attrs.items():
        yield UserAttrSet(number, key, attribute)
    for key, attribute in trial.system_attrs.items():
        yield SystemAttrSet(number, key, attribute)
    if trial.state.is_finished():
        yield TrialFinished(number, trial.state, trial.values, trial.completed)
