"""A search space on the scale on which its parameters are crossed.

Numbers come as they are, or in their logarithm if they are sampled so; a choice is its index. Ints,
and floats with a step, have a cell of one step around each value. Shapes: n points; D parameters,
of which d are numbers.
"""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

__all__ = ("Genes", "crossable")

Floats = NDArray[np.float64]


class Genes:
    """Translate between internal values and genes.

    ``numbers``: (d,), which parameters are numbers; ``choices``: which are not; ``bounds``: (d, 2);
    ``free``: (d,), which numbers have no step, so that they may be out of range.

    :param space: ``{name: distribution}``.
    """

    def __init__(self, space: dict[str, BaseDistribution]) -> None:
        self.space = space
        self.names = tuple(space)
        self.distributions = tuple(space.values())
        is_choice = [isinstance(d, CategoricalDistribution) for d in self.distributions]
        self.choices = np.flatnonzero(is_choice)
        self.numbers = np.flatnonzero(~np.array(is_choice, dtype=bool))
        axes = [d for d in self.distributions if isinstance(d, FloatDistribution | IntDistribution)]
        self.bounds = np.array([_bounds(axis) for axis in axes]).reshape(len(axes), 2)
        self.free = np.array([axis.step is None for axis in axes], dtype=bool)
        self._low = np.array([float(axis.low) for axis in axes])
        self._high = np.array([float(axis.high) for axis in axes])
        self._log = np.flatnonzero([axis.log for axis in axes])
        self._stepped = np.flatnonzero(~self.free)
        self._step = np.array([float(axis.step) for axis in axes if axis.step is not None])

    def encode(self, raw: Floats) -> Floats:
        """Return the genes, (n, d), of internal values (n, D)."""
        genes = raw[:, self.numbers]
        if len(self._log):
            genes[:, self._log] = np.log(genes[:, self._log])
        return genes

    def inside(self, genes: Floats) -> NDArray[np.bool_]:
        """Return which of the genes, (n, d), are of points in the space, (n,)."""
        fits = (genes >= self.bounds[:, 0]) & (genes <= self.bounds[:, 1])
        fits |= ~self.free & ~np.isnan(genes)
        result: NDArray[np.bool_] = np.logical_and.reduce(fits, axis=1)
        return result

    def decode(self, genes: Floats) -> Floats:
        """Return the internal values of numbers, (n, d), the nearest ones that are in range."""
        values = np.minimum(np.maximum(genes, self.bounds[:, 0]), self.bounds[:, 1])
        if len(self._log):
            values[:, self._log] = np.exp(values[:, self._log])
        if len(self._stepped):
            at, low, step = self._stepped, self._low[self._stepped], self._step
            values[:, at] = low + step * np.rint((values[:, at] - low) / step)
        inside: Floats = np.minimum(np.maximum(values, self._low), self._high)
        return inside


def crossable(distribution: BaseDistribution) -> bool:
    """Tell whether a parameter has several values, and a range whose width is a float."""
    if distribution.single():
        return False
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        return isinstance(distribution, CategoricalDistribution)
    low, high = _bounds(distribution)
    return 1e-300 < high - low < 1e300


def _bounds(axis: FloatDistribution | IntDistribution) -> tuple[float, float]:
    half = 0.5 * (axis.step or 0.0)
    low, high = float(axis.low) - half, float(axis.high) + half
    return (log(low), log(high)) if axis.log else (low, high)
