"""From the records of a history to `FrozenTrial`, the documented form of a trial."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ahpo.history.records import FinishedTrial
from ahpo.trials.checks import as_float_value, check_step
from ahpo.trials.frozen import FrozenTrial

__all__ = (
    "copied",
    "detached",
    "from_datetime",
    "frozen_trial",
    "record_of",
    "to_datetime",
    "with_own_attrs",
)


# Times up to here (2106) are so exact as floats, in seconds, that rounding gives the microsecond.
_EXACT = 2**32 * 1_000_000


def to_datetime(microseconds: int | None) -> datetime | None:
    """Return microseconds since the epoch as a naive datetime in local time."""
    if microseconds is None:
        return None
    if 0 <= microseconds < _EXACT:
        return datetime.fromtimestamp(microseconds / 1_000_000)
    seconds, fraction = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds).replace(microsecond=fraction)


def from_datetime(moment: datetime | None) -> int | None:
    """Return a datetime (naive: local time) as microseconds since the epoch."""
    if moment is None:
        return None
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000 + moment.microsecond


def copied(value: Any) -> Any:
    """Return a value of an attribute with its lists and dicts copied, however deep."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple([copied(item) for item in value])
    return value


def with_own_attrs(trial: FinishedTrial) -> FinishedTrial:
    """Return a record with copies of the values of its attributes."""
    if not trial.user_attrs and not trial.system_attrs:
        return trial
    return trial._replace(
        user_attrs=copied(trial.user_attrs), system_attrs=copied(trial.system_attrs)
    )


def frozen_trial(trial: FinishedTrial, *, external: bool = False) -> FrozenTrial:
    """Return a record as a `FrozenTrial`; attribute values are shared with the record.

    :param external: whether the parameters of the record are in external representation already
    """
    params, distributions = trial.params, trial.distributions
    if not external:
        params = {n: distributions[n].to_external_repr(v) for n, v in params.items()}
    return FrozenTrial(
        number=trial.number,
        trial_id=trial.trial_id,
        state=trial.state,
        value=None,
        values=None if trial.values is None else list(trial.values),
        datetime_start=to_datetime(trial.started),
        datetime_complete=to_datetime(trial.completed),
        params=params,
        distributions=distributions,
        user_attrs=trial.user_attrs,
        system_attrs=trial.system_attrs,
        intermediate_values=trial.intermediate_values,
    )


def detached(trial: FrozenTrial) -> FrozenTrial:
    """Return a copy of a trial that shares nothing mutable with it."""
    return FrozenTrial(
        number=trial.number,
        trial_id=trial._trial_id,
        state=trial.state,
        value=None,
        values=None if trial.values is None else list(trial.values),
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params=dict(trial.params),
        distributions=dict(trial.distributions),
        user_attrs=copied(trial.user_attrs),
        system_attrs=copied(trial.system_attrs),
        intermediate_values=dict(trial.intermediate_values),
    )


def record_of(trial: FrozenTrial) -> FinishedTrial:
    """Return a `FrozenTrial` as a record that shares nothing mutable with it.

    :raises TypeError: if a value is no number, or a step no int
    :raises ValueError: if a step is out of range, or a parameter has no internal form
    """
    distributions = dict(trial.distributions)
    values = None if trial.values is None else [as_float_value(v, "values") for v in trial.values]
    reports = trial.intermediate_values.items()
    return FinishedTrial(
        number=trial.number,
        trial_id=trial._trial_id,
        state=trial.state,
        values=None if values is None else tuple(values),
        params={n: distributions[n].to_internal_repr(v) for n, v in trial.params.items()},
        distributions=distributions,
        intermediate_values={
            check_step(step): as_float_value(v, "intermediate_values") for step, v in reports
        },
        user_attrs=copied(trial.user_attrs),
        system_attrs=copied(trial.system_attrs),
        started=from_datetime(trial.datetime_start),
        completed=from_datetime(trial.datetime_complete),
    )
