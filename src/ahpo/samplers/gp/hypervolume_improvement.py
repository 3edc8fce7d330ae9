"""The logarithm of expected hypervolume improvement, exact for any number of objectives.

What no point of the front dominates is cut into disjoint boxes (l, u], l possibly minus infinity.
With independent objectives, E[improvement] = sum over boxes of the product over objectives of
psi(u) - psi(l), where psi(a) = E[max(a - Y, 0)] = deviation * h((a - mean) / deviation) (Yang et
al. 2019, theorem 3). All is done in logarithms, so that gradients do not vanish far from the front.

Shapes: m points; k objectives; b boxes.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ahpo.samplers.gp.improvement import log_h, log_normal_cdf, log_normal_pdf
from ahpo.samplers.gp.space import Floats

__all__ = ("boxes_of", "log_hypervolume_improvement")

_LEAST = 1e-12  # of a log ratio: closer than that, two bounds are one
_FARTHEST = -1e6  # deviations from a bound


def boxes_of(front: Floats, reference: Floats) -> tuple[Floats, Floats]:
    """Return the lower and upper bounds, (b, k) each, of what lies below the reference only.

    :param front: points (n, k), none of which dominates another.
    :param reference: the reference point, (k,).
    """
    front = front[(front < reference).all(axis=1)]
    lower, upper = _cut(front, reference)
    return np.array(lower), np.array(upper)


def _cut(front: Floats, reference: Floats) -> tuple[list[list[float]], list[list[float]]]:
    """Slice along the last objective; in each slice, cut what is left by the points below it."""
    end = float(reference[-1])
    if front.shape[1] == 1:
        return [[-np.inf]], [[min(float(front.min(initial=end)), end)]]
    order = np.argsort(front[:, -1], kind="stable")
    cuts = [-np.inf, *np.unique(front[:, -1]).tolist(), end]
    lower: list[list[float]] = []
    upper: list[list[float]] = []
    for first, last in pairwise(cuts):
        below = front[order][front[order, -1] <= first, :-1]
        inner_lower, inner_upper = _cut(below, reference[:-1])
        lower += [[*bound, first] for bound in inner_lower]
        upper += [[*bound, last] for bound in inner_upper]
    return lower, upper


def _log_difference(larger: Floats, smaller: Floats) -> Floats:
    """Return log(exp(larger) - exp(smaller)), which is smaller than larger by any amount."""
    ratio = np.minimum(smaller - larger, -_LEAST)
    result: Floats = larger + np.log(-np.expm1(ratio))
    return result


def log_hypervolume_improvement(
    means: Floats, deviations: Floats, lower: Floats, upper: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return log E[improvement], (m,), and its derivatives by means and by deviations, (m, k).

    :param means: means of the objectives, (m, k).
    :param deviations: their standard deviations, (m, k).
    :param lower: lower bounds of the boxes, (b, k).
    :param upper: upper bounds of the boxes, (b, k).
    """
    m, k = means.shape
    logs = np.zeros((m, len(lower)))
    by_mean, by_deviation = np.empty((k, *logs.shape)), np.empty((k, *logs.shape))
    for at in range(k):
        # Few bounds are distinct: each is evaluated once.
        bounds, place = np.unique(np.concatenate((lower[:, at], upper[:, at])), return_inverse=True)
        low, high = place[: len(lower)], place[len(lower) :]
        sd = deviations[:, at, None]
        z = np.maximum((bounds - means[:, at, None]) / sd, _FARTHEST)
        psi, cdf, pdf = log_h(z), log_normal_cdf(z), log_normal_pdf(z)
        none = np.isneginf(bounds)
        psi[:, none] = cdf[:, none] = pdf[:, none] = -np.inf
        with np.errstate(invalid="ignore"):
            span = _log_difference(psi[:, high], psi[:, low])
            logs += span + np.log(sd)
            mass = _log_difference(cdf[:, high], cdf[:, low])
        by_mean[at] = -np.exp(np.minimum(mass - span, 700.0)) / sd
        density = np.exp(np.minimum(pdf[:, high] - span, 700.0))
        density -= np.exp(np.minimum(pdf[:, low] - span, 700.0))
        by_deviation[at] = density / sd
    top = logs.max(axis=1, keepdims=True)
    shares = np.exp(logs - top)
    total = shares.sum(axis=1, keepdims=True)
    shares /= total
    value: Floats = (top + np.log(total))[:, 0]
    return value, (by_mean * shares).sum(axis=2).T, (by_deviation * shares).sum(axis=2).T
