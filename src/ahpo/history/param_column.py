"""One parameter over all finished trials, in memory for as many values as there are.

Most parameters are in most trials: their values are an array by row. What only few trials have, as
the parameters of a branch that is rarely taken, keeps its rows beside its values.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ahpo.distributions import BaseDistribution, CategoricalDistribution
from ahpo.distributions.categorical import exact_form
from ahpo.history.growing import Growing

__all__ = ("ParamColumn",)

_FEW = 16  # rows without a value, which are always worth an array by row


class _Cells:
    """Hold the values of a column; which row each is of, if not one after the other.

    Without ``rows``, place ``i`` is of row ``first + i`` and NaN if that has no value. ``ids`` are
    indices to the distributions of the column, None as long as there is just one. None of the four
    is ever replaced: a named tuple would say so, and its fields are read three times as slowly.
    """

    __slots__ = ("first", "ids", "rows", "values")

    def __init__(
        self,
        first: int,
        rows: Growing[np.int64] | None,
        values: Growing[np.float64],
        ids: Growing[np.int32] | None,
    ) -> None:
        self.first = first
        self.rows = rows
        self.values = values
        self.ids = ids

    def place(self, row: int) -> int:
        """Return the place of a row, -1 if it is not there."""
        if self.rows is None:
            place = row - self.first
            return place if 0 <= place < self.values.size else -1
        known = self.rows.data[: self.rows.size]
        place = int(known.searchsorted(row))
        return place if place < len(known) and known[place] == row else -1

    def by_row(self, of_places: Growing[Any], n: int) -> NDArray[Any]:
        """Return ``values`` or ``ids`` of the first ``n`` rows, those without one as its fill."""
        if self.rows is None and not self.first:
            return of_places.rows(n)
        result = np.full(n, of_places.fill, of_places.data.dtype)
        if self.rows is None:
            if n > self.first:
                result[self.first :] = of_places.rows(n - self.first)
        else:
            known = self.rows.data[: self.rows.size]
            known = known[: known.searchsorted(n)]
            result[known] = of_places.rows(len(known))
        result.flags.writeable = False
        return result

    def with_rows(self) -> _Cells:
        """Return the same cells with the row beside each value."""
        values = self.values.data[: self.values.size]
        places = np.flatnonzero(values == values)
        own_rows, own_values = Growing(np.int64, -1), Growing(np.float64, math.nan)
        own_ids = None if self.ids is None else Growing(np.int32, 0)
        if self.ids is not None and own_ids is not None:
            own_ids.extend(0, self.ids.rows(len(values))[places])
        own_values.extend(0, values[places])
        own_rows.extend(0, places + self.first)
        return _Cells(0, own_rows, own_values, own_ids)


class ParamColumn:
    """Hold one parameter: its values, and its distributions where they vary.

    :param first: the row of the first value.
    """

    __slots__ = ("_cells", "_kinds", "_n_missing", "distributions")

    def __init__(self, first: int) -> None:
        # Replaced as a whole, so that a reader in another thread sees what belongs together.
        self._cells = _Cells(first, None, Growing(np.float64, math.nan), None)
        self._n_missing = 0  # rows from the first on that have no value
        self.distributions: list[BaseDistribution] = []
        self._kinds: dict[Any, int] = {}

    def set(self, row: int, value: float, distribution: BaseDistribution) -> None:
        """Set the value in ``row``, which is past all rows set before."""
        cells = self._cells
        place = row - cells.first
        if cells.rows is not None:
            place = cells.rows.size
        elif place > cells.values.size and self._is_sparse(place):
            cells = self._cells = cells.with_rows()
            place = cells.values.size
        cells.values.set(place, value)
        known = self.distributions
        # Most parameters keep one distribution for the whole study: they need no column of ids.
        if cells.ids is not None or not known or known[0] is not distribution:
            self._set_id(place, distribution)
        if cells.rows is not None:
            cells.rows.set(place, row)  # last: who looks for the row finds all of it

    def extend(self, row: int, values: list[float], kinds: list[BaseDistribution]) -> None:
        """Set the values in the rows from ``row`` on, which are past all rows set before."""
        self.set(row, values[0], kinds[0])
        cells, first = self._cells, self.distributions[0]
        if cells.rows is None and cells.ids is None and set(map(id, kinds)) == {id(first)}:
            cells.values.extend(cells.values.size, values[1:])
            return
        for i in range(1, len(values)):
            self.set(row + i, values[i], kinds[i])

    def _is_sparse(self, place: int) -> bool:
        self._n_missing += place - self._cells.values.size
        return self._n_missing > place - self._n_missing + _FEW

    def _set_id(self, place: int, distribution: BaseDistribution) -> None:
        ids, known = self._cells.ids, self.distributions
        if ids is None and known and _same(known[0], distribution):
            return
        kind = self._kind(distribution)
        if ids is not None:
            ids.set(place, kind)
        elif kind:
            ids = Growing(np.int32, 0)
            ids.set(place, kind)
            # Not before it has room for all places that a reader may ask for.
            cells = self._cells
            self._cells = _Cells(cells.first, cells.rows, cells.values, ids)

    def _kind(self, distribution: BaseDistribution) -> int:
        """Return the index of a distribution, which is added if it is new."""
        known = self.distributions
        try:
            key = distribution, _form(distribution)
            kind = self._kinds.get(key)
            if kind is None:
                kind = len(known)
                known.append(distribution)
                self._kinds[key] = kind  # last: an interruption must not leave it to another one
            return kind
        except TypeError:  # choices such as lists have no hash
            for kind, other in enumerate(known):
                if _same(other, distribution):
                    return kind
            known.append(distribution)
            return len(known) - 1

    def cut(self, end: int) -> None:
        """Unset what is in rows from ``end`` on."""
        cells, rows = self._cells, self._cells.rows
        if rows is None:
            cells.values.cut(max(end - cells.first, 0))
        else:
            rows.cut(int(rows.data[: rows.size].searchsorted(end)))

    def at(self, row: int) -> float:
        """Return the value in one row, NaN if it has none."""
        cells = self._cells
        place = cells.place(row)
        return math.nan if place < 0 else float(cells.values.data[place])

    def values(self, n: int) -> NDArray[np.float64]:
        """Return the values of the first ``n`` rows, NaN for those that have none; read-only."""
        cells = self._cells
        return cells.by_row(cells.values, n)

    def kinds(self, rows: NDArray[np.int64]) -> NDArray[np.int32] | None:
        """Return which distribution the value in each row was drawn from; None if there is one."""
        cells = self._cells
        if cells.ids is None:
            return None
        kinds: NDArray[np.int32] = cells.by_row(cells.ids, int(rows.max(initial=-1)) + 1)[rows]
        return kinds

    def distribution(self, row: int) -> BaseDistribution:
        """Return the distribution that the value in ``row`` was drawn from."""
        cells = self._cells
        return self.distributions[0 if cells.ids is None else cells.ids.get(cells.place(row))]

    def take(
        self, rows: NDArray[np.int64]
    ) -> tuple[list[float], BaseDistribution | list[BaseDistribution]]:
        """Return values and distributions of rows that have them; or the one that all have."""
        cells, known = self._cells, self.distributions
        if cells.rows is None:
            places = rows - cells.first
        else:
            places = cells.rows.data[: cells.rows.size].searchsorted(rows)
        values: list[float] = cells.values.data[places].tolist()
        if cells.ids is None:
            return values, known[0]
        return values, [known[kind] for kind in cells.ids.take(places).tolist()]

    def snapshot(self) -> ParamColumn:
        """Return the column as it is now, in O(1) but for its distributions."""
        twin = ParamColumn.__new__(ParamColumn)
        cells = self._cells
        twin._cells = _Cells(
            cells.first,
            None if cells.rows is None else cells.rows.snapshot(),
            cells.values.snapshot(),
            None if cells.ids is None else cells.ids.snapshot(),
        )
        twin._n_missing = self._n_missing
        twin.distributions = self.distributions.copy()
        twin._kinds = self._kinds.copy()
        return twin


def _form(distribution: BaseDistribution) -> Any:
    """Return what tells equal distributions apart: choices 1 and True are equal, but not the same.

    A finished trial shows the choices that it was asked for.
    """
    if isinstance(distribution, CategoricalDistribution):
        return exact_form(distribution.choices)
    return None


def _same(first: BaseDistribution, second: BaseDistribution) -> bool:
    return first == second and _form(first) == _form(second)
