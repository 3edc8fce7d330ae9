"""Who survives: non-dominated sorting under constraints, and the crowding distance (Deb 2002).

``losses`` is (n, k), to be minimized; ``violation`` (n,) says by how much a trial breaks its
constraints, NaN where it has none.
"""

from __future__ import annotations

from math import inf

import numpy as np
from numpy.typing import NDArray

from ahpo.history.dominance import non_domination_ranks

__all__ = ("beats", "crowding_distance", "finite", "fronts", "most_spread", "ranks_under")

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


def ranks_under(losses: Floats, violation: Floats, enough: int | None = None) -> NDArray[np.int64]:
    """Return the ranks, (n,), under constrained domination; 0 is the best.

    Feasible trials come first, by non-domination; then those that break constraints, by how much;
    then those without any, if others have some. Without constraints at all: by non-domination.

    :param enough: stop when at least so many are ranked; the others share the next rank.
    """
    known = ~np.isnan(violation)
    if not known.any():
        return _ranks(losses, enough)
    ranks = np.zeros(len(losses), dtype=np.int64)
    broken = violation > 0.0
    start = 0
    for part, ordered in ((known & ~broken, False), (broken, True), (~known, False)):
        rows = np.flatnonzero(part)
        if not len(rows):
            continue
        if ordered:
            found = np.unique(violation[rows], return_inverse=True)[1].reshape(-1)
        else:
            found = _ranks(losses[rows], enough)
        ranks[rows] = start + found
        start += int(found.max()) + 1
        if enough is not None:
            enough = max(0, enough - len(rows))
    return ranks


def _ranks(losses: Floats, enough: int | None) -> NDArray[np.int64]:
    if losses.shape[1] == 1:  # every value is a front: there are many
        return np.unique(losses[:, 0], return_inverse=True)[1].reshape(-1).astype(np.int64)
    return non_domination_ranks(losses, enough)


def fronts(ranks: NDArray[np.int64], size: int) -> tuple[Rows, Rows]:
    """Return the rows of the fronts that fit into ``size`` whole, and those of the next front."""
    sizes = np.cumsum(np.bincount(ranks))
    last = int(np.searchsorted(sizes, size, side="right"))
    order = np.argsort(ranks, kind="stable")
    whole = int(sizes[last - 1]) if last else 0
    return order[:whole], order[whole : int(sizes[last])] if last < len(sizes) else order[:0]


def crowding_distance(losses: Floats) -> Floats:
    """Return how far the neighbours of each point of a front are, (n,); inf at the ends.

    In each objective it is the distance between both neighbours, where the front's width is 1.
    """
    n, k = losses.shape
    if n <= 2:
        return np.full(n, inf)
    order = np.argsort(losses, axis=0, kind="stable")
    ascending = np.take_along_axis(losses, order, axis=0)
    gaps = np.full((n, k), inf)
    with np.errstate(invalid="ignore"):
        width = ascending[-1] - ascending[0]
        gaps[1:-1] = ascending[2:] - ascending[:-2]
        gaps /= np.where(np.isfinite(width) & (width > 0.0), width, 1.0)
    gaps[np.isnan(gaps)] = 0.0  # between two equal infinities
    gaps[:, ~(width > 0.0)] = 0.0  # nobody is at an end where all are equal
    distance = np.empty((n, k))
    np.put_along_axis(distance, order, gaps, axis=0)
    total: Floats = distance.sum(axis=1)
    return total


def most_spread(losses: Floats, violation: Floats, size: int) -> Rows:
    """Return the ``size`` rows that survive in NSGA-II, the best first (Deb 2002, III.C).

    Whole fronts, and of the one that does not fit those with the largest crowding distance.
    """
    ranks = ranks_under(losses, violation, size)
    whole, split = fronts(ranks, size)
    missing = size - len(whole)
    if missing > 0 and len(split):
        crowded = np.argsort(-crowding_distance(losses[split]), kind="stable")
        split = split[crowded[:missing]]
        return np.concatenate((whole, split))
    return whole


def beats(losses: Floats, violation: Floats) -> NDArray[np.bool_]:
    """Return whether each row wins a tournament against each other row, (n, n).

    It does if its rank is lower, or the same and it is less crowded (Deb 2002, III.B).
    """
    ranks = ranks_under(losses, violation)
    distance = np.empty(len(ranks))
    for rank in range(int(ranks.max(initial=-1)) + 1):
        rows = np.flatnonzero(ranks == rank)
        distance[rows] = crowding_distance(losses[rows])
    better: NDArray[np.bool_] = distance[:, None] > distance
    better &= ranks[:, None] == ranks
    better |= ranks[:, None] < ranks
    return better


def finite(losses: Floats) -> Floats:
    """Return losses, (n, k), with infinities at some distance beyond the finite ones."""
    known = np.isfinite(losses)
    if known.all():
        return losses
    highest = np.where(known, losses, -inf).max(axis=0)
    lowest = np.where(known, losses, inf).min(axis=0)
    # An objective may have no finite value at all.
    highest, lowest = np.where(highest == -inf, 0.0, highest), np.where(lowest == inf, 0.0, lowest)
    beyond = np.maximum(highest - lowest, 1.0)
    return np.clip(losses, lowest - beyond, highest + beyond)
