"""Views: what samplers and pruners see of a history, without a lock."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ahpo.distributions import BaseDistribution
from ahpo.history.history import History
from ahpo.history.index import Index
from ahpo.history.records import FinishedTrial, OpenTrial
from ahpo.history.search_space import GroupTracker, IntersectionTracker
from ahpo.states import StudyDirection, TrialState

__all__ = ("View",)

_NONE: Mapping[str, Any] = MappingProxyType({})

I = TypeVar("I", bound=Index)  # noqa: E741


class View:
    """Show the finished trials of a study as they are now, and the running ones as they go on.

    Rows are finished trials in the order in which they finished; there are ``n``, and they never
    change. Taking a view is O(1). Arrays are read-only.
    """

    __slots__ = ("_history", "_rows", "_spaces", "n", "n_trials")

    def __init__(self, history: History, rows: NDArray[np.int64] | None = None) -> None:
        self._history = history
        self._rows = rows
        self._spaces = history.spaces
        self.n = history.table.n if rows is None else len(rows)
        self.n_trials = history.n_trials

    def _column(self, values: NDArray[Any]) -> NDArray[Any]:
        return values if self._rows is None else values[self._rows]

    @property
    def _end(self) -> int:
        rows = self._rows
        return self.n if rows is None else (int(rows.max()) + 1 if len(rows) else 0)

    @property
    def study_name(self) -> str:
        """Return the name of the study."""
        return self._history.study_name

    @property
    def directions(self) -> tuple[StudyDirection, ...]:
        """Return one direction for each objective."""
        return self._history.directions

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Return the trial numbers, (n,)."""
        return self._column(self._history.table.numbers.rows(self._end))

    @property
    def states(self) -> NDArray[np.int8]:
        """Return the states as integers, (n,)."""
        return self._column(self._history.table.states.rows(self._end))

    @property
    def values(self) -> NDArray[np.float64]:
        """Return the objective values as told, (n, k), NaN where absent."""
        return self._column(self._history.table.values.rows(self._end))

    @property
    def violation(self) -> NDArray[np.float64]:
        """Return the sums of positive constraint values, (n,), NaN where a trial has none."""
        return self._column(self._history.table.violation.rows(self._end))

    @property
    def has_constraints(self) -> bool:
        """Tell whether any trial has constraints."""
        return self._history.table.has_constraints

    @property
    def last_step(self) -> NDArray[np.int64]:
        """Return the largest reported steps, (n,), -1 where nothing was reported."""
        return self._column(self._history.table.last_step.rows(self._end))

    @property
    def last_value(self) -> NDArray[np.float64]:
        """Return the values reported at the largest step, (n,), NaN where nothing was reported."""
        return self._column(self._history.table.last_value.rows(self._end))

    @property
    def started(self) -> NDArray[np.int64]:
        """Return when the trials started, (n,), microseconds since the epoch, -1 if unknown."""
        return self._column(self._history.table.started.rows(self._end))

    @property
    def completed(self) -> NDArray[np.int64]:
        """Return when the trials ended, (n,), as above.

        Rows stand in the order in which this process learned of them: a worker that begins, or one
        that goes on with a stored study, learns of many at once, by number.
        """
        return self._column(self._history.table.completed.rows(self._end))

    def column(self, name: str) -> NDArray[np.float64]:
        """Return one parameter in internal representation, (n,), NaN where a trial lacks it."""
        column = self._history.table.columns.get(name)
        if column is None:
            return np.full(self.n, np.nan)
        return self._column(column.values(self._end))

    def point(self, row: int, names: Iterable[str]) -> list[float]:
        """Return parameters of one row in internal representation, NaN where it lacks one."""
        at = row if self._rows is None else int(self._rows[row])
        columns = self._history.table.columns
        values: list[float] = []
        for name in names:
            column = columns.get(name)
            values.append(math.nan if column is None else column.at(at))
        return values

    def points(self, rows: NDArray[np.intp], names: Iterable[str]) -> NDArray[np.float64]:
        """Return parameters of some rows, (rows, names), NaN where one lacks it."""
        at = rows if self._rows is None else self._rows[rows]
        columns = [self._history.table.columns.get(name) for name in names]
        points = np.full((len(rows), len(columns)), np.nan)
        for place, column in enumerate(columns):
            if column is not None:
                points[:, place] = column.at_rows(at)
        return points

    def sizes(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return how many parameters some rows have."""
        at = rows if self._rows is None else self._rows[rows]
        table = self._history.table
        counts = [len(table.layouts[layout]) for layout in table.layout.data[at].tolist()]
        return np.array(counts, dtype=np.int64)

    def system_attrs(self, row: int) -> Mapping[str, Any]:
        """Return the system attributes of one row."""
        at = row if self._rows is None else int(self._rows[row])
        return self._history.table.system_attrs[at] or _NONE

    def layouts(self) -> tuple[NDArray[np.int32], list[tuple[str, ...]]]:
        """Return which parameters each row has: (n,) indices into a list of tuples of names."""
        table = self._history.table
        return self._column(table.layout.rows(self._end)), table.layouts

    def best_number(self) -> int | None:
        """Return the number of the feasible complete trial with the best value, as of now.

        For one objective only.
        """
        return self._history.best_number

    def finished(self, number: int) -> FinishedTrial:
        """Return all of a finished trial.

        :raises KeyError: if no trial of that number has finished
        """
        return self._history.finished(number)

    def open_trial(self, number: int) -> OpenTrial:
        """Return the record of an unfinished trial.

        :raises UpdateFinishedTrialError: if it has finished
        :raises KeyError: if there is no trial of that number
        """
        return self._history.open_trial(number)

    def running(self) -> list[OpenTrial]:
        """Return the trials that run now, by number."""
        return sorted(self._history.running.values(), key=lambda trial: trial.number)

    def waiting(self) -> list[OpenTrial]:
        """Return the trials that wait now, by number."""
        return sorted(self._history.waiting.values(), key=lambda trial: trial.number)

    def _distributions(self, include_pruned: bool) -> list[dict[str, BaseDistribution]]:
        """Return the sets of distributions among the selected rows, each of them once."""
        if self._rows is None or not self.n:
            return []
        states, table = self.states, self._history.table
        wanted = states == TrialState.COMPLETE
        if include_pruned:
            wanted |= states == TrialState.PRUNED
        return [
            table.trial(int(row)).distributions for row in table.representatives(self._rows[wanted])
        ]

    def intersection(self, include_pruned: bool = False) -> dict[str, BaseDistribution]:
        """Return the parameters that all finished trials have with the same distribution."""
        if self._rows is None:
            return self._spaces[include_pruned]
        tracker = IntersectionTracker()
        for distributions in self._distributions(include_pruned):
            tracker.add(distributions)
        return tracker.space()

    def groups(self, include_pruned: bool = False) -> list[dict[str, BaseDistribution]]:
        """Return the parameters split into those that always come together, as of now."""
        if self._rows is None:
            return self._history.groups(include_pruned).groups()
        tracker = GroupTracker()
        for distributions in self._distributions(include_pruned):
            tracker.add(distributions)
        return tracker.groups()

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> View:
        """Return the view with some of its rows only, by a mask or by positions."""
        chosen = np.flatnonzero(rows) if rows.dtype == np.bool_ else np.asarray(rows, np.int64)
        view = View(self._history, chosen if self._rows is None else self._rows[chosen])
        view.n_trials = self.n_trials
        return view

    @property
    def whole(self) -> bool:
        """Tell whether the view has all rows, so that what derives from rows may be cached."""
        return self._rows is None

    @property
    def cache(self) -> dict[Hashable, Any]:
        """Return the dict for data derived from the first rows; a new one if rows are selected."""
        return self._history.cache if self._rows is None else {}

    @property
    def shared_cache(self) -> dict[Hashable, Any]:
        """Return the dict of the whole history, also if rows are selected.

        What is kept there has to say which rows it derives from, and under a key of its own.
        """
        return self._history.cache

    def index(self, kind: Callable[[], I]) -> I:
        """Return the live index of a kind over the whole history.

        A kind is a class of indexes, or anything hashable that makes one.
        """
        return cast("I", self._history.index(kind))
