"""A trial as a plain value: a snapshot that nothing runs behind."""

# A slot in place of a property of the base class is read twice as fast; it can be written, too.
# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from ahpo.distributions.base import BaseDistribution
from ahpo.states import TrialState
from ahpo.trials.base import BaseTrial
from ahpo.trials.checks import check_keeps_kind, warn_out_of_range
from ahpo.trials.never import NEVER, Never

__all__ = ("FrozenTrial", "check_trial")


class FrozenTrial(BaseTrial):
    """Hold the state and the results of a trial.

    An objective can be called with it again: ``suggest_*`` return the parameters that it holds,
    ``report`` does nothing, and ``should_prune`` is false. It is not tied to a study: changes stay
    in the object.

    :param number: the number of the trial in its study.
    :param state: its TrialState.
    :param value: the value of the only objective; None if there is none, or if ``values`` is given.
    :param datetime_start: when the trial started.
    :param datetime_complete: when it finished.
    :param params: values of parameters by name.
    :param distributions: distributions of parameters by name.
    :param user_attrs: user attributes by key.
    :param system_attrs: system attributes by key.
    :param intermediate_values: reported values by step.
    :param trial_id: the identifier of the trial in its storage.
    :param values: the values of all objectives, or None.
    :raises ValueError: if both ``value`` and ``values`` are given.
    """

    __slots__ = (
        "_trial_id",
        "_values",
        "datetime_complete",
        "datetime_start",
        "distributions",
        "intermediate_values",
        "number",
        "params",
        "state",
        "system_attrs",
        "user_attrs",
    )

    def __init__(
        self,
        number: int,
        state: TrialState,
        value: float | None,
        datetime_start: datetime | None,
        datetime_complete: datetime | None,
        params: dict[str, Any],
        distributions: dict[str, BaseDistribution],
        user_attrs: dict[str, Any],
        system_attrs: dict[str, Any],
        intermediate_values: dict[int, float],
        trial_id: int,
        *,
        values: Sequence[float] | None = None,
    ) -> None:
        self._values: list[float] | None
        if value is not None:
            if values is not None:
                raise ValueError(
                    f"Only one of `value` and `values` may be given, but value={value!r} and "
                    f"values={values!r}."
                )
            self._values = [value]
        else:
            self._values = None if values is None else list(values)
        self.number: int = number
        self.state: TrialState = state
        self.datetime_start: datetime | None = datetime_start
        self.datetime_complete: datetime | None = datetime_complete
        self.params: dict[str, Any] = params
        self.distributions: dict[str, BaseDistribution] = distributions
        self.user_attrs: dict[str, Any] = user_attrs
        self.system_attrs: dict[str, Any] = system_attrs
        self.intermediate_values: dict[int, float] = intermediate_values
        self._trial_id: int = trial_id

    @property
    def value(self) -> float | None:
        """The value of the only objective, or None.

        :raises RuntimeError: if the trial has several values: those are in ``values``.
        """
        self._refuse_several("read")
        return self._values[0] if self._values else None

    @value.setter
    def value(self, value: float | None) -> None:
        self._refuse_several("set")
        self._values = None if value is None else [value]

    def _refuse_several(self, verb: str) -> None:
        if self._values is not None and len(self._values) > 1:
            raise RuntimeError(
                f"`value` cannot be {verb}, as this trial is one of several objectives: use "
                f"`values`, which is {self._values}."
            )

    @property
    def values(self) -> list[float] | None:
        """The values of all objectives, or None."""
        return self._values

    @values.setter
    def values(self, values: Sequence[float] | None) -> None:
        self._values = None if values is None else list(values)

    @property
    def last_step(self) -> int | None:
        """The largest step of a report, or None if there is none."""
        return max(self.intermediate_values) if self.intermediate_values else None

    @property
    def duration(self) -> timedelta | None:
        """The time from start to end, or None if one of them is missing."""
        if self.datetime_start is None or self.datetime_complete is None:
            return None
        return self.datetime_complete - self.datetime_start

    def report(self, value: float, step: int) -> None:
        """Do nothing: a frozen trial keeps the values that it has."""

    def should_prune(self) -> Never:
        """Return what is false, and can be awaited: a frozen trial is never pruned."""
        return NEVER

    def set_user_attr(self, key: str, value: Any) -> None:
        self.user_attrs[key] = value

    def _read_system_attrs(self) -> dict[str, Any]:
        return self.system_attrs

    def _set_system_attr(self, key: str, value: Any) -> None:
        self.system_attrs[key] = value

    def _suggest_value(self, name: str, distribution: BaseDistribution) -> Any:
        try:
            value = self.params[name]
        except KeyError:
            raise ValueError(
                f"The parameter {name!r} must be one of this FrozenTrial, which has "
                f"{sorted(self.params)}."
            ) from None
        internal = distribution.to_internal_repr(value)
        known = self.distributions.get(name)
        if known is not None:
            check_keeps_kind(name, known, distribution)
        if not distribution._contains(internal):
            warn_out_of_range(name, value, distribution)
        self.distributions[name] = distribution
        return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FrozenTrial):
            return NotImplemented
        return self is other or (self.number == other.number and _parts(self) == _parts(other))

    # A value that can change, and holds dicts, has no hash.
    __hash__ = None  # type: ignore[assignment]

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, FrozenTrial):
            return NotImplemented
        return self.number < other.number

    def __le__(self, other: object) -> bool:
        if not isinstance(other, FrozenTrial):
            return NotImplemented
        return self.number <= other.number

    def __repr__(self) -> str:
        # Arguments of the constructor: `values` is shown in place of `value`.
        return (
            f"FrozenTrial(number={self.number!r}, state={self.state!r}, values={self._values!r}, "
            f"datetime_start={self.datetime_start!r}, "
            f"datetime_complete={self.datetime_complete!r}, params={self.params!r}, "
            f"user_attrs={self.user_attrs!r}, system_attrs={self.system_attrs!r}, "
            f"intermediate_values={self.intermediate_values!r}, "
            f"distributions={self.distributions!r}, trial_id={self._trial_id!r}, value=None)"
        )


