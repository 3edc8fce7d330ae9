"""Numpy arrays that grow by doubling, of which only the first rows may be read.

Growing copies the rows to a larger array and leaves the old one as it was: so a reader that knows
how many rows it may look at needs no lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ("Growing",)

T = TypeVar("T", bound=np.generic)

_FIRST_CAPACITY = 16


class Growing(Generic[T]):
    """Grow an array by doubling; what lies beyond ``size`` holds ``fill``.

    Writing is by row, so that what an interruption has cut short can be done again.
    """

    __slots__ = ("data", "fill", "size")

    def __init__(self, dtype: type[T], fill: float, width: int | None = None) -> None:
        shape = _FIRST_CAPACITY if width is None else (_FIRST_CAPACITY, width)
        self.fill = fill
        self.size = 0
        self.data: NDArray[T] = np.full(shape, fill, dtype)

    def reserve(self, size: int) -> None:
        """Make room for ``size`` rows."""
        capacity = len(self.data)
        if size > capacity:
            grown = np.full(
                (max(size, 2 * capacity), *self.data.shape[1:]), self.fill, self.data.dtype
            )
            grown[: self.size] = self.data[: self.size]
            self.data = grown

    def set(self, row: int, value: Any) -> None:
        """Set one row past all that are set; what is between holds ``fill``."""
        if row >= len(self.data):
            self.reserve(row + 1)
        self.data[row] = value
        self.size = row + 1

    def extend(self, start: int, values: Sequence[Any] | NDArray[Any]) -> None:
        """Set several rows past all that are set, from ``start`` on."""
        end = start + len(values)
        self.reserve(end)
        self.data[start:end] = values
        self.size = end

    def cut(self, size: int) -> None:
        """Unset the rows from ``size`` on, also one that was set but is not counted yet."""
        self.data[size:] = self.fill
        self.size = min(self.size, size)

    def get(self, row: int) -> Any:
        """Return one row, ``fill`` if it is unset."""
        return self.data[row] if row < self.size else self.fill

    def take(self, rows: NDArray[np.int64]) -> NDArray[T]:
        """Return some rows, unset ones as ``fill``."""
        data, size = self.data, self.size
        if not len(rows) or rows.max() < size:
            return data[rows]
        taken = np.full((len(rows), *data.shape[1:]), self.fill, data.dtype)
        known = rows < size
        taken[known] = data[rows[known]]
        return taken

    def rows(self, n: int) -> NDArray[T]:
        """Return the first ``n`` rows, unset ones as ``fill``; writing to them is an error."""
        rows = self.data[:n]
        if len(rows) < n:
            # A copy: if a reader grew `data` itself, what is being written now would be lost.
            missing = np.full((n - len(rows), *rows.shape[1:]), self.fill, rows.dtype)
            rows = np.concatenate((rows, missing))
        rows.flags.writeable = False
        return rows

    def snapshot(self) -> Growing[T]:
        """Return the rows that are set now, in O(1): they are shared, and never change."""
        twin: Growing[T] = Growing.__new__(Growing)
        twin.__setstate__((self.data[: self.size], self.fill, self.size))
        return twin

    def __getstate__(self) -> tuple[NDArray[T], float, int]:
        return self.data[: self.size].copy(), self.fill, self.size

    def __setstate__(self, state: tuple[NDArray[T], float, int]) -> None:
        self.data, self.fill, self.size = state
        if not len(self.data):
            self.data = np.full((1, *self.data.shape[1:]), self.fill, self.data.dtype)
