"""A trial of given parameters, to call an objective with outside a study."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ahpo.distributions.base import BaseDistribution
from ahpo.trials.base import BaseTrial
from ahpo.trials.checks import check_keeps_kind, warn_out_of_range
from ahpo.trials.never import NEVER, Never

__all__ = ("FixedTrial",)


class FixedTrial(BaseTrial):
    """Suggest parameters that were given beforehand.

    ``objective(FixedTrial({"x": 1}))`` evaluates an objective at a point. A parameter out of the
    range that the objective asks for is used, with a UserWarning; ``report`` does nothing, and
    ``should_prune`` is false.

    :param params: values of parameters by name.
    :param number: the number of the trial.
    :raises TypeError: if ``params`` is no dict.
    """

    __slots__ = (
        "_datetime_start",
        "_distributions",
        "_given",
        "_number",
        "_suggested",
        "_system_attrs",
        "_user_attrs",
    )

    def __init__(self, params: dict[str, Any], number: int = 0) -> None:
        if not isinstance(params, Mapping):
            raise TypeError(f"`params` must be a dict, but it is {params!r}.")
        self._given = params
        self._suggested: dict[str, Any] = {}
        self._distributions: dict[str, BaseDistribution] = {}
        self._user_attrs: dict[str, Any] = {}
        self._system_attrs: dict[str, Any] = {}
        self._datetime_start = datetime.now()
        self._number = number

    def _suggest_value(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self._given:
            raise ValueError(
                f"The parameter {name!r} must be given to FixedTrial, which has "
                f"{sorted(self._given)}."
            )
        value = self._given[name]
        internal = distribution.to_internal_repr(value)
        known = self._distributions.get(name)
        if known is not None:
            check_keeps_kind(name, known, distribution)
        if not distribution._contains(internal):
            warn_out_of_range(name, value, distribution)
        self._suggested[name] = value
        self._distributions[name] = distribution
        return value

    def report(self, value: float, step: int) -> None:
        """Do nothing: there is no pruner to report to."""

    def should_prune(self) -> Never:
        """Return what is false, and can be awaited: there is no pruner."""
        return NEVER

    def set_user_attr(self, key: str, value: Any) -> None:
        self._user_attrs[key] = value

    def _read_system_attrs(self) -> dict[str, Any]:
        return self._system_attrs

    def _set_system_attr(self, key: str, value: Any) -> None:
        self._system_attrs[key] = value

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that were suggested so far, by name."""
        return self._suggested

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return self._distributions

    @property
    def user_attrs(self) -> dict[str, Any]:
        return self._user_attrs

    @property
    def system_attrs(self) -> dict[str, Any]:
        """The system attributes by key."""
        return self._system_attrs

    @property
    def datetime_start(self) -> datetime | None:
        return self._datetime_start

    @property
    def number(self) -> int:
        return self._number
