"""Many local searches at once: BFGS within bounds, where each evaluation is of all points.

The searches share nothing but the calls of the function: each has its own inverse Hessian and its
own line search, and those that are done take no part. A variable at a bound that the gradient
pushes outward is held there; steps are cut at the bounds.

Shapes: m searches; d variables.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ahpo.samplers.gp.space import Floats, Places

__all__ = ("descend",)

_ENOUGH = 1e-4  # of the decrease that the slope promises (Armijo)
_SMALLEST_STEP = 1e-8
_NO_CHANGE = 1e-100  # of gradients, squared


def descend(
    function: Callable[[Floats, Places], tuple[Floats, Floats]],
    starts: Floats,
    lower: Floats,
    upper: Floats,
    most: int,
    tolerance: float = 1e-6,
    first_step: float = 0.1,
) -> tuple[Floats, Floats]:
    """Return the points (m, d) where searches for minima ended, and their values (m,).

    :param function: from points (a, d), and which searches they belong to, (a,), to values (a,)
        and gradients (a, d).
    :param starts: where searches begin, (m, d), within the bounds.
    :param lower: lower bounds, (d,).
    :param upper: upper bounds, (d,).
    :param most: how many evaluations a search may take.
    :param tolerance: a search ends when a step gains less than that.
    :param first_step: the length of the first step.
    """
    m, d = starts.shape
    x = starts.copy()
    which = np.arange(m)
    value, slope = function(x, which)
    inverse = np.tile(np.eye(d), (m, 1, 1))
    fresh = np.ones(m, dtype=bool)  # whether the inverse Hessian is still the first one
    length = np.ones(m)
    direction = np.empty((m, d))
    _aim(direction, length, fresh, inverse, x, slope, lower, upper, which, first_step)
    for _ in range(most - 1):
        if not len(which):
            break
        there = np.clip(x[which] + length[which, None] * direction[which], lower, upper)
        new, new_slope = function(there, which)
        moved = there - x[which]
        promised = np.einsum("ij,ij->i", moved, slope[which])
        good = (new <= value[which] + _ENOUGH * promised) & (promised < 0.0)
        # Rejected: the minimum of the parabola through both values, within reason.
        with np.errstate(all="ignore"):
            bend = new - value[which] - promised
            factor = np.where(bend > 0, -0.5 * promised / bend, 0.25)
        factor = np.clip(np.nan_to_num(factor, nan=0.25), 0.1, 0.5)
        length[which[~good]] *= factor[~good]
        gain = value[which] - new
        taken = which[good]
        _learn(inverse, fresh, taken, moved[good], new_slope[good] - slope[taken])
        x[taken], value[taken], slope[taken] = there[good], new[good], new_slope[good]
        _aim(direction, length, fresh, inverse, x, slope, lower, upper, taken, first_step)
        step = np.abs(direction[which]).max(axis=1, initial=0.0) * length[which]
        over = (good & (gain < tolerance)) | (step < _SMALLEST_STEP)
        which = which[~over]
    return x, value


def _aim(
    direction: Floats,
    length: Floats,
    fresh: NDArray[np.bool_],
    inverse: Floats,
    x: Floats,
    slope: Floats,
    lower: Floats,
    upper: Floats,
    which: Places,
    first_step: float,
) -> None:
    """Set the directions and the lengths of the next steps of some searches."""
    if not len(which):
        return
    here, gradient = x[which], slope[which]
    held = ((here <= lower) & (gradient > 0)) | ((here >= upper) & (gradient < 0))
    gradient = np.where(held, 0.0, gradient)
    aim = -np.einsum("ijk,ik->ij", inverse[which], gradient)
    aim[held] = 0.0
    uphill = np.einsum("ij,ij->i", aim, gradient) >= 0.0
    again = which[uphill & ~fresh[which]]
    inverse[again] = np.eye(x.shape[1])
    fresh[again] = True
    aim[uphill] = -gradient[uphill]
    norm = np.abs(aim).max(axis=1)
    length[which] = np.where(fresh[which], first_step / np.maximum(norm, 1e-300), 1.0)
    # No step is longer than the box is wide.
    width = float((upper - lower).max())
    length[which] = np.minimum(length[which], width / np.maximum(norm, 1e-300))
    direction[which] = aim


def _learn(
    inverse: Floats,
    fresh: NDArray[np.bool_],
    which: Places,
    moved: Floats,
    change: Floats,
) -> None:
    """Update the inverse Hessians by steps and changes of gradients (Nocedal and Wright, 6.17)."""
    curvature = np.einsum("ij,ij->i", moved, change)
    size = np.einsum("ij,ij->i", change, change)
    fit = (curvature > 1e-10 * size) & (size > _NO_CHANGE)
    which, moved, change = which[fit], moved[fit], change[fit]
    if not len(which):
        return
    curvature, size = curvature[fit], size[fit]
    first = fresh[which]
    inverse[which[first]] *= (curvature[first] / size[first])[:, None, None]
    fresh[which] = False
    old = inverse[which]
    seen = np.einsum("ijk,ik->ij", old, change)
    weight = (1.0 + np.einsum("ij,ij->i", change, seen) / curvature) / curvature
    cross = moved[:, :, None] * seen[:, None, :] / curvature[:, None, None]
    inverse[which] = (
        old
        + weight[:, None, None] * moved[:, :, None] * moved[:, None, :]
        - cross
        - cross.transpose(0, 2, 1)
    )
