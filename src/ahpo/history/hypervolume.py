"""Hypervolume: how much of the space below a reference point a set of points dominates.

``points`` is (n, k), each column to be minimized; ``reference`` is (k,). Points that are not below
the reference in every objective dominate nothing. Where a side is infinite, so is the volume.

Two and three objectives are swept (Beume et al. 2009); more are sliced as WFG does (While et al.
2012). Subsets are chosen greedily, by lazy evaluation (Minoux 1978), which is within 1 - 1/e of the
best because hypervolume is submodular (Guerreiro et al. 2016).
"""

from __future__ import annotations

from bisect import bisect_left
from heapq import heapify, heapreplace
from math import inf

import numpy as np
from numpy.typing import NDArray

from ahpo.history.dominance import on_front

__all__ = ("contributions", "hypervolume", "select_subset")

Floats = NDArray[np.float64]


def _distinct_front(points: Floats) -> NDArray[np.intp]:
    """Return the first of each distinct point that no other dominates, in lexicographic order."""
    front = np.flatnonzero(on_front(points))
    front = front[np.lexsort(points[front].T[::-1])]
    rows = points[front]
    new = np.ones(len(front), dtype=bool)
    np.any(rows[1:] != rows[:-1], axis=1, out=new[1:])
    return front[new]


def _checked(points: Floats, reference: Floats) -> tuple[Floats, Floats]:
    points = np.asarray(points, dtype=float)
    reference = np.asarray(reference, dtype=float)
    if points.ndim != 2 or reference.shape != points.shape[1:]:
        raise ValueError(
            f"`points` must have the shape (n, k) and `reference` (k,), but they have "
            f"{points.shape} and {reference.shape}."
        )
    if np.isnan(points).any() or np.isnan(reference).any():
        raise ValueError("`points` and `reference` must not hold NaN, but one of them does.")
    return points, reference


def hypervolume(points: Floats, reference: Floats) -> float:
    """Return the volume that ``points`` (n, k) dominate below ``reference`` (k,).

    :raises ValueError: if the shapes do not fit, or there is NaN.
    """
    points, reference = _checked(points, reference)
    points = points[(points < reference).all(axis=1)]
    if not len(points):
        return 0.0
    if np.isinf(reference).any() or np.isinf(points).any():
        return inf
    return _volume(points[_distinct_front(points)], reference)


def _volume(front: Floats, reference: Floats) -> float:
    """Return the volume of finite, distinct points in lexicographic order, none dominated."""
    if not len(front):
        return 0.0
    k = front.shape[1]
    if k == 1:
        return float(reference[0] - front[0, 0])
    if k == 2:
        right = np.append(front[1:, 0], reference[0])
        return float((right - front[:, 0]) @ (reference[1] - front[:, 1]))
    if k == 3:
        return _volume_of_three(front, reference)
    volume = 0.0
    for position, point in enumerate(front):
        volume += float(np.prod(reference - point))
        volume -= _overlap(front[position + 1 :], point, reference)
    return volume


def _overlap(others: Floats, point: Floats, reference: Floats) -> float:
    """Return the volume of what ``others`` dominate within the box of ``point``."""
    limited = np.maximum(others, point)
    limited = limited[(limited < reference).all(axis=1)]
    if not len(limited):
        return 0.0
    return _volume(limited[_distinct_front(limited)], reference)


def _volume_of_three(front: Floats, reference: Floats) -> float:
    """Sweep along the third objective over the staircase of the first two."""
    end_x, end_y, end_z = (float(end) for end in reference)
    order = np.argsort(front[:, 2], kind="stable")
    # The stairs: x ascending, y descending, between two guards.
    xs, ys = [-inf, end_x], [end_y, -inf]
    area = volume = 0.0
    last_z = 0.0
    for x, y, z in front[order].tolist():
        volume += area * (z - last_z)
        last_z = z
        start = bisect_left(xs, x)
        if ys[start - 1] <= y or (xs[start] == x and ys[start] <= y):
            continue  # another point, no higher, covers it
        end = start
        left, top = x, ys[start - 1]
        while ys[end] >= y:
            area += (xs[end] - left) * (top - y)
            left, top = xs[end], ys[end]
            end += 1
        area += (xs[end] - left) * (top - y)
        xs[start:end], ys[start:end] = [x], [y]
    return volume + area * (end_z - last_z)