_parts = attrgetter(*FrozenTrial.__slots__)


def check_trial(trial: FrozenTrial) -> None:
    """Check that the parts of a trial agree with its state and with each other.

    :raises TypeError: if a value of the objective is not a number.
    :raises ValueError: if the times or values do not fit the state, a value of a complete trial is
        NaN, names of parameters and distributions differ, or a parameter is out of its range.
    """
    _check_times(trial)
    _check_values(trial)
    if trial.params.keys() != trial.distributions.keys():
        raise ValueError(
            f"`params` and `distributions` must have the same names, but they have "
            f"{sorted(trial.params)} and {sorted(trial.distributions)}."
        )
    for name, distribution in trial.distributions.items():
        if not isinstance(distribution, BaseDistribution):
            raise TypeError(
                f"`distributions` must hold distributions, but that of {name!r} is "
                f"{distribution!r}."
            )
        value = trial.params[name]
        if not _in_range(value, distribution):
            raise ValueError(
                f"The parameter {name!r} must be in the range of {distribution!r}, "
                f"but it is {value!r}."
            )


def _in_range(value: Any, distribution: BaseDistribution) -> bool:
    try:
        return distribution._contains(distribution.to_internal_repr(value))
    except ValueError:
        return False


def _check_times(trial: FrozenTrial) -> None:
    state = trial.state
    if trial.datetime_start is None and state is not TrialState.WAITING:
        raise ValueError(f"`datetime_start` must be set for a trial in {state}, but it is None.")
    if state.is_finished() and trial.datetime_complete is None:
        raise ValueError(f"`datetime_complete` must be set for a trial in {state}, but it is None.")
    if not state.is_finished() and trial.datetime_complete is not None:
        raise ValueError(
            f"`datetime_complete` must be None for a trial in {state}, but it is "
            f"{trial.datetime_complete!r}."
        )


def _check_values(trial: FrozenTrial) -> None:
    values = trial.values
    if trial.state is TrialState.FAIL and values is not None:
        raise ValueError(f"`values` must be None for a trial in {trial.state}, but it is {values}.")
    if trial.state is not TrialState.COMPLETE:
        return
    if values is None:
        raise ValueError(f"`values` must be set for a trial in {trial.state}, but it is None.")
    for value in values:
        if not hasattr(value, "__float__") and not hasattr(value, "__index__"):
            raise TypeError(f"`values` must hold numbers, but it is {values}.")
        if value != value:
            raise ValueError(f"`values` of a complete trial must not be NaN, but it is {values}.")
