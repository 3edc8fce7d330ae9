"""The five distributions of older scripts, each a special case of the two of today."""

from __future__ import annotations

import warnings
from typing import Any

from ahpo.distributions.base import BaseDistribution
from ahpo.distributions.numeric import FloatDistribution, IntDistribution

__all__ = (
    "DiscreteUniformDistribution",
    "IntLogUniformDistribution",
    "IntUniformDistribution",
    "LogUniformDistribution",
    "UniformDistribution",
    "convert_old_distribution",
)


def _warn_old(name: str, successor: str) -> None:
    warnings.warn(f"{name} is deprecated: use {successor} instead.", FutureWarning, stacklevel=3)


class UniformDistribution(FloatDistribution):
    """Describe a continuous range of floats: deprecated, use FloatDistribution(low, high)."""

    __slots__ = ()

    def __init__(self, low: float, high: float) -> None:
        _warn_old("UniformDistribution", "FloatDistribution(low, high)")
        super().__init__(low, high)

    def _asdict(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high}


class LogUniformDistribution(FloatDistribution):
    """Describe a range in the log domain: deprecated, use FloatDistribution(..., log=True)."""

    __slots__ = ()

    def __init__(self, low: float, high: float) -> None:
        _warn_old("LogUniformDistribution", "FloatDistribution(low, high, log=True)")
        super().__init__(low, high, log=True)

    def _asdict(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high}


class DiscreteUniformDistribution(FloatDistribution):
    """Describe a grid of floats: deprecated, use FloatDistribution(low, high, step=q)."""

    __slots__ = ()

    def __init__(self, low: float, high: float, q: float) -> None:
        _warn_old("DiscreteUniformDistribution", "FloatDistribution(low, high, step=q)")
        super().__init__(low, high, step=q)

    @property
    def q(self) -> float | None:
        """The distance of neighbouring values: the ``step`` of FloatDistribution."""
        return self.step

    @q.setter
    def q(self, value: float) -> None:
        self.step = value

    def _asdict(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "q": self.step}


class IntUniformDistribution(IntDistribution):
    """Describe a range of integers: deprecated, use IntDistribution(low, high, step=step)."""

    __slots__ = ()

    def __init__(self, low: int, high: int, step: int = 1) -> None:
        _warn_old("IntUniformDistribution", "IntDistribution(low, high, step=step)")
        super().__init__(low, high, step=step)

    def _asdict(self) -> dict[str, Any]:
        return {"step": self.step, "low": self.low, "high": self.high}


class IntLogUniformDistribution(IntDistribution):
    """Describe integers in the log domain: deprecated, use IntDistribution(..., log=True)."""

    __slots__ = ()

    def __init__(self, low: int, high: int, step: int = 1) -> None:
        _warn_old("IntLogUniformDistribution", "IntDistribution(low, high, log=True)")
        super().__init__(low, high, log=True, step=step)

    def _asdict(self) -> dict[str, Any]:
        return {"step": self.step, "low": self.low, "high": self.high}


_OLD_FLOATS = (UniformDistribution, LogUniformDistribution, DiscreteUniformDistribution)
_OLD_INTS = (IntUniformDistribution, IntLogUniformDistribution)


def convert_old_distribution(
    distribution: BaseDistribution, suppress_warning: bool = False
) -> BaseDistribution:
    """Return the distribution of today that means the same; one of today is returned itself.

    :param suppress_warning: whether to leave out the FutureWarning that names both.
    """
    new: BaseDistribution
    kind = type(distribution)
    if kind in _OLD_FLOATS:
        assert isinstance(distribution, FloatDistribution)
        new = FloatDistribution(
            distribution.low, distribution.high, log=distribution.log, step=distribution.step
        )
    elif kind in _OLD_INTS:
        assert isinstance(distribution, IntDistribution)
        new = IntDistribution(
            distribution.low, distribution.high, log=distribution.log, step=distribution.step
        )
    else:
        return distribution
    if not suppress_warning:
        warnings.warn(
            f"{distribution!r} is deprecated and is replaced with {new!r}.",
            FutureWarning,
            stacklevel=2,
        )
    return new