def contributions(points: Floats, reference: Floats) -> Floats:
    """Return by how much the hypervolume falls when each of ``points`` (n, k) is left out, (n,).

    It is 0 for points that are dominated, not unique or not below the reference. Points and
    reference must be finite.

    :raises ValueError: if the shapes do not fit, or there is NaN.
    """
    points, reference = _checked(points, reference)
    result = np.zeros(len(points))
    inside = np.flatnonzero((points < reference).all(axis=1))
    rows = points[inside]
    front = _distinct_front(rows) if len(rows) else inside
    if points.shape[1] == 2 and len(front) == len(rows):
        rows = rows[front]
        right = np.append(rows[1:, 0], reference[0])
        above = np.concatenate((reference[1:], rows[:-1, 1]))
        result[inside[front]] = (right - rows[:, 0]) * (above - rows[:, 1])
        return result
    for position in front.tolist():
        # What the point dominated alone, but for dominated points that step in, and its doubles.
        others = np.delete(rows, position, axis=0)
        point = rows[position]
        own = float(np.prod(reference - point)) - _overlap(others, point, reference)
        result[inside[position]] = max(own, 0.0)
    return result


def select_subset(points: Floats, size: int, reference: Floats) -> NDArray[np.intp]:
    """Return ``size`` of ``points`` (n, k) that dominate a large hypervolume, best first.

    Each next point is the one that adds the most to those chosen. Points that can add nothing are
    taken last, in their order. The points, and the reference, must be finite.

    :param points: the points.
    :param size: how many to choose; all are returned if there are fewer.
    :param reference: the reference point, (k,).
    :raises ValueError: if the shapes do not fit, or there is NaN.
    """
    points, reference = _checked(points, reference)
    front = _distinct_front(points)
    rows = points[front]
    wanted = min(size, len(rows))
    if points.shape[1] == 2:
        chosen = _greedy_of_two(rows, wanted, reference)
    else:
        chosen = _greedy(rows, wanted, reference)
    picked: list[int] = front[chosen].tolist()
    if len(picked) < size:
        taken = set(picked)
        picked += [row for row in range(len(points)) if row not in taken][: size - len(picked)]
    return np.array(picked, dtype=np.intp)


def _greedy_of_two(front: Floats, size: int, reference: Floats) -> list[int]:
    # Sorted by x, the box that a point adds ends at the chosen points next to it on both sides.
    x, y = front[:, 0], front[:, 1]
    width = np.maximum(reference[0] - x, 0.0)
    height = np.maximum(reference[1] - y, 0.0)
    chosen: list[int] = []
    added = np.empty(len(front))
    for _ in range(size):
        np.multiply(width, height, out=added)
        # Those chosen have no box left: they must not be taken for points that add nothing.
        added[chosen] = -1.0
        best = int(added.argmax())
        chosen.append(best)
        np.minimum(width[:best], x[best] - x[:best], out=width[:best])
        np.minimum(height[best + 1 :], y[best] - y[best + 1 :], out=height[best + 1 :])
    return chosen


def _greedy(front: Floats, size: int, reference: Floats) -> list[int]:
    boxes = np.prod(np.maximum(reference - front, 0.0), axis=1)
    # (minus an upper bound of what the point adds, point, number of points chosen at that time)
    heap = [(-box, row, 0) for row, box in enumerate(boxes.tolist())]
    heapify(heap)
    chosen: list[int] = []
    while len(chosen) < size:
        _, row, when = heap[0]
        if when == len(chosen):
            chosen.append(row)
            heapreplace(heap, (inf, row, -1))
            continue
        overlap = _overlap(front[chosen], front[row], reference)
        heapreplace(heap, (-max(float(boxes[row]) - overlap, 0.0), row, len(chosen)))
    return chosen
