"""Random search: each parameter uniform on its distribution's scale, independent of all else."""

from __future__ import annotations

from math import exp, floor, log, nextafter
from typing import TYPE_CHECKING, Any

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.samplers.array_sampler import ArraySampler

if TYPE_CHECKING:
    from collections.abc import Callable

    from ahpo.history.view import View

__all__ = ("RandomSampler", "at_quantile")


def at_quantile(distribution: BaseDistribution, u: float) -> float:
    """Return the internal value of ``distribution`` at the quantile ``u`` in [0, 1).

    Floats are uniform in [low, high), or in their logarithm. Values on a grid (``step``), ints
    and choices have equal probabilities; log ints the length of [k - 1/2, k + 1/2] in logarithm.

    :raises NotImplementedError: if it is none of the three kinds of distributions.
    """
    if isinstance(distribution, FloatDistribution):
        return _float_at(distribution, u)
    if isinstance(distribution, IntDistribution):
        return _int_at(distribution, u)
    if isinstance(distribution, CategoricalDistribution):
        return _choice_at(distribution, u)
    raise NotImplementedError(
        f"`distribution` must be a FloatDistribution, an IntDistribution or a "
        f"CategoricalDistribution, but it is {distribution!r}."
    )


def _float_at(distribution: FloatDistribution, u: float) -> float:
    low, high, step = distribution.low, distribution.high, distribution.step
    if step is not None:
        cells = round((high - low) / step) + 1
        return min(low + step * floor(u * cells), high)
    if distribution.log:
        start = log(low)
        value = exp(start + u * (log(high) - start))
        # exp(log(low)) may round to either side of low, and likewise at the other end.
        return max(low, min(value, nextafter(high, low)))
    # Halves, because high - low may overflow; they are exact but for subnormal bounds.
    value = low + 2.0 * (u * (0.5 * high - 0.5 * low))
    return value if value < high else nextafter(high, low)


def _int_at(distribution: IntDistribution, u: float) -> float:
    first, last = distribution.low, distribution.high
    if distribution.log:
        start = log(first - 0.5)
        nearest = floor(exp(start + u * (log(last + 0.5) - start)) + 0.5)
        return float(max(first, min(nearest, last)))
    stride = distribution.step
    cells = (last - first) // stride + 1
    return float(first + stride * min(int(u * cells), cells - 1))


def _choice_at(distribution: CategoricalDistribution, u: float) -> float:
    return float(int(u * len(distribution.choices)))


# By the class itself, since asking an abstract class for its instances is slow.
_AT: dict[type[BaseDistribution], Callable[[Any, float], float]] = {
    FloatDistribution: _float_at,
    IntDistribution: _int_at,
    CategoricalDistribution: _choice_at,
}


class RandomSampler(ArraySampler):
    """Sample each parameter at random, whatever happened before.

    The n-th trial of a seed draws the same values in any order and at any degree of concurrency.

    :param seed: seed of the random numbers; None for one from the operating system.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed)

    def draw(self, view: View, number: int, name: str, distribution: BaseDistribution) -> float:
        """Return the internal value of parameter ``name`` of trial ``number``."""
        at = _AT.get(type(distribution), at_quantile)
        return at(distribution, self.stream.uniform(number, name))
