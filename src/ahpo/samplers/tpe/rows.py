"""The finished and the running trials as points of a unit space.

Both are kept in the cache of a view. What is there is never changed, only replaced by something
with more rows, and arrays are only written beyond the rows that anybody may read. So threads that
meet here do the same work twice at worst.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ahpo.distributions import BaseDistribution
from ahpo.history.records import OpenTrial
from ahpo.history.view import View
from ahpo.samplers.tpe.space import Floats, Ints, UnitSpace
from ahpo.states import TrialState

__all__ = ("Pending", "UnitRows", "pending_trials", "unit_rows")

_FAIL = int(TrialState.FAIL)
_FIRST_CAPACITY = 64
_FIXED_PARAMS = "fixed_params"  # the system attribute of enqueued trials


class UnitRows(NamedTuple):
    """Hold those of the first ``seen`` rows of a view that have all parameters and did not fail.

    There are ``n`` of them; columns from there on are spare room. ``unit``: (ds, capacity);
    ``indices``: (dt + dw, capacity); ``at``: (capacity,), which rows of the view they are,
    ascending. So what few trials have takes as little room.
    """

    space: UnitSpace
    seen: int
    n: int
    unit: Floats
    indices: Ints
    at: NDArray[np.intp]

    def first(self, n_rows: int) -> int:
        """Return how many of the first ``n_rows`` rows of the view are here."""
        return self.n if n_rows >= self.seen else int(self.at[: self.n].searchsorted(n_rows))

    def places(self, n_rows: int, chosen: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return where those of the ``chosen`` rows are that are here.

        :param n_rows: so many rows of the view count.
        :param chosen: some of these, ascending.
        """
        n = self.first(n_rows)
        if n == n_rows:  # all are here
            return chosen
        at = self.at[:n]
        places = at.searchsorted(chosen)
        here = places < n
        here[here] = at[places[here]] == chosen[here]
        return places[here]


def unit_rows(
    view: View, cache: dict[Hashable, Any], space: dict[str, BaseDistribution]
) -> UnitRows:
    """Return what there is in the rows of ``view``, encoded once per row and kept in ``cache``."""
    key = ("tpe", "rows", tuple(space))
    rows: UnitRows | None = cache.get(key)
    # Comparing tuples looks for identical items first: no distribution is compared by value.
    if rows is None or rows.space.distributions != tuple(space.values()):
        rows = _with_room(None, UnitSpace(space), 0)
    if rows.seen < view.n:
        rows = _extended(rows, view)
        cache[key] = rows
    return rows


def _with_room(rows: UnitRows | None, space: UnitSpace, size: int) -> UnitRows:
    """Return the same rows with room for ``size`` and more."""
    capacity = max(_FIRST_CAPACITY, size + size // 2)
    unit = np.full((space.smooth, capacity), 0.5)
    indices = np.zeros((len(space.counts), capacity), dtype=np.intp)
    at = np.empty(capacity, dtype=np.intp)
    if rows is None:
        return UnitRows(space, 0, 0, unit, indices, at)
    n = rows.n
    unit[:, :n], indices[:, :n], at[:n] = rows.unit[:, :n], rows.indices[:, :n], rows.at[:n]
    return rows._replace(unit=unit, indices=indices, at=at)


def _extended(rows: UnitRows, view: View) -> UnitRows:
    space, start, n = rows.space, rows.seen, rows.n
    if view.n - start == 1:
        # The common case: a single trial costs less without arrays.
        point = None
        if view.states[start] != _FAIL:
            point = space.encode_point(view.point(start, space.names))
        if point is None:
            return rows._replace(seen=view.n)
        if n == len(rows.at):
            rows = _with_room(rows, space, n + 1)
        rows.unit[:, n], rows.indices[:, n] = point
        rows.at[n] = start
        return rows._replace(seen=view.n, n=n + 1)
    raw = np.empty((len(space.names), view.n - start))
    for position, name in enumerate(space.names):
        raw[position] = view.column(name)[start:]
    unit, indices, inside = space.encode(raw)
    here = np.flatnonzero(inside & (view.states[start:] != _FAIL))
    end = n + len(here)
    if end > len(rows.at):
        rows = _with_room(rows, space, end)
    rows.unit[:, n:end], rows.indices[:, n:end] = unit[:, here], indices[:, here]
    rows.at[n:end] = here + start
    return rows._replace(seen=view.n, n=end)


class Pending(NamedTuple):
    """Hold p running trials: the columns of their numbers; unit (ds, p), indices (dt + dw, p)."""

    space: UnitSpace
    columns: dict[int, int]
    unit: Floats
    indices: Ints

    @classmethod
    def none(cls, space: UnitSpace) -> Pending:
        """Return no trials."""
        return cls(
            space, {}, np.empty((space.smooth, 0)), np.empty((len(space.counts), 0), np.intp)
        )


def pending_trials(
    view: View, cache: dict[Hashable, Any], space: UnitSpace, number: int
) -> Pending:
    """Return the running trials, but for ``number``, whose parameters of ``space`` are known."""
    key = ("tpe", "pending", space.names)
    known: Pending | None = cache.get(key)
    if known is None or known.space is not space:
        known = Pending.none(space)
    running = {trial.number: trial for trial in view.running() if trial.number != number}
    columns = known.columns
    if running.keys() == columns.keys():
        return known
    kept = [column for n, column in columns.items() if n in running]
    numbers = [n for n in columns if n in running]
    added: list[tuple[list[float], list[int]]] = []
    for n in sorted(running.keys() - columns.keys()):
        values = _values(running[n], space.names)
        point = None if values is None else space.encode_point(values)
        if point is not None:
            added.append(point)
            numbers.append(n)
    if not added and len(kept) == len(columns):
        return known
    unit, indices = known.unit[:, kept], known.indices[:, kept]
    if added:
        new_unit = np.array([point[0] for point in added]).reshape(len(added), -1).T
        new_indices = np.array([point[1] for point in added], np.intp).reshape(len(added), -1).T
        unit = np.concatenate((unit, new_unit), axis=1)
        indices = np.concatenate((indices, new_indices), axis=1)
    if numbers != sorted(numbers):
        # By number, however late a trial's parameters became known: weights depend on the order.
        order = np.argsort(numbers)
        numbers.sort()
        unit, indices = unit[:, order], indices[:, order]
    result = Pending(space, dict(zip(numbers, range(len(numbers)), strict=True)), unit, indices)
    cache[key] = result
    return result


def _values(trial: OpenTrial, names: Iterable[str]) -> list[float] | None:
    """Return the parameters of a running trial, suggested or proposed; None if one is unknown."""
    params, proposal = trial.params, trial.proposal
    # What was enqueued overrules the proposal when it is suggested, and not before.
    sure = not trial.system_attrs or _FIXED_PARAMS not in trial.system_attrs
    values: list[float] = []
    for name in names:
        value = params.get(name)
        if value is None and sure:
            value = proposal.get(name)
        if value is None:
            return None
        values.append(value)
    return values
