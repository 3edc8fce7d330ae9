"""The table of finished trials, made of numpy columns.

Rows are only ever appended, in the order in which trials finish, and never change. So a reader
that knows how many rows it may look at needs no lock.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ahpo.distributions import BaseDistribution
from ahpo.history.growing import Growing
from ahpo.history.param_column import ParamColumn
from ahpo.history.records import FinishedTrial, OpenTrial
from ahpo.states import TrialState

__all__ = ("FinishedTable",)

NOTHING = -1  # in integer columns: no time, no step
_STATES = {int(state): state for state in TrialState}


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
        "_torn",
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
        self._torn = False  # whether the row after the last one may hold something

    def append(
        self,
        trial: OpenTrial,
        state: TrialState,
        values: tuple[float, ...] | None,
        completed: int | None,
        violation: float,
    ) -> int:
        """Append the trial as it ends, and return its row.

        An interruption (Ctrl-C raises between any two instructions) leaves the table as it was, or
        with the whole row.
        """
        row = self.n
        if self._torn:
            self._cut(row)
        self._torn = True
        self.numbers.set(row, trial.number)
        self.trial_ids.set(row, trial.trial_id)
        self.states.set(row, state)
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
        self.n = row + 1  # who reads meanwhile sees whole rows only
        self._torn = False
        return row

    def extend(
        self,
        trials: Sequence[FinishedTrial],
        values: Sequence[Sequence[float]],
        violations: Sequence[float],
    ) -> None:
        """Append trials, which keep their order, with the same guarantee as `append`.

        :param values: the objective values of each, NaN where absent
        """
        row = self.n
        if self._torn:
            self._cut(row)
        self._torn = True
        self.numbers.extend(row, [trial.number for trial in trials])
        self.trial_ids.extend(row, [trial.trial_id for trial in trials])
        self.states.extend(row, [trial.state for trial in trials])
        self.values.extend(row, values)
        self.violation.extend(row, violations)
        if any(violation == violation for violation in violations):
            self.has_constraints = True
        self.started.extend(row, [_time(trial.started) for trial in trials])
        self.completed.extend(row, [_time(trial.completed) for trial in trials])
        self._extend_params(row, trials)
        self._extend_reports(row, [trial.intermediate_values for trial in trials])
        self.user_attrs += [trial.user_attrs or None for trial in trials]
        self.system_attrs += [trial.system_attrs or None for trial in trials]
        self.n = row + len(trials)
        self._torn = False

    def _cut(self, n: int) -> None:
        """Take away what an interrupted `append` has left beyond the first ``n`` rows."""
        for name in self.__slots__:
            column = getattr(self, name)
            # Where reports are written does not matter: rows say where theirs begin.
            if isinstance(column, Growing) and name not in ("_report_steps", "_report_values"):
                column.cut(n)
        for parameter in self.columns.values():
            parameter.cut(n)
        del self.user_attrs[n:], self.system_attrs[n:]
        violation = self.violation.rows(n)
        self.has_constraints = bool((violation == violation).any())

    def _layout_of(self, names: tuple[str, ...]) -> int:
        layout = self._layout_ids.get(names)
        if layout is None:
            layout = len(self.layouts)
            self.layouts.append(names)
            self._layout_ids[names] = layout  # last, since an interruption may come between
        return layout

    def _append_params(self, row: int, trial: OpenTrial) -> None:
        self.layout.set(row, self._layout_of(tuple(trial.params)))
        columns, distributions = self.columns, trial.distributions
        for name, value in trial.params.items():
            column = columns.get(name)
            if column is None:
                column = columns[name] = ParamColumn(row)
            column.set(row, value, distributions[name])

    def _extend_params(self, row: int, trials: Sequence[FinishedTrial]) -> None:
        columns = self.columns
        for names, run in groupby(trials, lambda trial: tuple(trial.params)):
            alike = list(run)
            self.layout.extend(row, [self._layout_of(names)] * len(alike))
            for name in names:
                column = columns.get(name)
                if column is None:
                    column = columns[name] = ParamColumn(row)
                values = [trial.params[name] for trial in alike]
                column.extend(row, values, [trial.distributions[name] for trial in alike])
            row += len(alike)

    def _extend_reports(self, row: int, reports: list[dict[int, float]]) -> None:
        if any(reports):
            last = [max(steps, default=NOTHING) for steps in reports]
            told = [steps.get(step, math.nan) for steps, step in zip(reports, last, strict=True)]
            self.last_step.extend(row, last)
            self.last_value.extend(row, told)
            start = max(self._report_steps.size, self._report_values.size)
            self._report_steps.extend(start, [step for steps in reports for step in steps])
            flat = [value for steps in reports for value in steps.values()]
            self._report_values.extend(start, flat)
            counts = list(map(len, reports))
            self._report_starts.extend(row, list(accumulate(counts, initial=start))[:-1])
            self._report_counts.extend(row, counts)

    def _append_reports(self, row: int, reports: dict[int, float]) -> None:
        if reports:
            last = max(reports)
            self.last_step.set(row, last)
            self.last_value.set(row, reports[last])
            # Past all that may have been written, be it by an `append` that was interrupted.
            start = max(self._report_steps.size, self._report_values.size)
            self._report_steps.extend(start, list(reports))
            self._report_values.extend(start, list(reports.values()))
            self._report_starts.set(row, start)
            self._report_counts.set(row, len(reports))

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
            params={n: c.at(row) for n, c in zip(names, columns, strict=True)},
            distributions={n: c.distribution(row) for n, c in zip(names, columns, strict=True)},
            intermediate_values=self.reports(row),
            user_attrs=self.user_attrs[row] or {},
            system_attrs=self.system_attrs[row] or {},
            started=None if started == NOTHING else int(started),
            completed=None if completed == NOTHING else int(completed),
        )

    def trials(self, rows: NDArray[np.int64], *, external: bool = False) -> list[FinishedTrial]:
        """Return all of several rows, in their order.

        :param external: whether parameters are to be in external representation
        """
        layouts = self.layout.data[rows]
        trials: list[Any] = [None] * len(rows)
        for layout in np.unique(layouts).tolist():
            places = np.flatnonzero(layouts == layout)
            alike = self._trials(rows[places], self.layouts[layout], external)
            for place, trial in zip(places.tolist(), alike, strict=True):
                trials[place] = trial
        return trials

    def _trials(
        self, rows: NDArray[np.int64], names: tuple[str, ...], external: bool
    ) -> Iterator[FinishedTrial]:
        """Return rows that have the same parameters."""
        values = [
            None if any(value != value for value in told) else tuple(told)
            for told in self.values.take(rows).tolist()
        ]
        params, distributions = self._params(rows, names, external)
        places = rows.tolist()
        return map(
            FinishedTrial,
            self.numbers.data[rows].tolist(),
            self.trial_ids.data[rows].tolist(),
            map(_STATES.__getitem__, self.states.data[rows].tolist()),
            values,
            params,
            distributions,
            self._reports(rows),
            [self.user_attrs[row] or {} for row in places],
            [self.system_attrs[row] or {} for row in places],
            [None if at == NOTHING else at for at in self.started.take(rows).tolist()],
            [None if at == NOTHING else at for at in self.completed.take(rows).tolist()],
        )

    def _reports(self, rows: NDArray[np.int64]) -> Iterator[dict[int, float]]:
        counts = self._report_counts.take(rows)
        first = self._report_starts.take(rows)
        ends = first + counts
        low, high = int(first.min(initial=0)), int(ends.max(initial=0))
        if high - low > 2 * int(counts.sum()):  # there is more between them than in them
            yield from map(self.reports, rows.tolist())
            return
        steps = self._report_steps.data[low:high].tolist()
        values = self._report_values.data[low:high].tolist()
        for start, end in zip((first - low).tolist(), (ends - low).tolist(), strict=True):
            yield dict(zip(steps[start:end], values[start:end], strict=True))

    def _params(
        self, rows: NDArray[np.int64], names: tuple[str, ...], external: bool
    ) -> tuple[list[dict[str, Any]], list[dict[str, BaseDistribution]]]:
        if not names:
            return [{} for _ in rows], [{} for _ in rows]
        taken = [self.columns[name].take(rows) for name in names]
        columns = (_externals(*column) if external else column[0] for column in taken)
        params = [dict(zip(names, point, strict=True)) for point in zip(*columns, strict=True)]
        kinds = [
            repeat(kind, len(rows)) if isinstance(kind, BaseDistribution) else kind
            for _, kind in taken
        ]
        distributions = [
            dict(zip(names, kinds_of_row, strict=True)) for kinds_of_row in zip(*kinds, strict=True)
        ]
        return params, distributions

    def snapshot(self) -> FinishedTable:
        """Return the table as it is now; what never changes is shared."""
        twin = FinishedTable.__new__(FinishedTable)
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, Growing):
                value = value.snapshot()
            elif isinstance(value, (list, dict)):
                value = value.copy()
            setattr(twin, name, value)
        twin.columns = {name: column.snapshot() for name, column in self.columns.items()}
        return twin


def _externals(
    values: list[float], kinds: BaseDistribution | list[BaseDistribution]
) -> Sequence[Any]:
    """Return internal values of one parameter as external ones."""
    if not isinstance(kinds, BaseDistribution):
        return [kind.to_external_repr(value) for kind, value in zip(kinds, values, strict=True)]
    if type(kinds).to_external_repr is BaseDistribution.to_external_repr:
        return values  # the two are the same
    return list(map(kinds.to_external_repr, values))


def _time(at: int | None) -> int:
    return NOTHING if at is None else at
