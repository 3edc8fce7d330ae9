"""Growing numpy columns, and the table of finished trials that is made of them.

Rows are only ever appended, in the order in which trials finish, and never change. So a reader
that knows how many rows it may look at needs no lock: growing copies the rows to a larger array
and leaves the old one as it was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ahpo.distributions import BaseDistribution
from ahpo.history.records import FinishedTrial, OpenTrial
from ahpo.states import TrialState

__all__ = ("FinishedTable", "Growing", "ParamColumn")

T = TypeVar("T", bound=np.generic)

NOTHING = -1  # in integer columns: no time, no step
_FIRST_CAPACITY = 16


class Growing(Generic[T]):
    """Grow an array by doubling; what lies beyond ``size`` holds ``fill``."""

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

    def append(self, value: Any) -> None:
        """Append one row."""
        size = self.size
        if size == len(self.data):
            self.reserve(size + 1)
        self.data[size] = value
        self.size = size + 1

    def set(self, row: int, value: Any) -> None:
        """Set one row past all that are set; what is between holds ``fill``."""
        if row >= len(self.data):
            self.reserve(row + 1)
        self.data[row] = value
        self.size = row + 1

    def extend(self, values: Sequence[Any], count: int) -> None:
        """Append ``count`` rows."""
        size = self.size
        self.reserve(size + count)
        self.data[size : size + count] = values
        self.size = size + count

    def get(self, row: int) -> Any:
        """Return one row, ``fill`` if it is unset."""
        return self.data[row] if row < self.size else self.fill

    def rows(self, n: int) -> NDArray[T]:
        """Return the first ``n`` rows, unset ones as ``fill``; writing to them is an error."""
        rows = self.data[:n]
        if len(rows) < n:
            # A copy: if a reader grew `data` itself, what is being written now would be lost.
            missing = np.full((n - len(rows), *rows.shape[1:]), self.fill, rows.dtype)
            rows = np.concatenate((rows, missing))
        rows.flags.writeable = False
        return rows

    def __getstate__(self) -> tuple[NDArray[T], float, int]:
        return self.data[: self.size].copy(), self.fill, self.size

    def __setstate__(self, state: tuple[NDArray[T], float, int]) -> None:
        self.data, self.fill, self.size = state
        if not len(self.data):
            self.data = np.full((1, *self.data.shape[1:]), self.fill, self.data.dtype)


class ParamColumn:
    """Hold one parameter over all finished trials: values, and distributions where they vary."""

    __slots__ = ("_ids", "_kinds", "distributions", "values")

    def __init__(self) -> None:
        self.values: Growing[np.float64] = Growing(np.float64, math.nan)
        self.distributions: list[BaseDistribution] = []
        self._kinds: dict[BaseDistribution, int] = {}
        self._ids: Growing[np.int32] | None = None

    def set(self, row: int, value: float, distribution: BaseDistribution) -> None:
        """Set the value in ``row``, which is past all rows set before."""
        self.values.set(row, value)
        known = self.distributions
        # Most parameters keep one distribution for the whole study: they need no column of ids.
        if known and self._ids is None and (known[0] is distribution or known[0] == distribution):
            return
        self._set_id(row, distribution)

    def _kind(self, distribution: BaseDistribution) -> int:
        new = len(self.distributions)
        try:
            return self._kinds.setdefault(distribution, new)
        except TypeError:  # choices such as lists have no hash
            known = enumerate(self.distributions)
            return next((kind for kind, other in known if other == distribution), new)

    def _set_id(self, row: int, distribution: BaseDistribution) -> None:
        kind = self._kind(distribution)
        if kind == len(self.distributions):
            self.distributions.append(distribution)
        if len(self.distributions) > 1:
            ids = Growing(np.int32, 0) if self._ids is None else self._ids
            ids.set(row, kind)
            self._ids = ids  # not before it has room for all rows that a reader may ask for

    def kinds(self, rows: NDArray[np.int64]) -> NDArray[np.int32] | None:
        """Return which distribution the value in each row was drawn from; None if there is one."""
        ids = self._ids
        if ids is None:
            return None
        return ids.rows(int(rows.max(initial=-1)) + 1)[rows]

    def distribution(self, row: int) -> BaseDistribution:
        """Return the distribution that the value in ``row`` was drawn from."""
        return self.distributions[0 if self._ids is None else int(self._ids.data[row])]


class FinishedTable:
    """Hold the finished trials of one study as columns, in the order in which they finished.

    numbers, trial_ids, started, completed, last_step: int64 (n,); states: int8 (n,);
    values: float64 (n, k); violation, last_value: float64 (n,); layout: int32 (n,), an index to
    ``layouts``, the tuples of parameter names in order of suggestion.
    """

    __slots__ = (
        "_layout_ids",
        "_report_counts",
        "_report_starts",
        "_report_steps",
        "_report_values",
        "columns",
        "completed",
        "has_constraints",
        "last_step",
        "last_value",
        "layout",
        "layouts",
        "n",
        "numbers",
        "started",
        "states",
        "system_attrs",
        "trial_ids",
        "user_attrs",
        "values",
        "violation",
    )

    def __init__(self, n_objectives: int) -> None:
        self.n = 0
        self.numbers: Growing[np.int64] = Growing(np.int64, NOTHING)
        self.trial_ids: Growing[np.int64] = Growing(np.int64, NOTHING)
        self.states: Growing[np.int8] = Growing(np.int8, NOTHING)
        self.values: Growing[np.float64] = Growing(np.float64, math.nan, n_objectives)
        self.violation: Growing[np.float64] = Growing(np.float64, math.nan)
        self.started: Growing[np.int64] = Growing(np.int64, NOTHING)
        self.completed: Growing[np.int64] = Growing(np.int64, NOTHING)
        self.last_step: Growing[np.int64] = Growing(np.int64, NOTHING)
        self.last_value: Growing[np.float64] = Growing(np.float64, math.nan)
        self.layout: Growing[np.int32] = Growing(np.int32, NOTHING)
        self.layouts: list[tuple[str, ...]] = []
        self._layout_ids: dict[tuple[str, ...], int] = {}
        self.columns: dict[str, ParamColumn] = {}
        self._report_starts: Growing[np.int64] = Growing(np.int64, 0)
        self._report_counts: Growing[np.int32] = Growing(np.int32, 0)
        self._report_steps: Growing[np.int64] = Growing(np.int64, 0)
        self._report_values: Growing[np.float64] = Growing(np.float64, math.nan)
        self.user_attrs: list[dict[str, Any] | None] = []
        self.system_attrs: list[dict[str, Any] | None] = []
        self.has_constraints = False

    def append(
        self,
        trial: OpenTrial,
        state: TrialState,
        values: tuple[float, ...] | None,
        completed: int | None,
        violation: float,
    ) -> int:
        """Append the trial as it ends, and return its row."""
        row = self.n
        self.numbers.append(trial.number)
        self.trial_ids.append(trial.trial_id)
        self.states.append(state)
        if values is not None:
            self.values.set(row, values)
        if violation == violation:
            self.violation.set(row, violation)
            self.has_constraints = True
        if trial.started is not None:
            self.started.set(row, trial.started)
        if completed is not None:
            self.completed.set(row, completed)
        self._append_params(row, trial)
        self._append_reports(row, trial.intermediate_values)
        self.user_attrs.append(trial.user_attrs or None)
        self.system_attrs.append(trial.system_attrs or None)
        self.n = row + 1  # last: who reads meanwhile sees whole rows only
        return row

    def _append_params(self, row: int, trial: OpenTrial) -> None:
        names = tuple(trial.params)
        layout = self._layout_ids.get(names)
        if layout is None:
            layout = self._layout_ids[names] = len(self.layouts)
            self.layouts.append(names)
        self.layout.append(layout)
        columns, distributions = self.columns, trial.distributions
        for name, value in trial.params.items():
            column = columns.get(name)
            if column is None:
                column = columns[name] = ParamColumn()
            column.set(row, value, distributions[name])

    def _append_reports(self, row: int, reports: dict[int, float]) -> None:
        if reports:
            last = max(reports)
            self.last_step.set(row, last)
            self.last_value.set(row, reports[last])
            self._report_starts.set(row, self._report_steps.size)
            self._report_counts.set(row, len(reports))
            self._report_steps.extend(list(reports), len(reports))
            self._report_values.extend(list(reports.values()), len(reports))

    def reports(self, row: int) -> dict[int, float]:
        """Return the intermediate values of a row, by step, in the order of reporting."""
        if row >= self._report_counts.size:
            return {}
        start = int(self._report_starts.data[row])
        end = start + int(self._report_counts.data[row])
        steps = self._report_steps.data[start:end].tolist()
        return dict(zip(steps, self._report_values.data[start:end].tolist(), strict=True))

    def row_values(self, row: int) -> tuple[float, ...] | None:
        """Return the objective values of a row, or None if they are not all known."""
        if row >= self.values.size:
            return None
        values = self.values.data[row].tolist()
        return None if any(value != value for value in values) else tuple(values)

    def representatives(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return some of the rows: one for each set of parameters and distributions among them."""
        kinds = [self.layout.rows(int(rows.max(initial=-1)) + 1)[rows]]
        for column in list(self.columns.values()):
            of_column = column.kinds(rows)
            if of_column is not None:
                kinds.append(of_column)
        _, firsts, kind = np.unique(kinds[0], return_index=True, return_inverse=True)
        for more in kinds[1:]:
            pairs = kind.astype(np.int64) << 32 | more
            _, firsts, kind = np.unique(pairs, return_index=True, return_inverse=True)
        return rows[np.sort(firsts)]

    def trial(self, row: int) -> FinishedTrial:
        """Return all of one row."""
        names = self.layouts[self.layout.data[row]]
        columns = [self.columns[name] for name in names]
        started, completed = self.started.get(row), self.completed.get(row)
        return FinishedTrial(
            number=int(self.numbers.data[row]),
            trial_id=int(self.trial_ids.data[row]),
            state=TrialState(int(self.states.data[row])),
            values=self.row_values(row),
            params={n: float(c.values.data[row]) for n, c in zip(names, columns, strict=True)},
            distributions={n: c.distribution(row) for n, c in zip(names, columns, strict=True)},
            intermediate_values=self.reports(row),
            user_attrs=self.user_attrs[row] or {},
            system_attrs=self.system_attrs[row] or {},
            started=None if started == NOTHING else int(started),
            completed=None if completed == NOTHING else int(completed),
        )
