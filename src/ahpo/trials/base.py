"""What every trial offers to an objective, whether it runs, has finished, or is made by hand."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any, overload

from ahpo.distributions.base import BaseDistribution
from ahpo.distributions.categorical import CategoricalChoiceType, CategoricalDistribution
from ahpo.distributions.numeric import FloatDistribution, IntDistribution
from ahpo.trials.constraints import constraint_attribute, constraints_of

__all__ = ("BaseTrial", "warn_old_name")


class BaseTrial(ABC):
    """Be the base of the trials.

    A subclass gives the abstract members, and either ``_suggest_value``, from which all
    ``suggest_*`` follow, or these themselves; constraints are system attributes, which it reads
    and sets.
    """

    __slots__ = ()

    def _suggest_value(self, name: str, distribution: BaseDistribution) -> Any:
        """Return the value, in its external form, of a parameter with this distribution."""
        raise NotImplementedError

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Suggest a float between ``low`` and ``high``, both included.

        :param name: the name of the parameter.
        :param low: the lower end, above 0 if ``log``.
        :param high: the upper end; lowered, with a UserWarning, to the last point of the grid if
            ``step`` does not divide the range.
        :param step: the distance of neighbouring values, or None for a continuous range.
        :param log: whether the value is sampled in the log domain; not with ``step``.
        :raises ValueError: if the arguments describe no range, or if the parameter was suggested
            before with another kind of distribution.
        """
        value: float = self._suggest_value(name, FloatDistribution(low, high, log=log, step=step))
        return value

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Suggest an integer between ``low`` and ``high``, both included.

        :param name: the name of the parameter.
        :param low: the lower end, at least 1 if ``log``.
        :param high: the upper end; lowered, with a UserWarning, to the last point of the grid if
            ``step`` does not divide the range.
        :param step: the distance of neighbouring values.
        :param log: whether the value is sampled in the log domain; only with a ``step`` of 1.
        :raises ValueError: if the arguments describe no range, or if the parameter was suggested
            before with another kind of distribution.
        """
        return int(self._suggest_value(name, IntDistribution(low, high, log=log, step=step)))

    @overload
    def suggest_categorical(self, name: str, choices: Sequence[None]) -> None: ...
    @overload
    def suggest_categorical(self, name: str, choices: Sequence[bool]) -> bool: ...
    @overload
    def suggest_categorical(self, name: str, choices: Sequence[int]) -> int: ...
    @overload
    def suggest_categorical(self, name: str, choices: Sequence[float]) -> float: ...
    @overload
    def suggest_categorical(self, name: str, choices: Sequence[str]) -> str: ...
    @overload
    def suggest_categorical(
        self, name: str, choices: Sequence[CategoricalChoiceType]
    ) -> CategoricalChoiceType: ...
    def suggest_categorical(
        self, name: str, choices: Sequence[CategoricalChoiceType]
    ) -> CategoricalChoiceType:
        """Suggest one of ``choices``.

        :param name: the name of the parameter.
        :param choices: the candidates: None, bool, int, float or str; the same ones, in the same
            order, in each trial.
        :raises ValueError: if there are no choices, or other ones than before.
        """
        value: CategoricalChoiceType = self._suggest_value(name, CategoricalDistribution(choices))
        return value

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        """Suggest a float: deprecated, use ``suggest_float``."""
        warn_old_name("suggest_uniform", "suggest_float")
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """Suggest a float in the log domain: deprecated, use ``suggest_float(..., log=True)``."""
        warn_old_name("suggest_loguniform", "suggest_float(..., log=True)")
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        """Suggest a float on a grid: deprecated, use ``suggest_float(..., step=...)``."""
        warn_old_name("suggest_discrete_uniform", "suggest_float(..., step=...)")
        return self.suggest_float(name, low, high, step=q)

    @abstractmethod
    def report(self, value: float, step: int) -> None:
        """Report the value of the objective at a step."""

    @abstractmethod
    def should_prune(self) -> Any:
        """Tell whether the trial should be given up: a bool, or in async code one to await."""

    @abstractmethod
    def set_user_attr(self, key: str, value: Any) -> None:
        """Set a user attribute."""

    def set_constraint(self, key: str, value: float) -> None:
        """Set the constraint ``key``, which the trial keeps if ``value`` is at most 0.

        :raises TypeError: if ``value`` is no number.
        :raises ValueError: if ``value`` is NaN.
        """
        self._set_system_attr(*constraint_attribute(key, value))

    @property
    @abstractmethod
    def params(self) -> dict[str, Any]:
        """The values of the parameters by name."""

    @property
    @abstractmethod
    def distributions(self) -> dict[str, BaseDistribution]:
        """The distributions of the parameters by name."""

    @property
    @abstractmethod
    def user_attrs(self) -> dict[str, Any]:
        """The user attributes by key."""

    @property
    def constraints(self) -> dict[str, float]:
        """The constraints by key; those of a sampler's ``constraints_func`` are "0", "1", ..."""
        return constraints_of(self._read_system_attrs())

    @property
    @abstractmethod
    def datetime_start(self) -> datetime | None:
        """When the trial started, or None if it has not."""

    @property
    @abstractmethod
    def number(self) -> int:
        """The number of the trial, consecutive and unique in its study."""

    def _read_system_attrs(self) -> dict[str, Any]:
        """Return the system attributes by key."""
        raise NotImplementedError

    def _set_system_attr(self, key: str, value: Any) -> None:
        """Set a system attribute."""
        raise NotImplementedError

    @property
    def system_attrs(self) -> dict[str, Any]:
        """The system attributes by key: deprecated, use ``user_attrs`` or ``constraints``."""
        warn_old_name("system_attrs", "user_attrs or constraints")
        return self._read_system_attrs()

    def set_system_attr(self, key: str, value: Any) -> None:
        """Set a system attribute: deprecated, use ``set_user_attr``."""
        warn_old_name("set_system_attr", "set_user_attr")
        self._set_system_attr(key, value)


def warn_old_name(name: str, successor: str) -> None:
    """Warn whoever called the caller of this function that ``name`` has a successor."""
    warnings.warn(f"{name} is deprecated: use {successor} instead.", FutureWarning, stacklevel=3)
