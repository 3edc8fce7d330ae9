"""Pareto dominance over arrays of losses.

``losses`` is (n, k): one row per point, each column to be minimized. A point dominates another if
it is nowhere worse and somewhere better, so equal points do not dominate each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ("ParetoFront", "non_domination_ranks", "on_front")

_BLOCK = 128  # rows that are compared with the front at once


def _sorted_unique(
    losses: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the distinct rows in lexicographic order, and where each given row went, (n,)."""
    if not losses.size:
        return losses, np.empty(0, dtype=np.intp)
    order = np.lexsort(losses.T[::-1])
    rows = losses[order]
    new = np.empty(len(rows), dtype=bool)
    new[:1] = True
    np.any(rows[1:] != rows[:-1], axis=1, out=new[1:])
    position = np.empty(len(rows), dtype=np.intp)
    position[order] = np.cumsum(new) - 1
    return rows[new], position


def _front_of_sorted(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which of the distinct, lexicographically sorted rows no other row dominates."""
    n, k = rows.shape
    front = np.zeros(n, dtype=bool)
    if k <= 2:
        # In this order, only an earlier row can dominate: one whose last loss is not above.
        best = np.minimum.accumulate(rows[:, -1])
        front[:1] = True
        np.less(rows[1:, -1], best[:-1], out=front[1:])
        if k == 1:
            front[1:] = False
        return front
    # Only an earlier row can dominate a later one, and if any does, one on the front does.
    kept = rows[:0]
    for start in range(0, n, _BLOCK):
        block = rows[start : start + _BLOCK]
        free = np.flatnonzero(~_covered(block, kept))
        block = block[free]
        below = np.logical_and.reduce(block[:, None] <= block, axis=2)
        inner = ~np.logical_or.reduce(np.triu(below, 1), axis=0)
        front[start + free[inner]] = True
        kept = np.concatenate((kept, block[inner]))
    return front


def _covered(rows: NDArray[np.float64], front: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows are nowhere below some point of ``front``."""
    covered = np.zeros((len(front), len(rows)), dtype=bool)
    np.less_equal(front[:, :1], rows[:, 0], out=covered)
    for column in range(1, rows.shape[1]):
        covered &= front[:, column, None] <= rows[:, column]
    result: NDArray[np.bool_] = np.logical_or.reduce(covered, axis=0)
    return result


def on_front(losses: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows of ``losses`` (n, k) no other row dominates, (n,).

    :param losses: the points; infinities are allowed, NaN is not.
    """
    rows, position = _sorted_unique(losses)
    mask: NDArray[np.bool_] = _front_of_sorted(rows)[position]
    return mask


def non_domination_ranks(
    losses: NDArray[np.float64], enough: int | None = None
) -> NDArray[np.int64]:
    """Return the non-domination rank of each row of ``losses`` (n, k): 0 on the front, (n,).

    Rank r is the front of what is left when the ranks below r have been taken away (Deb 2002).

    :param losses: the points; infinities are allowed, NaN is not.
    :param enough: stop when at least so many rows are ranked; the others share the next rank.
    """
    rows, position = _sorted_unique(losses)
    counts = np.bincount(position, minlength=len(rows))
    ranks = np.zeros(len(rows), dtype=np.int64)
    left = np.arange(len(rows))
    wanted = len(losses) if enough is None else min(enough, len(losses))
    rank = ranked = 0
    while ranked < wanted:
        front = _front_of_sorted(rows)
        ranked += int(counts[left[front]].sum())
        left, rows = left[~front], rows[~front]
        rank += 1
        ranks[left] = rank
    return ranks[position]


class ParetoFront:
    """Keep the points that no other point dominates, one point at a time.

    :param n_objectives: the number of losses of each point.
    """

    __slots__ = ("_state",)

    def __init__(self, n_objectives: int) -> None:
        # Numbers and points, (k, m), are replaced together, so that a reader in another thread
        # never sees one without the other.
        self._state: tuple[NDArray[np.int64], NDArray[np.float64]] = (
            np.empty(0, dtype=np.int64),
            np.empty((n_objectives, 0)),
        )

    @property
    def numbers(self) -> list[int]:
        """Return the numbers of the points on the front, in the order in which they were added."""
        numbers: list[int] = self._state[0].tolist()
        return numbers

    @property
    def losses(self) -> NDArray[np.float64]:
        """Return the points on the front, (m, k), in the order of ``numbers``."""
        return self._state[1].T.copy()

    def __len__(self) -> int:
        return len(self._state[0])

    def add(self, number: int, losses: tuple[float, ...]) -> bool:
        """Add a point and tell whether it is on the front; what it dominates leaves the front.

        :param number: the name of the point; each is added once.
        :param losses: its losses, without NaN.
        """
        numbers, points = self._state
        # Column by column: reducing over rows as short as these takes ten times as long.
        not_above = points[0] <= losses[0]
        for column, loss in zip(points[1:], losses[1:], strict=True):
            not_above &= column <= loss
        equal = np.flatnonzero(not_above)
        # Points of the front do not dominate each other: if one equals the new one, all these do.
        if len(equal) and points[:, equal[0]].tolist() != list(losses):
            return False
        if not len(equal):
            keep = points[0] < losses[0]
            for column, loss in zip(points[1:], losses[1:], strict=True):
                keep |= column < loss
            if np.count_nonzero(keep) < len(numbers):
                numbers, points = numbers[keep], points[:, keep]
        grown = np.empty((len(losses), len(numbers) + 1))
        grown[:, :-1] = points
        grown[:, -1] = losses
        self._state = (np.append(numbers, number), grown)
        return True
