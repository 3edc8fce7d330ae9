"""The lines of a journal: one JSON object each, in the form that Optuna reads and writes.

Extra fields, and operations on trials that do not exist, are ignored by every version of Optuna:
that is where leases go, of which its journals know nothing. A line that starts a trial may have
the field ``"ahpo": {"lease": true}``; renewals and releases are one line for all trials of a
process, a system attribute of a trial that there never is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from typing import Any

from ahpo.distributions import BaseDistribution, CategoricalDistribution
from ahpo.distributions.serialization import distribution_to_json, json_to_distribution
from ahpo.history.facts import (
    ConstraintSet,
    Fact,
    ParamSet,
    StudySystemAttrSet,
    StudyUserAttrSet,
    SystemAttrSet,
    TrialFinished,
    UserAttrSet,
    ValueReported,
)
from ahpo.history.records import FinishedTrial
from ahpo.states import StudyDirection, TrialState
from ahpo.trials.constraints import CONSTRAINT_PREFIX

__all__ = (
    "EXTRA",
    "LEASES",
    "NOBODY",
    "OpCode",
    "Writer",
    "distribution_of",
    "dumps",
    "microseconds",
)


class OpCode(IntEnum):
    """Name the operations that the lines of a journal are."""

    CREATE_STUDY = 0
    DELETE_STUDY = 1
    SET_STUDY_USER_ATTR = 2
    SET_STUDY_SYSTEM_ATTR = 3
    CREATE_TRIAL = 4
    SET_TRIAL_PARAM = 5
    SET_TRIAL_STATE_VALUES = 6
    SET_TRIAL_INTERMEDIATE_VALUE = 7
    SET_TRIAL_USER_ATTR = 8
    SET_TRIAL_SYSTEM_ATTR = 9
    DISCARD_TRIALS = 10  # of Rustuna; all others skip it


NOBODY = 2**32 - 1  # the trial that there never is; Rustuna can read no other number for it
EXTRA = "ahpo"  # the field that others ignore
LEASES = "ahpo:leases"  # the attribute of nobody that renews and releases leases
_LEASED = f',"{EXTRA}":{{"lease":true}}'

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

dumps = json.JSONEncoder(separators=(",", ":")).encode


def microseconds(text: str | None) -> int | None:
    """Return a time of the journal in microseconds since the epoch.

    It has an offset, as Optuna 5 writes it, or else is local time, as Optuna 4 does.
    """
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    past = (at if at.tzinfo is not None else at.astimezone()) - _EPOCH
    # What `past // _MICROSECOND` returns, in a third of the time.
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds


@lru_cache(maxsize=4096)
def distribution_of(text: str) -> BaseDistribution:
    """Return the distribution that a JSON text describes; they repeat from line to line."""
    return json_to_distribution(text)


def _time(at: int | None) -> str:
    if at is None:
        return "null"
    return f'"{(_EPOCH + at * _MICROSECOND).isoformat(timespec="microseconds")}"'


def _number(value: float) -> str:
    # The first is what the second returns, in a tenth of the time.
    if type(value) is float and value - value == 0.0:
        return repr(value)
    return dumps(float(value))


@lru_cache(maxsize=1024)
def _number_range_text(distribution: BaseDistribution) -> str:
    return dumps(distribution_to_json(distribution))


def _distribution_text(distribution: BaseDistribution) -> str:
    # Choices can be equal and not the same: (1,) and (True,).
    if isinstance(distribution, CategoricalDistribution):
        return dumps(distribution_to_json(distribution))
    return _number_range_text(distribution)


class Writer:
    """Make the lines of one author.

    Optuna knows the lines that it has written by their ``worker_id``, and so do we.

    :param author: what goes into ``worker_id``
    """

    def __init__(self, author: str) -> None:
        self.author = author
        self._author_text = dumps(author)

    def _line(self, op: OpCode, fields: str) -> str:
        return f'{{"op_code":{int(op)},"worker_id":{self._author_text},{fields}}}'

    def create_study(self, study_name: str, directions: Sequence[StudyDirection]) -> str:
        """Create a study."""
        numbers = [int(direction) for direction in directions]
        fields = f'"study_name":{dumps(study_name)},"directions":{dumps(numbers)}'
        return self._line(OpCode.CREATE_STUDY, fields)

    def delete_study(self, study_id: int) -> str:
        """Delete a study."""
        return self._line(OpCode.DELETE_STUDY, f'"study_id":{study_id}')

    def create_trial(self, study_id: int, at: int, lease: bool) -> str:
        """Create a running trial."""
        fields = f'"study_id":{study_id},"datetime_start":{_time(at)}'
        return self._line(OpCode.CREATE_TRIAL, fields + _LEASED if lease else fields)

    def add_trial(self, study_id: int, trial: FinishedTrial) -> str:
        """Add a trial of any state; it may have one value, or several, or none.

        :raises TypeError: if an attribute is nothing that JSON can express
        """
        values = trial.values
        single = values is not None and len(values) == 1
        kinds = trial.distributions.items()
        fields: dict[str, Any] = {
            "study_id": study_id,
            "datetime_start": json.loads(_time(trial.started)),
            "state": int(trial.state),
            "value": values[0] if single and values is not None else None,
            "values": None if single else values,
        }
        if trial.completed is not None:
            fields["datetime_complete"] = json.loads(_time(trial.completed))
        fields["distributions"] = {name: distribution_to_json(kind) for name, kind in kinds}
        fields["params"] = trial.params
        fields["user_attrs"] = trial.user_attrs
        fields["system_attrs"] = trial.system_attrs
        fields["intermediate_values"] = trial.intermediate_values
        return self._line(OpCode.CREATE_TRIAL, dumps(fields)[1:-1])

    def start(self, trial_id: int, at: int, lease: bool) -> str:
        """Start a waiting trial."""
        fields = f'"trial_id":{trial_id},"state":0,"values":null,"datetime_start":{_time(at)}'
        return self._line(OpCode.SET_TRIAL_STATE_VALUES, fields + _LEASED if lease else fields)

    def finish(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None, at: int
    ) -> str:
        """Finish a trial."""
        told = "null" if values is None else f"[{','.join(map(_number, values))}]"
        fields = (
            f'"trial_id":{trial_id},"state":{int(state)},"values":{told},'
            f'"datetime_complete":{_time(at)}'
        )
        return self._line(OpCode.SET_TRIAL_STATE_VALUES, fields)

    def leases(self, renewed: Iterable[int], released: Iterable[int]) -> str:
        """Renew and release leases."""
        told = dumps({LEASES: {"renewed": list(renewed), "released": list(released)}})
        fields = f'"trial_id":{NOBODY},"system_attr":{told}'
        return self._line(OpCode.SET_TRIAL_SYSTEM_ATTR, fields)

    def fact(self, fact: Fact, trial_id: int, study_id: int) -> str:
        """Write a fact of a trial, or of the study.

        :raises TypeError: if there is something in it that JSON can not express
        """
        return _FACTS[type(fact)](self, fact, trial_id, study_id)

    def _param(self, fact: ParamSet, trial_id: int, _: int) -> str:
        fields = (
            f'"trial_id":{trial_id},"param_name":{dumps(fact.name)},'
            f'"param_value_internal":{_number(fact.value)},'
            f'"distribution":{_distribution_text(fact.distribution)}'
        )
        return self._line(OpCode.SET_TRIAL_PARAM, fields)

    def _report(self, fact: ValueReported, trial_id: int, _: int) -> str:
        fields = (
            f'"trial_id":{trial_id},"step":{int(fact.step)},'
            f'"intermediate_value":{_number(fact.value)}'
        )
        return self._line(OpCode.SET_TRIAL_INTERMEDIATE_VALUE, fields)

    def _user_attr(self, fact: UserAttrSet, trial_id: int, _: int) -> str:
        fields = f'"trial_id":{trial_id},"user_attr":{dumps({fact.key: fact.value})}'
        return self._line(OpCode.SET_TRIAL_USER_ATTR, fields)

    def _system_attr(self, fact: SystemAttrSet, trial_id: int, _: int) -> str:
        fields = f'"trial_id":{trial_id},"system_attr":{dumps({fact.key: fact.value})}'
        return self._line(OpCode.SET_TRIAL_SYSTEM_ATTR, fields)

    def _constraint(self, fact: ConstraintSet, trial_id: int, study_id: int) -> str:
        attribute = SystemAttrSet(fact.number, CONSTRAINT_PREFIX + fact.key, fact.value)
        return self._system_attr(attribute, trial_id, study_id)

    def _finished(self, fact: TrialFinished, trial_id: int, _: int) -> str:
        # Optuna can not read the end of a trial that has no time.
        return self.finish(trial_id, fact.state, fact.values, fact.at or 0)

    def _study_user_attr(self, fact: StudyUserAttrSet, _: int, study_id: int) -> str:
        fields = f'"study_id":{study_id},"user_attr":{dumps({fact.key: fact.value})}'
        return self._line(OpCode.SET_STUDY_USER_ATTR, fields)

    def _study_system_attr(self, fact: StudySystemAttrSet, _: int, study_id: int) -> str:
        fields = f'"study_id":{study_id},"system_attr":{dumps({fact.key: fact.value})}'
        return self._line(OpCode.SET_STUDY_SYSTEM_ATTR, fields)


_FACTS: dict[type, Callable[[Writer, Any, int, int], str]] = {
    ParamSet: Writer._param,
    ValueReported: Writer._report,
    UserAttrSet: Writer._user_attr,
    SystemAttrSet: Writer._system_attr,
    ConstraintSet: Writer._constraint,
    TrialFinished: Writer._finished,
    StudyUserAttrSet: Writer._study_user_attr,
    StudySystemAttrSet: Writer._study_system_attr,
}
