"""A search space in unit coordinates, where all numeric parameters look alike.

A *numeric* parameter has a coordinate in [0, 1], in its logarithm if it is sampled so. One with
discrete values has a cell around each of them, [v - step/2, v + step/2], and its range spans the
outer edges of the outer cells. A *choice* parameter has the index of its choice.

Shapes: D parameters, of which dn numeric and dc choices; n trials; m candidates.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, floor, log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

__all__ = ("COARSE", "Candidates", "Floats", "Ints", "UnitSpace", "learnable")

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

COARSE = 16  # values: up to so many, a discrete parameter has tables of them

# With more values than that, the probability of one is its density times the width of its cell.
_MOST_CELLS = 1_000_000
_LEAST_MASS = 1e-30


class Candidates(NamedTuple):
    """Hold m points of a unit space.

    ``unit``: (m, dn), the middle of the cell where values are discrete; ``lower``, ``upper``:
    (m, dd), the edges of the cells of the discrete numeric parameters; ``cell``: (m, dd), their
    indices; ``choice``: (m, dc).
    """

    unit: Floats
    lower: Floats
    upper: Floats
    cell: Ints
    choice: Ints


class _Axis(NamedTuple):
    """Say how one parameter is translated; ``start`` and ``span`` are on the scale of sampling."""

    is_choice: bool
    is_log: bool
    low: float
    high: float
    start: float
    span: float
    cells: int  # 0 if continuous
    step: float


def _axis(distribution: BaseDistribution) -> _Axis:
    if isinstance(distribution, CategoricalDistribution):
        count = len(distribution.choices)
        return _Axis(True, False, 0.0, count - 1.0, 0.0, 1.0, count, 1.0)
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        raise NotImplementedError(
            f"`distribution` must be a FloatDistribution, an IntDistribution or a "
            f"CategoricalDistribution, but it is {distribution!r}."
        )
    low, high = float(distribution.low), float(distribution.high)
    step, cells = distribution.step, 0
    start, end = low, high
    if step is not None and not (distribution.log and isinstance(distribution, FloatDistribution)):
        cells = round((distribution.high - distribution.low) / step) + 1
        start, end = low - 0.5 * step, high + 0.5 * step
    if distribution.log:
        start, end = log(start), log(end)
    return _Axis(False, distribution.log, low, high, start, end - start, cells, step or 0.0)


def learnable(distribution: BaseDistribution) -> bool:
    """Tell whether a parameter has several values, and a range that unit coordinates can span."""
    return not distribution.single() and 1e-300 < _axis(distribution).span < 1e300


class UnitSpace:
    """Translate between internal values and unit coordinates.

    ``numeric``, ``choice``: positions of the parameters of both kinds; ``cells``: (dn,), numbers
    of values, 0 where they are continuous or too many; ``discrete``, ``continuous``: the numeric
    parameters, by whether they have cells; ``n_choices``: (dc,).

    :param space: ``{name: distribution}``, all of them `learnable`.
    """

    def __init__(self, space: dict[str, BaseDistribution]) -> None:
        self.names = tuple(space)
        self.distributions = tuple(space.values())
        self._axes = axes = [_axis(distribution) for distribution in self.distributions]
        numeric = [axis for axis in axes if not axis.is_choice]
        self.numeric = np.flatnonzero([not axis.is_choice for axis in axes])
        self.choice = np.flatnonzero([axis.is_choice for axis in axes])
        self._low = np.array([axis.low for axis in axes])[:, None]
        self._high = np.array([axis.high for axis in axes])[:, None]
        self._start = np.array([axis.start for axis in numeric])[:, None]
        self._span = np.array([axis.span for axis in numeric])
        self._is_log = np.array([axis.is_log for axis in numeric], dtype=bool)
        self._log = np.flatnonzero(self._is_log)
        self.n_choices = np.array([axis.cells for axis in axes if axis.is_choice], dtype=np.intp)
        cells = np.array([axis.cells for axis in numeric], dtype=float)
        self.cells = np.where(cells <= _MOST_CELLS, cells, 0.0).astype(np.intp)
        self.discrete = np.flatnonzero(self.cells)
        self.continuous = np.flatnonzero(self.cells == 0)
        self._set_discrete()

    def _set_discrete(self) -> None:
        found = self.discrete
        self._count = self.cells[found].astype(float)
        # Only ints have both cells and a log scale.
        self._log_cells = np.flatnonzero(self._is_log[found])
        of_log = found[self._log_cells]
        self._log_first = self._low[self.numeric[of_log], 0]
        self._log_start = self._start[of_log, 0]
        self._log_span = self._span[of_log]

    def encode(self, raw: Floats) -> tuple[Floats, Ints, NDArray[np.bool_]]:
        """Return unit coordinates (dn, n), choices (dc, n) and what is inside, (n,).

        :param raw: internal values, (D, n), NaN where a trial lacks the parameter. Trials that
            lack one, or have it out of range, are not inside; their coordinates mean nothing.
        """
        inside: NDArray[np.bool_] = ((raw >= self._low) & (raw <= self._high)).all(axis=0)
        if not inside.all():
            raw = np.where(inside, raw, self._low)
        unit, choice = raw[self.numeric], raw[self.choice].astype(np.intp)
        if len(self._log):
            unit[self._log] = np.log(unit[self._log])
        unit -= self._start
        unit /= self._span[:, None]
        return unit, choice, inside

    def encode_point(self, values: Iterable[float]) -> tuple[list[float], list[int]] | None:
        """Return what `encode` does of one trial, unit (dn,) and choice (dc,), if it is inside."""
        unit: list[float] = []
        choice: list[int] = []
        for value, axis in zip(values, self._axes, strict=True):
            is_choice, is_log, low, high, start, span, _, _ = axis
            if not low <= value <= high:
                return None
            if is_choice:
                choice.append(int(value))
            else:
                unit.append(((log(value) if is_log else value) - start) / span)
        return unit, choice

    def snap(self, unit: Floats, choice: Ints) -> Candidates:
        """Return the candidates in whose cells points lie: unit (m, dn), choice (m, dc)."""
        found = self.discrete
        if not len(found):
            nothing = np.empty((len(unit), 0))
            return Candidates(unit, nothing, nothing, nothing.astype(np.intp), choice)
        count = self._count
        position = unit[:, found]
        cell = np.minimum((position * count).astype(np.intp), self.cells[found] - 1)
        lower = cell / count
        upper = (cell + 1) / count
        if len(self._log_cells):
            columns = self._log_cells
            value = np.exp(position[:, columns] * self._log_span + self._log_start)
            index = np.floor(value + 0.5 - self._log_first)
            index = np.clip(index, 0, count[columns] - 1)
            cell[:, columns] = index
            value = index + self._log_first
            lower[:, columns] = (np.log(value - 0.5) - self._log_start) / self._log_span
            upper[:, columns] = (np.log(value + 0.5) - self._log_start) / self._log_span
        unit = unit.copy()
        unit[:, found] = 0.5 * (lower + upper)
        return Candidates(unit, lower, upper, cell, choice)

    def decode(self, unit: Floats, choice: Ints) -> dict[str, float]:
        """Return internal values by name, from one point: unit (dn,), choice (dc,)."""
        units, choices = iter(unit.tolist()), iter(choice.tolist())
        values: list[float] = []
        for is_choice, is_log, low, high, start, span, cells, step in self._axes:
            if is_choice:
                values.append(float(next(choices)))
                continue
            value = next(units)
            if is_log:
                value = exp(start + value * span)
                if cells:
                    value = float(floor(value + 0.5))
            elif cells:
                value = low + step * min(floor(value * cells), cells - 1)
            else:
                value = start + value * span
            values.append(low if value < low else high if value > high else value)
        return dict(zip(self.names, values, strict=True))

    def cells_of(self, axes: Ints, unit: Floats) -> Ints:
        """Return which values of discrete parameters coordinates belong to, (len(axes), n)."""
        cells = (unit * self.cells[axes, None]).astype(np.intp)
        for row, axis in enumerate(axes.tolist()):
            if self._is_log[axis]:
                cells[row] = np.searchsorted(self._edges(axis)[1:-1], unit[row], side="right")
        np.maximum(cells, 0, out=cells)
        return np.minimum(cells, self.cells[axes, None] - 1, out=cells)

    def log_masses(
        self, axes: Ints, bandwidth: float, truncated: bool = False
    ) -> NDArray[np.float32]:
        """Return logarithms of the masses of values at kernels, (len(axes), COARSE, COARSE).

        :param axes: discrete parameters with at most ``COARSE`` values.
        :param bandwidth: of all kernels; each is centred at one value.
        :param truncated: whether masses are relative to what is in the range.
        """
        from scipy.special import ndtr

        if not len(axes):
            return np.empty((0, COARSE, COARSE), np.float32)
        # Beyond the last value, edges and centres are repeated: there is no mass.
        edges = np.ones((len(axes), COARSE + 1))
        centers = np.ones((len(axes), COARSE))
        for row, axis in enumerate(axes.tolist()):
            count = self.cells[axis]
            edges[row, : count + 1] = self._edges(axis)
            centers[row, :count] = self._centers(axis)
        below = ndtr((edges[:, :, None] - centers[:, None, :]) / bandwidth)
        masses = np.diff(below, axis=1)
        if truncated:
            masses /= (below[:, -1] - below[:, 0])[:, None, :]
        return np.log(np.maximum(masses, _LEAST_MASS)).astype(np.float32)

    def _edges(self, axis: int) -> Floats:
        """Return the edges between the values of a discrete parameter, (cells + 1,)."""
        distribution = self.distributions[self.numeric[axis]]
        cells = int(self.cells[axis])
        if self._is_log[axis]:
            assert isinstance(distribution, IntDistribution)
            values = np.arange(distribution.low, distribution.high + 2) - 0.5
            edges: Floats = (np.log(values) - self._start[axis]) / self._span[axis]
            return edges
        return np.arange(cells + 1) / cells

    def _centers(self, axis: int) -> Floats:
        """Return the coordinates of the values of a discrete parameter, (cells,)."""
        distribution = self.distributions[self.numeric[axis]]
        cells = int(self.cells[axis])
        if self._is_log[axis]:
            assert isinstance(distribution, IntDistribution)
            values = np.arange(distribution.low, distribution.high + 1)
            centers: Floats = (np.log(values) - self._start[axis]) / self._span[axis]
            return centers
        return (np.arange(cells) + 0.5) / cells
