"""Where an acquisition is largest: many candidates, then local searches from a few of them.

Candidates fill the cube, and crowd around the best trials. Each local search takes turns: uphill
along continuous parameters, by gradients and from all starts at once; then the one change of a
discrete parameter that gains the most, of all values or of those at growing distances.

Shapes: m candidates; s starts; D parameters.
"""

from __future__ import annotations

import numpy as np

from ahpo.samplers.gp.acquisition import Acquisition
from ahpo.samplers.gp.ascent import descend
from ahpo.samplers.gp.space import CodeSpace, Floats, Places
from ahpo.samplers.gp.spread import spread

__all__ = ("candidates", "largest")

_N_SPREAD = 256
_N_NEAR = 48  # around each of the best trials
_N_STARTS = 6
_MOST_STEPS = 60
_MOST_TURNS = 12
_N_GO_ON = 3  # searches, after the first turn
_GAIN = 1e-6  # of a turn that is worth another one
_BLOCK = 512  # candidates that are evaluated in one go


def candidates(space: CodeSpace, best: Floats, rng: np.random.Generator) -> Floats:
    """Return candidates (m, D): all over the space, and around the ``best`` trials (b, D)."""
    d = len(space)
    everywhere = spread(_N_SPREAD, d, rng)
    points = [space.at_quantiles(everywhere)]
    for center in best:
        # Some parameters change: by little or by much on a scale of numbers, to any choice.
        size = 10.0 ** rng.uniform(-3.0, -0.5, (_N_NEAR, 1))
        near = center + size * rng.standard_normal((_N_NEAR, d))
        near = np.where(near < 0.0, -near, near)
        near = np.where(near > 1.0, 2.0 - near, near)
        anywhere = space.at_quantiles(rng.random((_N_NEAR, d)))
        near = np.where(space.free, near, np.where(rng.random((_N_NEAR, d)) < 0.5, near, anywhere))
        near = np.where(space.choice, anywhere, near)
        changed = rng.random((_N_NEAR, d)) < rng.choice((1.0 / d, 0.3, 1.0), (_N_NEAR, 1))
        points.append(space.snap(np.where(changed, near, center)))
    return np.concatenate(points)


def _values(acquisition: Acquisition, space: CodeSpace, codes: Floats) -> Floats:
    blocks = range(0, len(codes), _BLOCK)
    return np.concatenate(
        [acquisition.values(space.features(codes[at : at + _BLOCK])) for at in blocks]
    )


def _starts(codes: Floats, values: Floats, rng: np.random.Generator) -> Places:
    """Return which candidates local searches start from: the best, and others by their values."""
    count = min(_N_STARTS, len(codes))
    order = np.argsort(-values, kind="stable")
    chosen = [int(order[0])]
    # Gumbel's way to draw without replacement, with odds that are the acquisition itself.
    level = values[order[: len(order) // 2]]
    spread_of = max(float(level.std()), 1e-12) if len(level) else 1.0
    noisy = np.maximum(values, values.max() - 1e6) / spread_of + rng.gumbel(size=len(values))
    for place in np.argsort(-noisy, kind="stable").tolist():
        if len(chosen) == count:
            break
        if place not in chosen:
            chosen.append(place)
    return np.array(chosen, dtype=np.intp)


def _uphill(
    acquisition: Acquisition, space: CodeSpace, codes: Floats, values: Floats
) -> tuple[Floats, Floats]:
    """Return points uphill of ``codes`` along continuous parameters, with their values."""
    free = np.flatnonzero(space.free)
    columns = np.flatnonzero(space.free[space.owner])  # a number has one feature

    def downhill(x: Floats, which: Places) -> tuple[Floats, Floats]:
        points = codes[which]
        points[:, free] = x
        value, slope = acquisition.with_gradients(space.features(points))
        return -value, -slope[:, columns]

    found, lowest = descend(
        downhill, codes[:, free], np.zeros(len(free)), np.ones(len(free)), _MOST_STEPS, 1e-4
    )
    better = -lowest > values
    result = codes.copy()
    result[np.ix_(better, free)] = found[better]
    return result, np.where(better, -lowest, values)


def _best_changes(
    acquisition: Acquisition, space: CodeSpace, codes: Floats, values: Floats
) -> tuple[Floats, Floats]:
    """Return points after the best change of one discrete parameter, if it gains anything."""
    rows: list[Floats] = []
    owner: list[int] = []
    for start, code in enumerate(codes):
        for place in np.flatnonzero(~space.free).tolist():
            moves = space.moves(place, float(code[place]))
            changed = np.tile(code, (len(moves), 1))
            changed[:, place] = moves
            rows.append(changed)
            owner += [start] * len(moves)
    tried = np.concatenate(rows)
    found = _values(acquisition, space, tried)
    owners = np.array(owner)
    codes, values = codes.copy(), values.copy()
    for start in range(len(codes)):
        mine = np.flatnonzero(owners == start)
        if len(mine):
            best = mine[int(found[mine].argmax())]
            if found[best] > values[start]:
                codes[start], values[start] = tried[best], found[best]
    return codes, values


def largest(
    acquisition: Acquisition,
    space: CodeSpace,
    best: Floats,
    taken: Floats,
    rng: np.random.Generator,
) -> Floats | None:
    """Return the point (D,) with the largest value that is found; None if all are taken.

    :param acquisition: what is maximized.
    :param space: where.
    :param best: the best trials so far, (b, D).
    :param taken: what was tried and must not come again, (t, D).
    :param rng: where candidates come from.
    """
    codes = candidates(space, best, rng)
    values = _values(acquisition, space, codes)
    seen = {row.tobytes() for row in taken}
    fresh = np.array([row.tobytes() not in seen for row in codes])
    if fresh.any():
        codes, values = codes[fresh], values[fresh]
    starts = _starts(codes, values, rng)
    points, heights = codes[starts], values[starts]
    active = np.arange(len(points))
    for _ in range(_MOST_TURNS):
        before = heights.copy()
        if space.free.any():
            points[active], heights[active] = _uphill(
                acquisition, space, points[active], heights[active]
            )
        if not space.free.all():
            points[active], heights[active] = _best_changes(
                acquisition, space, points[active], heights[active]
            )
        if space.free.all():
            break
        # Of all searches, the highest go on: each turn is one step in a discrete space.
        active = np.argsort(-heights, kind="stable")[:_N_GO_ON]
        active = active[heights[active] > before[active] + _GAIN]
        if not len(active):
            break
    # What the searches have found first, then the candidates, each by its value.
    points = np.concatenate((space.snap(points), codes))
    heights = np.concatenate((heights + 1e-9, values))
    for place in np.argsort(-heights, kind="stable").tolist():
        found: Floats = points[place]
        if found.tobytes() not in seen:
            return found
    return None
