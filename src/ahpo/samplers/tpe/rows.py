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
    """Hold the first ``n`` rows of a view; columns from ``n`` on are spare room.

    ``unit``: (ds, capacity); ``indices``: (dt + dw, capacity); ``usable``: (capacity,), rows that
    have all parameters in range and did not fail. The coordinates of the others mean nothing.
    """

    space: UnitSpace
    n: int
    unit: Floats
    indices: Ints
    usable: NDArray[np.bool_]


def _empty(space: UnitSpace, capacity: int) -> UnitRows:
    return UnitRows(
        space,
        0,
        np.full((space.smooth, capacity), 0.5),
        np.zeros((len(space.counts), capacity), dtype=np.intp),
        np.empty(capacity, dtype=bool),
    )


def unit_rows(
    view: View, cache: dict[Hashable, Any], space: dict[str, BaseDistribution]
) -> UnitRows:
    """Return at least the rows of ``view``, encoded once per row and kept in ``cache``."""
    key = ("tpe", "rows", tuple(space))
    rows: UnitRows | None = cache.get(key)
    # Comparing tuples looks for identical items first: no distribution is compared by value.
    if rows is None or rows.space.distributions != tuple(space.values()):
        rows = _empty(UnitSpace(space), max(_FIRST_CAPACITY, view.n + view.n // 4))
    if rows.n < view.n:
        rows = _extended(rows, view)
        cache[key] = rows
    return rows


def _extended(rows: UnitRows, view: View) -> UnitRows:
    start, end = rows.n, view.n
    space, _, unit, index, usable = rows
    if end > len(usable):
        _, _, unit, index, usable = _empty(space, 2 * end)
        unit[:, :start] = rows.unit[:, :start]
        index[:, :start] = rows.indices[:, :start]
        usable[:start] = rows.usable[:start]
    if end - start == 1:
        # The common case: a single trial costs less without arrays.
        point = None
        if view.states[start] != _FAIL:
            point = space.encode_point(view.point(start, space.names))
        usable[start] = point is not None
        if point is not None:
            unit[:, start], index[:, start] = point
        return UnitRows(space, end, unit, index, usable)
    raw = np.empty((len(space.names), end - start))
    for position, name in enumerate(space.names):
        raw[position] = view.column(name)[start:end]
    unit[:, start:end], index[:, start:end], inside = space.encode(raw)
    np.logical_and(inside, view.states[start:end] != _FAIL, out=usable[start:end])
    return UnitRows(space, end, unit, index, usable)


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
