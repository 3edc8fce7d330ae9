"""The numeric parameters of a search space as coordinates in [0, 1].

A discrete value has a cell around it and the coordinate is its middle, so that all values have the
same share of the range; parameters on a log scale are so in their logarithm. With margins, the
discrete ones that are not on a log scale have their first value at 0 and the last one at 1, as
CMA-ES with margin wants them.

Shapes: d parameters; n trials.
"""

from __future__ import annotations

from math import exp, log, nextafter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ahpo.distributions import BaseDistribution, FloatDistribution, IntDistribution
from ahpo.samplers.random import at_quantile
from ahpo.samplers.tpe.space import learnable

__all__ = ("Box", "Floats", "numeric")

Floats = NDArray[np.float64]

_BELOW_ONE = nextafter(1.0, 0.0)


def numeric(distribution: BaseDistribution) -> bool:
    """Tell whether CMA-ES can sample a parameter: a number with a range that can be spanned."""
    return isinstance(distribution, FloatDistribution | IntDistribution) and learnable(distribution)


class _Axis(NamedTuple):
    """Say how one parameter is translated; ``start`` and ``span`` are on the scale of sampling."""

    is_log: bool
    low: float
    high: float
    start: float
    span: float
    step: float  # of values with a margin, else 0
    cells: BaseDistribution | None  # of discrete values without a margin


def _axis(distribution: Any, with_margin: bool) -> _Axis:
    low, high = float(distribution.low), float(distribution.high)
    step, is_log = float(distribution.step or 0.0), bool(distribution.log)
    if with_margin and step and not is_log:
        return _Axis(False, low, high, low, high - low, step, None)
    start, end = low - 0.5 * step, high + 0.5 * step
    if is_log:
        start, end = log(start), log(end)
    return _Axis(is_log, low, high, start, end - start, 0.0, distribution if step else None)


class Box:
    """Translate between internal values and coordinates.

    ``stepped``: which parameters have margins, their places; ``steps``: (d,), the distance of two
    values, 0 for those without.

    :param space: ``{name: distribution}``, all of them `numeric`.
    """

    def __init__(self, space: dict[str, BaseDistribution], with_margin: bool) -> None:
        self.names = tuple(space)
        self.distributions = tuple(space.values())
        self._axes = axes = [_axis(kind, with_margin) for kind in self.distributions]
        self._log = np.flatnonzero([axis.is_log for axis in axes])
        self._low = np.array([axis.low for axis in axes])[:, None]
        self._high = np.array([axis.high for axis in axes])[:, None]
        self._start = np.array([axis.start for axis in axes])[:, None]
        self._span = np.array([axis.span for axis in axes])[:, None]
        self.stepped = np.flatnonzero([axis.step > 0.0 for axis in axes])
        self.steps = np.array([axis.step / axis.span for axis in axes])
        self._least = np.where(self.steps > 0.0, -np.inf, 0.0)
        self._most = np.where(self.steps > 0.0, np.inf, 1.0)

    def encode(self, raw: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Return coordinates (n, d) and which trials are inside, (n,).

        :param raw: internal values, (d, n), NaN where a trial lacks the parameter. The coordinates
            of trials that lack one, or have it out of range, mean nothing.
        """
        inside = np.logical_and.reduce((raw >= self._low) & (raw <= self._high), axis=0)
        unit = np.where(inside, raw, self._low)
        if len(self._log):
            unit[self._log] = np.log(unit[self._log])
        unit -= self._start
        unit /= self._span
        return unit.T, inside

    def encode_point(self, params: dict[str, float]) -> Floats | None:
        """Return the coordinates of one point, (d,); None if it is not inside."""
        unit, inside = self.encode(np.array([[params[name]] for name in self.names]))
        return unit[0] if inside[0] else None

    def encode_some(self, params: dict[str, float], otherwise: Floats) -> Floats:
        """Return the coordinates of one point, (d,); what is not given is taken from another.

        Values out of range are those at the end of the range.
        """
        given = np.array([name in params for name in self.names])
        raw = np.array([[params.get(name, np.nan)] for name in self.names])
        raw = np.where(given[:, None], raw, self._low)
        unit, _ = self.encode(np.clip(raw, self._low, self._high))
        return np.where(given, unit[0], otherwise)

    def are_inside(self, points: Floats) -> NDArray[np.bool_]:
        """Tell which points (n, d) are inside, (n,); those with margins always are."""
        inside = (points >= self._least) & (points <= self._most)
        return np.logical_and.reduce(inside, axis=1)  # type: ignore[no-any-return]

    def clipped(self, point: Floats) -> Floats:
        """Return the nearest point that is inside, (d,)."""
        return np.clip(point, self._least, self._most)

    def decode(self, unit: list[float]) -> dict[str, float]:
        """Return internal values by name, from d coordinates; those outside are clipped."""
        values: dict[str, float] = {}
        for name, axis, u in zip(self.names, self._axes, unit, strict=True):
            u = 0.0 if u < 0.0 else 1.0 if u > 1.0 else u
            if axis.cells is not None:
                values[name] = at_quantile(axis.cells, min(u, _BELOW_ONE))
                continue
            value = axis.start + u * axis.span
            if axis.step:
                value = axis.low + axis.step * round((value - axis.low) / axis.step)
            elif axis.is_log:
                value = exp(value)
            values[name] = axis.low if value < axis.low else min(value, axis.high)
        return values

    def unrounded(self, unit: list[float]) -> dict[str, float]:
        """Return what `decode` rounds to the values with margins, by name."""
        axes = self._axes
        return {self.names[i]: axes[i].low + unit[i] * axes[i].span for i in self.stepped.tolist()}

    def unround(self, unit: Floats, unrounded: dict[str, float]) -> Floats:
        """Return coordinates (d,) that round to the same values, as they were before rounding.

        What does not round to the value of the trial is not taken: somebody has fixed that value.
        """
        result = unit.copy()
        for i in self.stepped.tolist():
            known = unrounded.get(self.names[i])
            if known is not None:
                axis, half = self._axes[i], 0.5 * self.steps[i] * (1.0 + 1e-9)
                u = (known - axis.low) / axis.span
                beyond = (unit[i] <= half and u < 0.0) or (unit[i] >= 1.0 - half and u > 1.0)
                if beyond or abs(u - unit[i]) <= half:
                    result[i] = u
        return result
