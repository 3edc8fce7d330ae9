"""The trial that an objective works with; everything here is plain and touches memory only."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ahpo.distributions import BaseDistribution, check_distribution_compatibility
from ahpo.engine.spaces import Asked, asked
from ahpo.exceptions import TrialInterrupted
from ahpo.history.facts import (
    ConstraintSet,
    SystemAttrSet,
    UserAttrSet,
    ValueReported,
)
from ahpo.history.frozen import copied, to_datetime
from ahpo.history.view import View
from ahpo.trials.base import BaseTrial
from ahpo.trials.checks import as_float_value, check_keeps_kind, check_key, check_step
from ahpo.trials.constraints import constraint_attribute

if TYPE_CHECKING:
    from ahpo.engine.session import Session

__all__ = ("FIXED_PARAMS", "LiveTrial")

FIXED_PARAMS = "fixed_params"


class LiveTrial(BaseTrial):
    """Suggest parameters, and take reports and attributes, for one running trial."""

    # What the next call raises once the trial has been ended from outside.
    _interruption: type[BaseException] = TrialInterrupted

    def __init__(self, session: Session, number: int, view: View) -> None:
        self._session = session
        self._number = number
        self.view = view
        self._open = session.store.history.open_trial(number)
        self._fixed: dict[str, Any] = self._open.system_attrs.get(FIXED_PARAMS) or {}
        self._record = session.store.record
        self._record_param = session.store.record_param
        self._spaces = session.spaces
        self._floats = session.spaces.floats
        self._arrays = session.array_sampler
        self._interrupt: str | None = None
        self._deadline: float | None = None
        self.on_interrupt: Callable[[], object] | None = None

    # -- being ended from outside -----------------------------------------------------------

    def interrupt(self, reason: str) -> None:
        """Make the next call on the trial raise `TrialInterrupted`, in whatever thread."""
        self._interrupt = reason
        if (tell := self.on_interrupt) is not None:
            tell()

    @property
    def interrupted_by(self) -> str | None:
        """Return why the trial was interrupted, or None if it was not."""
        return self._interrupt

    def limit_time(self, seconds: float) -> None:
        """Interrupt the trial at its first call after that many seconds."""
        self._deadline = self._session.clock.monotonic() + seconds

    def is_over(self) -> str | None:
        """Return why the trial has been ended from outside, or None if it goes on."""
        if self._interrupt is None and self._deadline is not None:
            if self._session.clock.monotonic() >= self._deadline:
                self._interrupt = "trial_timeout"
        return self._interrupt

    def _check_going(self) -> None:
        if (self._interrupt is not None or self._deadline is not None) and self.is_over():
            raise self._interruption(f"Trial {self._number} has been ended: {self._interrupt}.")

    # -- parameters -------------------------------------------------------------------------

    # The overrides know the distributions of earlier trials; building one each time costs more
    # than all the rest of a suggestion.

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        try:
            wanted = self._floats[name, low, high, step, log]
        except (KeyError, TypeError):
            wanted = self._spaces.new_float(name, low, high, step, log)
        value: float = self._suggest(name, wanted)
        return value

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        try:
            wanted = self._spaces.ints[name, low, high, step, log]
        except (KeyError, TypeError):
            wanted = self._spaces.new_int(name, low, high, step, log)
        value: int = self._suggest(name, wanted)
        return value

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._suggest(name, self._spaces.for_categorical(name, choices))

    def suggest(self, name: str, distribution: BaseDistribution) -> Any:
        """Suggest a value from a distribution."""
        self._session.store.history.check_param(check_key(name, "name"), distribution)
        return self._suggest(name, asked(distribution))

    def _suggest(self, name: str, wanted: Asked) -> Any:
        if self._interrupt is not None or self._deadline is not None:
            self._check_going()
        distribution, only = wanted
        opened = self._open
        if name in opened.params:
            return self._suggest_again(name, distribution)
        if name in self._fixed:
            value = self._take_fixed(name, distribution)
        elif only is not None:
            value = only
        elif self._arrays is None:
            value = self._ask_sampler(name, distribution)
        else:
            proposed = opened.proposal.get(name)
            if proposed is not None and distribution._contains(proposed):
                value = proposed
            else:
                value = self._arrays.draw(self.view, self._number, name, distribution)
        self._record_param(opened, name, value, distribution)
        return distribution.to_external_repr(value)

    def _suggest_again(self, name: str, distribution: BaseDistribution) -> Any:
        first = self._open.distributions[name]
        if first is not distribution and first != distribution:
            check_keeps_kind(name, first, distribution)
            warnings.warn(
                f"The parameter {name!r} of trial {self._number} was suggested before from "
                f"{first}: its value stays, and {distribution} is ignored.",
                RuntimeWarning,
                stacklevel=4,
            )
        return first.to_external_repr(self._open.params[name])

    def _take_fixed(self, name: str, distribution: BaseDistribution) -> float:
        fixed = self._fixed[name]
        value = distribution.to_internal_repr(fixed)
        if not distribution._contains(value):
            warnings.warn(
                f"Fixed parameter {name!r} with value {fixed!r} is out of range for distribution "
                f"{distribution}.",
                UserWarning,
                stacklevel=4,
            )
        return value

    def _relative_value(self, name: str, distribution: BaseDistribution) -> float | None:
        """Return what a user's sampler sampled jointly; None if it is out of the range.

        :raises ValueError: if it can not belong to the distribution
        """
        relative = self._open.relative
        if relative is None or name not in relative.params:
            return None
        if name not in relative.space:
            raise ValueError(
                f"`sample_relative` returned the parameter {name!r}, which is not in its search "
                f"space {sorted(relative.space)}."
            )
        check_distribution_compatibility(relative.space[name], distribution)
        value = distribution.to_internal_repr(relative.params[name])
        return value if distribution._contains(value) else None

    def _ask_sampler(self, name: str, distribution: BaseDistribution) -> float:
        proposed = self._relative_value(name, distribution)
        if proposed is not None:
            return proposed
        sampler = self._session.sampler
        frozen = self._session.store.history.frozen(self._number)
        reader = self._session.reader.at(self.view)
        external = sampler.sample_independent(reader, frozen, name, distribution)
        value = distribution.to_internal_repr(external)
        if not distribution._contains(value):
            warnings.warn(
                f"`sample_independent` of {sampler} returned {external!r} for {name!r}, which is "
                f"not in {distribution}: it is used all the same.",
                UserWarning,
                stacklevel=4,
            )
        return value

    # -- reports and attributes -------------------------------------------------------------

    def report(self, value: float, step: int) -> None:
        """Report an intermediate value.

        The first report of a step stays; a later one is ignored with a warning.

        :param value: what the objective is worth so far
        :param step: how far it got, from 0
        :raises TypeError: if ``value`` is no float or ``step`` no int
        :raises ValueError: if ``step`` is negative
        :raises NotImplementedError: if the study has several objectives
        """
        self._check_going()
        self._check_single_objective("report")
        number_value, step = as_float_value(value, "value"), check_step(step)
        if step in self._open.intermediate_values:
            # Told as an update, so that a finished trial is refused and not just warned of.
            self._session.store.history.open_trial(self._number)
            warnings.warn(
                f"The reported value is ignored because `step={step}` is already reported.",
                UserWarning,
                stacklevel=2,
            )
            return
        self._record(ValueReported(self._number, step, number_value))

    def _check_single_objective(self, method: str) -> None:
        if len(self._session.store.history.directions) > 1:
            raise NotImplementedError(
                f"`{method}` needs a study with one objective, but this one has "
                f"{len(self._session.store.history.directions)}."
            )

    def set_user_attr(self, key: str, value: Any) -> None:
        """Set a user attribute of the trial.

        :param value: anything that JSON can hold, if the study is to be stored
        :raises TypeError: if ``key`` is no str
        """
        self._check_going()
        self._record(UserAttrSet(self._number, check_key(key, "key"), copied(value)))

    def _set_system_attr(self, key: str, value: Any) -> None:
        self._check_going()
        self._record(SystemAttrSet(self._number, check_key(key, "key"), copied(value)))

    def set_constraint(self, key: str, value: float) -> None:
        """Set the value of a constraint; above zero it is violated.

        The first value of a constraint stays; a later one is ignored with a warning.

        :raises TypeError: if ``key`` is no str or ``value`` no float
        :raises ValueError: if ``value`` is NaN
        """
        self._check_going()
        number_value = constraint_attribute(check_key(key, "key"), value)[1]
        if key in self.constraints:
            self._session.store.history.open_trial(self._number)
            warnings.warn(
                f"The constraint value is ignored because `key={key!r}` is already set.",
                UserWarning,
                stacklevel=2,
            )
            return
        self._record(ConstraintSet(self._number, key, number_value))

    # -- reading ----------------------------------------------------------------------------

    @property
    def number(self) -> int:
        """Return the number of the trial: consecutive and unique in its study."""
        return self._number

    @property
    def _trial_id(self) -> int:
        return self._open.trial_id

    @property
    def params(self) -> dict[str, Any]:
        """Return the parameters that were suggested so far."""
        distributions = self._open.distributions
        params = list(self._open.params.items())
        return {name: distributions[name].to_external_repr(value) for name, value in params}

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Return the distributions of the parameters that were suggested so far."""
        return dict(self._open.distributions)

    @property
    def relative_params(self) -> dict[str, Any]:
        """Return the parameters that were sampled jointly when the trial was asked for."""
        if self._open.relative is not None:
            return dict(self._open.relative.params)
        known = self._session.store.history.known_distributions
        proposal = self._open.proposal
        return {n: known[n].to_external_repr(value) for n, value in proposal.items() if n in known}

    @property
    def reports(self) -> dict[int, float]:
        """Return the reported values by step."""
        return dict(self._open.intermediate_values)

    @property
    def user_attrs(self) -> dict[str, Any]:
        """Return a copy of the user attributes."""
        attributes: dict[str, Any] = copied(dict(self._open.user_attrs))
        return attributes

    def _read_system_attrs(self) -> dict[str, Any]:
        attributes: dict[str, Any] = copied(dict(self._open.system_attrs))
        return attributes

    @property
    def datetime_start(self) -> datetime | None:
        """Return when the trial started, in local time."""
        return to_datetime(self._open.started)
