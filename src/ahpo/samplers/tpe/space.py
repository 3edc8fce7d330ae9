"""A search space in coordinates in which all parameters of a kind look alike.

- *Smooth* parameters have a coordinate in [0, 1], in their logarithm if they are sampled so. First
  come the *plain* ones: continuous ones, and those with many values, whose cells are narrow. Then
  the *graded* ones: ints on a log scale with many values, whose first cells are wide.
- *Table* parameters have few values: steps, ints and choices. A value is its index.
- *Wide* parameters are choices with many values. A value is its index, too.

A discrete number has a cell around it, [v - step/2, v + step/2], and its range spans the outer
edges of the outer cells.

Shapes: n trials; m candidates; dp plain, dg graded, ds = dp + dg smooth, dt table and dw wide
parameters.
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

__all__ = ("Candidates", "Floats", "Ints", "UnitSpace", "learnable")

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_MOST_IN_TABLE = 32  # values
_MOST_CELLS = 1_000_000  # with more values than that, a number is as good as continuous


class Candidates(NamedTuple):
    """Hold m points.

    ``unit``: (m, ds), the middle of the cell where values are discrete; ``indices``: (m, dt + dw);
    ``lower``, ``upper``: (m, dg), the edges of the cells of graded parameters.
    """

    unit: Floats
    indices: Ints
    lower: Floats
    upper: Floats


class _Axis(NamedTuple):
    """Say how one parameter is translated; ``start`` and ``span`` are on the scale of sampling."""

    kind: int
    is_log: bool
    low: float
    high: float
    start: float
    span: float
    n_values: int  # 0 if continuous
    step: float


_PLAIN, _GRADED, _TABLE, _WIDE = range(4)


def _axis(distribution: BaseDistribution) -> _Axis:
    if isinstance(distribution, CategoricalDistribution):
        count = len(distribution.choices)
        kind = _TABLE if count <= _MOST_IN_TABLE else _WIDE
        return _Axis(kind, False, 0.0, count - 1.0, 0.0, 1.0, count, 1.0)
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        raise NotImplementedError(
            f"`distribution` must be a FloatDistribution, an IntDistribution or a "
            f"CategoricalDistribution, but it is {distribution!r}."
        )
    low, high = float(distribution.low), float(distribution.high)
    is_log, step = distribution.log, distribution.step
    start, end, count = low, high, 0
    if step is not None:
        count = round((distribution.high - distribution.low) / step) + 1
        start, end = low - 0.5 * step, high + 0.5 * step
    end_of_first = low + 0.5 * (step or 0.0)
    if is_log:
        start, end, end_of_first = log(start), log(end), log(end_of_first)
    kind = _PLAIN
    if 0 < count <= _MOST_IN_TABLE:
        kind = _TABLE
    elif count > _MOST_CELLS:
        start, end, count = (log(low), log(high), 0) if is_log else (low, high, 0)
    elif count and is_log and end_of_first - start > (end - start) / _MOST_IN_TABLE:
        kind = _GRADED
    return _Axis(kind, is_log, low, high, start, end - start, count, float(step or 0.0))


def learnable(distribution: BaseDistribution) -> bool:
    """Tell whether a parameter has several values, and a range that coordinates can span."""
    return not distribution.single() and 1e-300 < _axis(distribution).span < 1e300


class UnitSpace:
    """Translate between internal values and coordinates.

    ``plain``: dp; ``smooth``: ds; ``counts``: (dt + dw,), how many values table and wide
    parameters have; ``n_tables``: dt, of which the first ``n_number_tables`` are numbers;
    ``cell_width``: (dp,), 0 for what is as good as continuous; ``stepped``: whether any is not.

    The t values of all tables, one table after the other: ``first``: (dt,), where each table
    begins; ``table_of``: (t,), the table of each value; ``value_at``: (t,), where each value is in
    a flat array (dt, c), c being the largest count.

    :param space: ``{name: distribution}``, all of them `learnable`.
    """

    def __init__(self, space: dict[str, BaseDistribution]) -> None:
        self.names = tuple(space)
        self.distributions = tuple(space.values())
        self._axes = axes = [_axis(distribution) for distribution in self.distributions]
        choices = [isinstance(d, CategoricalDistribution) for d in self.distributions]
        places = range(len(axes))
        plain = [i for i in places if axes[i].kind == _PLAIN]
        graded = [i for i in places if axes[i].kind == _GRADED]
        tables = sorted((i for i in places if axes[i].kind == _TABLE), key=lambda i: choices[i])
        wide = [i for i in places if axes[i].kind == _WIDE]
        smooth, indexed = plain + graded, tables + wide
        self.plain, self.smooth, self.n_tables = len(plain), len(smooth), len(tables)
        self.n_number_tables = sum(not choices[i] for i in tables)
        # Where the coordinates of each parameter are: a slot among the smooth or the indexed ones.
        order = {place: slot for part in (smooth, indexed) for slot, place in enumerate(part)}
        self._slots = [order[place] for place in places]
        self._smooth = np.array(smooth, dtype=np.intp)
        self._indexed = np.array(indexed, dtype=np.intp)
        self._low = np.array([axis.low for axis in axes])[:, None]
        self._high = np.array([axis.high for axis in axes])[:, None]
        self._start = np.array([axes[i].start for i in smooth])[:, None]
        self._span = np.array([axes[i].span for i in smooth])[:, None]
        self._log = np.flatnonzero([axes[i].is_log for i in smooth])
        self._step = np.array([axes[i].step for i in indexed])[:, None]
        self.counts = np.array([axes[i].n_values for i in indexed], dtype=np.intp)
        count = np.array([axes[i].n_values for i in smooth], dtype=float)
        is_log = np.array([axes[i].is_log for i in plain], dtype=bool)
        self._stepped = np.flatnonzero((count[: self.plain] > 0) & ~is_log)
        self.stepped = len(self._stepped) > 0
        self._steps = count[self._stepped]
        self.cell_width = np.zeros(self.plain)
        self.cell_width[self._stepped] = 1.0 / self._steps
        self._graded_low = np.array([axes[i].low for i in graded])
        self._graded_high = np.array([axes[i].high for i in graded])
        self._set_tables([axes[i] for i in tables[: self.n_number_tables]])
        # The values of all tables, one table after the other.
        of_tables = self.counts[: self.n_tables]
        self.first = np.cumsum(of_tables) - of_tables
        self.value_at = np.flatnonzero(np.arange(self.centers.shape[1]) < of_tables[:, None])
        self.table_of = np.repeat(np.arange(self.n_tables), of_tables)

    def _set_tables(self, axes: list[_Axis]) -> None:
        """Set ``edges`` (n, c + 1) and ``centers`` (n, c) of the cells of numbers in tables.

        c is the largest count of all tables. Beyond the last value they are at the end of the
        range, where there is no mass.
        """
        most = int(self.counts[: self.n_tables].max(initial=0))
        self.edges = np.ones((len(axes), most + 1))
        self.centers = np.ones((len(axes), most))
        for row, axis in enumerate(axes):
            values = axis.low + axis.step * np.arange(axis.n_values)
            lower, middle = values - 0.5 * axis.step, values
            if axis.is_log:
                lower, middle = np.log(lower), np.log(middle)
            self.edges[row, : axis.n_values] = (lower - axis.start) / axis.span
            self.centers[row, : axis.n_values] = (middle - axis.start) / axis.span

    def encode(self, raw: Floats) -> tuple[Floats, Ints, NDArray[np.bool_]]:
        """Return coordinates (ds, n), indices (dt + dw, n) and what is inside, (n,).

        :param raw: internal values, (D, n), NaN where a trial lacks the parameter. Trials that
            lack one, or have it out of range, are not inside; their coordinates mean nothing.
        """
        inside = np.logical_and.reduce((raw >= self._low) & (raw <= self._high), axis=0)
        if not inside.all():
            raw = np.where(inside, raw, self._low)
        unit = raw[self._smooth]
        if len(self._log):
            unit[self._log] = np.log(unit[self._log])
        unit -= self._start
        unit /= self._span
        index = (raw[self._indexed] - self._low[self._indexed]) / self._step
        return unit, np.rint(index).astype(np.intp), inside

    def encode_point(self, values: Iterable[float]) -> tuple[list[float], list[int]] | None:
        """Return what `encode` does of one trial, (ds,) and (dt + dw,), if it is inside."""
        unit = [0.0] * self.smooth
        index = [0] * len(self.counts)
        for value, axis, slot in zip(values, self._axes, self._slots, strict=True):
            kind, is_log, low, high, start, span, _, step = axis
            if not low <= value <= high:
                return None
            if kind <= _GRADED:
                unit[slot] = ((log(value) if is_log else value) - start) / span
            else:
                index[slot] = round((value - low) / step)
        return unit, index

    def snap(self, unit: Floats, index: Ints) -> Candidates:
        """Return the candidates in whose cells points lie; ``unit``, (m, ds), is overwritten."""
        if len(self._stepped):
            cell = np.floor(unit[:, self._stepped] * self._steps)
            np.minimum(cell, self._steps - 1.0, out=cell)
            cell += 0.5
            cell /= self._steps
            unit[:, self._stepped] = cell
        if self.plain == self.smooth:
            nothing = unit[:, self.plain :]
            return Candidates(unit, index, nothing, nothing)
        start, span = self._start[self.plain :, 0], self._span[self.plain :, 0]
        value = np.exp(unit[:, self.plain :] * span + start)
        value += 0.5
        np.floor(value, out=value)
        np.minimum(np.maximum(value, self._graded_low), self._graded_high, out=value)
        edges = np.stack((value - 0.5, value + 0.5))
        np.log(edges, out=edges)
        edges -= start
        edges /= span
        lower, upper = edges
        np.add(lower, upper, out=unit[:, self.plain :])
        unit[:, self.plain :] *= 0.5
        return Candidates(unit, index, lower, upper)

    def decode(self, unit: Floats, index: Ints) -> dict[str, float]:
        """Return internal values by name, from one point: unit (ds,), index (dt + dw,)."""
        units, indices = unit.tolist(), index.tolist()
        values: dict[str, float] = {}
        for name, axis, slot in zip(self.names, self._axes, self._slots, strict=True):
            kind, is_log, low, high, start, span, count, step = axis
            if kind > _GRADED:
                value = low + step * indices[slot]
            elif is_log:
                value = exp(start + units[slot] * span)
                if count or step:
                    value = float(floor(value + 0.5))
            elif count:
                value = low + step * min(floor(units[slot] * count), count - 1)
            else:
                value = start + units[slot] * span
                if step:
                    value = low + step * round((value - low) / step)
            values[name] = low if value < low else high if value > high else value
        return values
