"""Which finished trials are good: the best of them, as many as ``gamma`` says.

Complete trials come first, by value; then pruned ones, those that got further first, by their last
reported value; then those that break constraints, by how much. Failed trials are never good.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Hashable
from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ahpo.history.dominance import non_domination_ranks
from ahpo.history.hypervolume import select_subset
from ahpo.history.view import View
from ahpo.states import StudyDirection, TrialState

__all__ = ("good_rows",)

_FAIL, _COMPLETE = int(TrialState.FAIL), int(TrialState.COMPLETE)
_VALUED, _PRUNED, _BROKEN = 0.0, 1.0, 2.0  # classes, the best first
_SPARE = 64  # how many rows are kept beyond those asked for
_HUGE = 1e20  # a loss
_FEW = 16  # new rows, that are ranked one by one


def good_rows(view: View, cache: dict[Hashable, Any], n_good: int) -> NDArray[np.intp]:
    """Return the ``n_good`` best rows of ``view``, in ascending order (fewer if there are fewer).

    :param view: the finished trials.
    :param cache: where to keep what the next call may start from.
    :param n_good: how many rows to return.
    """
    if n_good <= 0:
        return np.empty(0, dtype=np.intp)
    if len(view.directions) > 1:
        return _good_of_several(view, cache, n_good)
    best: _Best | None = cache.get(("tpe", "best"))
    if best is None or best.n < view.n or not best.enough(view.n, n_good):
        if best is None or view.n - best.n > _FEW or best.kept < n_good:
            best = _ranked(view, n_good + _SPARE)
        elif best.n < view.n:
            best = best.extended(view)
        else:
            # A view so old that too few of the rows that are kept belong to it.
            return _ranked(view, n_good).first(view.n, n_good)
        cache[("tpe", "best")] = best
    return best.first(view.n, n_good)


class _Best(NamedTuple):
    """Hold the ``kept`` best of the first ``n`` rows, best first, as (class, a, b, row)."""

    n: int
    kept: int
    keys: list[tuple[float, float, float, int]]

    def enough(self, n: int, n_good: int) -> bool:
        """Tell whether the best ``n_good`` of the first ``n`` rows are here."""
        if n_good > self.kept:
            return False
        if n == self.n or len(self.keys) < self.kept:
            return True
        return sum(key[3] < n for key in self.keys) >= n_good

    def first(self, n: int, n_good: int) -> NDArray[np.intp]:
        """Return the best ``n_good`` of the first ``n`` rows, ascending."""
        rows = [key[3] for key in self.keys]
        if n != self.n:
            rows = [row for row in rows if row < n]
        return np.array(sorted(rows[:n_good]), dtype=np.intp)

    def extended(self, view: View) -> _Best:
        """Return this with the few rows of ``view`` that are new."""
        keys = self.keys
        start, end = self.n, view.n
        for row in range(start, end):
            entry = _order_key(view, row)
            if entry[0] == inf or (len(keys) == self.kept and entry > keys[-1]):
                continue
            if keys is self.keys:
                keys = keys.copy()
            insort(keys, entry)
            del keys[self.kept :]
        return _Best(end, self.kept, keys)


def _ranked(view: View, kept: int) -> _Best:
    """Return the ``kept`` best of all rows of a view."""
    first, second, third = _order_keys(view, slice(0, view.n))
    order = np.lexsort((third, second, first))[:kept]
    order = order[first[order] < inf]
    keys = list(
        zip(
            first[order].tolist(),
            second[order].tolist(),
            third[order].tolist(),
            order.tolist(),
            strict=True,
        )
    )
    return _Best(view.n, kept, keys)


def _order_key(view: View, row: int) -> tuple[float, float, float, int]:
    """Return (class, a, b, row) of one row."""
    state = view.states[row]
    if state == _FAIL:
        return inf, 0.0, 0.0, row
    violation = float(view.violation[row])
    if violation > 0:
        return _BROKEN, violation, 0.0, row
    sign = -1.0 if view.directions[0] is StudyDirection.MAXIMIZE else 1.0
    if state == _COMPLETE:
        return _VALUED, sign * float(view.values[row, 0]), 0.0, row
    # Without a report the last step is -1, which comes after every step.
    reported = sign * float(view.last_value[row])
    return _PRUNED, -float(view.last_step[row]), inf if reported != reported else reported, row


def _order_keys(view: View, rows: slice) -> tuple[NDArray[np.float64], ...]:
    """Return the keys of rows, as `_order_key` does."""
    states = view.states[rows]
    sign = -1.0 if view.directions[0] is StudyDirection.MAXIMIZE else 1.0
    violation = view.violation[rows]
    complete, failed = states == _COMPLETE, states == _FAIL
    first = np.where(complete, _VALUED, _PRUNED)
    second = np.where(complete, sign * view.values[rows, 0], -view.last_step[rows].astype(float))
    reported = sign * view.last_value[rows]
    third = np.where(complete, 0.0, np.where(np.isnan(reported), inf, reported))
    broken = violation > 0
    first[broken], third[broken] = _BROKEN, 0.0
    second[broken] = violation[broken]
    first[failed] = inf
    return first, second, third


def _good_of_several(view: View, cache: dict[Hashable, Any], n_good: int) -> NDArray[np.intp]:
    """Return the good rows under several objectives: by rank, then by hypervolume (MOTPE)."""
    known = cache.get(("tpe", "front"))
    if known is not None and known[0] == (view.n, n_good):
        rows: NDArray[np.intp] = known[1]
        return rows
    states, violation = view.states, view.violation
    kept = ~(violation > 0)
    complete = np.flatnonzero((states == _COMPLETE) & kept)
    if n_good <= len(complete):
        signs = [-1.0 if d is StudyDirection.MAXIMIZE else 1.0 for d in view.directions]
        rows = np.sort(complete[_best_of_several(view.values[complete] * signs, n_good)])
    else:
        pruned = np.flatnonzero((states != _COMPLETE) & (states != _FAIL) & kept)
        pruned = pruned[np.argsort(-view.last_step[pruned], kind="stable")]
        broken = np.flatnonzero((states != _FAIL) & ~kept)
        broken = broken[np.argsort(violation[broken], kind="stable")]
        rows = np.sort(np.concatenate((complete, pruned, broken))[:n_good])
    cache[("tpe", "front")] = ((view.n, n_good), rows)
    return rows


def _best_of_several(losses: NDArray[np.float64], n_good: int) -> NDArray[np.intp]:
    """Return which ``n_good`` rows of ``losses`` (n, k) are best, in no particular order.

    Whole fronts first. Of the front that does not fit, the rows that together dominate the largest
    hypervolume (Ozaki 2020, section 4), greedily.
    """
    losses = _finite(losses)
    ranks = non_domination_ranks(losses, n_good)
    sizes = np.cumsum(np.bincount(ranks))
    last = int(np.searchsorted(sizes, n_good))
    whole = np.flatnonzero(ranks < last)
    missing = n_good - len(whole)
    split = np.flatnonzero(ranks == last)
    if missing < len(split):
        front = losses[split]
        worst = front.max(axis=0)
        # A tenth beyond the worst, so that the ends of the front count (Ozaki 2020).
        reference = np.maximum(1.1 * worst, 0.9 * worst)
        reference[reference == 0] = 1e-12
        split = split[select_subset(front, missing, reference)]
    return np.concatenate((whole, split))


def _finite(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return losses, (n, k), with infinities at some distance beyond the finite ones.

    Columns of huge losses are scaled, so that products of differences are finite too.
    """
    if (np.abs(losses) <= _HUGE).all():
        return losses
    finite = np.isfinite(losses)
    size = np.abs(np.where(finite, losses, 0.0)).max(axis=0)
    losses = losses / np.where(size > _HUGE, size, 1.0)
    highest = np.where(finite, losses, -inf).max(axis=0)
    lowest = np.where(finite, losses, inf).min(axis=0)
    # A column may have no finite loss at all.
    highest, lowest = np.where(highest == -inf, 0.0, highest), np.where(lowest == inf, 0.0, lowest)
    beyond = np.maximum(highest - lowest, 1.0)
    return np.clip(losses, lowest - beyond, highest + beyond)
