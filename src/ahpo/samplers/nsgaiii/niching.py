"""Who survives in NSGA-III: the front that does not fit whole is filled evenly over niches.

A niche is the surroundings of a reference line, from the ideal point through a reference point.
Deb and Jain 2014. Shapes: n points, k objectives, r reference points.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ahpo.samplers.nsgaii.selection import finite, fronts, ranks_under

__all__ = ("das_dennis", "evenly_niched", "fill_niches", "nearest_lines", "normalized")

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_AXIS_WEIGHT = 1e6


def das_dennis(k: int, divisions: int) -> Floats:
    """Return all points whose k coordinates are multiples of 1 / divisions with the sum 1, (r, k).

    Das and Dennis 1998: there are C(k + divisions - 1, divisions).
    """
    # Bars among stars: what is between two bars is one coordinate.
    bars = list(combinations(range(divisions + k - 1), k - 1))
    places = np.array(bars, dtype=float).reshape(len(bars), k - 1)
    edge = np.full((len(places), 1), -1.0)
    end = np.full((len(places), 1), divisions + k - 1.0)
    counts = np.diff(np.concatenate((edge, places, end), axis=1), axis=1) - 1.0
    points: Floats = counts / divisions
    return points


def normalized(losses: Floats) -> Floats:
    """Return losses with the ideal point at 0 and the intercepts of the front's plane at 1, (n, k).

    Where the extreme points span no plane, or it meets an axis below 0, the largest losses take
    the place of the intercepts (section IV.C).
    """
    moved = losses - losses.min(axis=0)
    k = moved.shape[1]
    weights = np.full((k, k), _AXIS_WEIGHT)
    np.fill_diagonal(weights, 1.0)
    extreme = moved[(moved[:, None] * weights).max(axis=2).argmin(axis=0)]
    worst = moved.max(axis=0)
    intercepts = worst
    try:
        inverse = np.linalg.solve(extreme, np.ones(k))
    except np.linalg.LinAlgError:
        pass
    else:
        # Below what any point has in all objectives, or far beyond all of them, it is no front.
        if (np.isfinite(inverse) & (inverse > 0.0)).all():
            found = 1.0 / inverse
            intercepts = np.where(found <= 10.0 * worst, found, worst)
    result: Floats = moved / np.where(intercepts > 0.0, intercepts, 1.0)
    return result


def nearest_lines(points: Floats, references: Floats) -> tuple[Rows, Floats]:
    """Return the reference line that is nearest to each point, (n,), and its distance, (n,)."""
    length = np.linalg.norm(references, axis=1, keepdims=True)
    unit = references / np.where(length > 0.0, length, 1.0)
    along = points @ unit.T
    # Of lines through the origin the nearest one has the longest projection.
    squares = np.maximum((points * points).sum(axis=1)[:, None] - along * along, 0.0)
    nearest = squares.argmin(axis=1)
    return nearest, np.sqrt(squares[np.arange(len(points)), nearest])


def fill_niches(
    niches: Rows,
    distances: Floats,
    n_whole: int,
    missing: int,
    rng: np.random.Generator,
) -> list[int]:
    """Return which points beyond the first ``n_whole`` survive too, ``missing`` of them.

    Each time the niche with the fewest survivors gets one: the nearest point, if it has none yet,
    else any (algorithm 4).

    :param niches: the niche of each point, (n,).
    :param distances: how far each point is from the line of its niche, (n,).
    """
    counts: dict[int, int] = {}
    for niche in niches[:n_whole].tolist():
        counts[niche] = counts.get(niche, 0) + 1
    waiting: dict[int, list[tuple[float, int]]] = {}
    rest = zip(niches[n_whole:].tolist(), distances[n_whole:].tolist(), strict=True)
    for place, (niche, distance) in enumerate(rest, start=n_whole):
        waiting.setdefault(niche, []).append((distance, place))
    chosen: list[int] = []
    draws = rng.random((missing, 2)).tolist()
    for tie, whom in draws:
        fewest = min(counts.get(niche, 0) for niche in waiting)
        tied = [niche for niche in waiting if counts.get(niche, 0) == fewest]
        niche = tied[int(tie * len(tied))]
        inhabitants = waiting[niche]
        at = inhabitants.index(min(inhabitants)) if not fewest else int(whom * len(inhabitants))
        chosen.append(inhabitants.pop(at)[1])
        counts[niche] = fewest + 1
        if not inhabitants:
            del waiting[niche]
    return chosen


def evenly_niched(
    losses: Floats,
    violation: Floats,
    size: int,
    references: Floats,
    rng: np.random.Generator,
) -> Rows:
    """Return the ``size`` rows that survive in NSGA-III (algorithm 1).

    :param losses: the losses, (n, k).
    :param violation: by how much each breaks its constraints, (n,); NaN where there are none.
    :param references: the reference points, (r, k).
    """
    whole, split = fronts(ranks_under(losses, violation, size), size)
    missing = min(size - len(whole), len(split))
    if missing <= 0:
        return whole
    rows = np.concatenate((whole, split))
    niches, distances = nearest_lines(normalized(finite(losses[rows])), references)
    chosen = fill_niches(niches, distances, len(whole), missing, rng)
    return np.concatenate((whole, rows[chosen]))
