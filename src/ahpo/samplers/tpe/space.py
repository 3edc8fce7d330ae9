"""A search space in unit coordinates, where all numeric parameters look alike.

A *numeric* parameter has a coordinate in [0, 1], in its logarithm if it is sampled so. One with
discrete values has a cell around each of them, [v - step/2, v + step/2], and its range spans the
outer edges of the outer cells. A *choice* parameter has the index of its choice.

Shapes: D parameters, of which dn numeric and dc choices; n trials; m candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, floor, log

import numpy as np
from numpy.typing import NDArray

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

__all__ = ("Candidates", "UnitSpace", "learnable")

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

# With more values than that, the probability of one is its density times the width of its cell.
_MOST_CELLS = 1_000_000


@dataclass(slots=True)
class Candidates:
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


class UnitSpace:
    """Translate between internal values and unit coordinates.

    :param space: ``{name: distribution}``, none of them with a single value only.
    """

    def __init__(self, space: dict[str, BaseDistribution]) -> None:
        self.names = tuple(space)
        self.distributions = tuple(space.values())
        numeric: list[int] = []
        choice: list[int] = []
        lows: list[float] = []
        highs: list[float] = []
        starts: list[float] = []
        spans: list[float] = []
        cells: list[int] = []
        logs: list[bool] = []
        for position, distribution in enumerate(self.distributions):
            if isinstance(distribution, CategoricalDistribution):
                choice.append(position)
                lows.append(0.0)
                highs.append(len(distribution.choices) - 1.0)
                continue
            assert isinstance(distribution, FloatDistribution | IntDistribution)
            numeric.append(position)
            lows.append(distribution.low)
            highs.append(distribution.high)
            start, end, count = _range(distribution)
            starts.append(start)
            spans.append(end - start)
            cells.append(count if count <= _MOST_CELLS else 0)
            logs.append(distribution.log)
        self.numeric = np.array(numeric, dtype=np.intp)
        self.choice = np.array(choice, dtype=np.intp)
        self.all_numeric = not choice
        self._low = np.array(lows)[:, None]
        self._high = np.array(highs)[:, None]
        self._start = np.array(starts)[:, None]
        self._scale = 1.0 / np.array(spans)[:, None]
        self._span = np.array(spans)
        self._log = np.flatnonzero(logs)
        self.n_choices = (self._high[self.choice, 0] + 1.0).astype(np.intp)
        self.cells = np.array(cells, dtype=np.intp)
        self.discrete = np.flatnonzero(self.cells)
        self.continuous = np.flatnonzero(self.cells == 0)
        self._set_discrete()

    def _set_discrete(self) -> None:
        found = self.discrete
        self._count = self.cells[found].astype(float)
        logs = np.zeros(len(self.cells), dtype=bool)
        logs[self._log] = True
        # Only ints have both cells and a log scale.
        self._log_cells = np.flatnonzero(logs[found])
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
        if self.all_numeric:
            unit, choice = raw, np.empty((0, raw.shape[1]), dtype=np.intp)
        else:
            unit, choice = raw[self.numeric], raw[self.choice].astype(np.intp)
        if len(self._log):
            if unit is raw:
                unit = raw.copy()
            unit[self._log] = np.log(unit[self._log])
        return (unit - self._start) * self._scale, choice, inside

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
        return {
            name: float(next(choices))
            if isinstance(distribution, CategoricalDistribution)
            else _value_at(distribution, next(units))
            for name, distribution in zip(self.names, self.distributions, strict=True)
        }

    def cell_edges(self, axis: int) -> Floats:
        """Return the edges, (cells + 1,), between the values of a discrete numeric parameter."""
        distribution = self.distributions[self.numeric[axis]]
        cells = int(self.cells[axis])
        edges: Floats = np.arange(cells + 1) / cells
        if isinstance(distribution, IntDistribution) and distribution.log:
            values = np.arange(distribution.low, distribution.high + 2) - 0.5
            edges = (np.log(values) - self._start[axis]) * self._scale[axis]
        return edges

    def cell_of(self, axis: int, unit: Floats) -> Ints:
        """Return which values of a discrete numeric parameter coordinates belong to."""
        inner = self.cell_edges(axis)[1:-1]
        return np.searchsorted(inner, unit, side="right").astype(np.intp)


def learnable(distribution: BaseDistribution) -> bool:
    """Tell whether a parameter has several values, and a range that unit coordinates can span."""
    if isinstance(distribution, FloatDistribution | IntDistribution):
        start, end, _ = _range(distribution)
        span = end - start
        return not distribution.single() and 1e-300 < span < 1e300
    return not distribution.single()


def _range(distribution: FloatDistribution | IntDistribution) -> tuple[float, float, int]:
    """Return both ends of a range, on the scale where it is sampled, and its number of cells."""
    low, high, step = distribution.low, distribution.high, distribution.step
    if isinstance(distribution, IntDistribution) and distribution.log:
        return log(low - 0.5), log(high + 0.5), int(high - low) + 1
    if distribution.log:
        return log(low), log(high), 0
    if step is None:
        return low, high, 0
    return low - 0.5 * step, high + 0.5 * step, round((high - low) / step) + 1


def _value_at(distribution: BaseDistribution, unit: float) -> float:
    """Return the internal value of a numeric parameter at a unit coordinate."""
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    start, end, cells = _range(distribution)
    low, high = distribution.low, distribution.high
    if distribution.log:
        value = exp(start + unit * (end - start))
        return float(min(max(low, floor(value + 0.5) if cells else value), high))
    if cells:
        step = distribution.step
        assert step is not None
        return float(min(low + step * min(floor(unit * cells), cells - 1), high))
    return min(max(low, start + unit * (end - start)), high)
