"""Hyperparameters of a Gaussian process: the mode of their posterior, by exact gradients.

The model of standardized losses y (n,) is a constant mean plus a process of covariance
K = scale * matern + noise * I. The mean is profiled: for each K it is the one of the largest
likelihood, so gradients need not know of it.

log p(y | theta) = -1/2 (y - mean)' K^-1 (y - mean) - 1/2 log |K| + const, and its derivative is
1/2 tr((a a' - K^-1) dK), a = K^-1 (y - mean) (Rasmussen and Williams 2006, 5.8 and 5.9).

theta is (log length scale of each parameter, log scale, log noise), (D + 2,).
"""

from __future__ import annotations

from math import log, sqrt
from typing import NamedTuple

import numpy as np

from ahpo.samplers.gp.ascent import descend
from ahpo.samplers.gp.kernel import matern_with_slope, squared_distances
from ahpo.samplers.gp.linear import factor, inverse_of
from ahpo.samplers.gp.space import Floats, Places

__all__ = ("Hyper", "Priors", "fit", "negative_log_posterior")

_MOST_STEPS = 60
_TOLERANCE = 0.01
# Where searches start, as logarithms of length scales, before they grow with the dimension, and of
# noise. What looks like noise may be short length scales, and the other way round: both are tried.
_STARTS = ((log(0.5), log(0.1)), (log(0.2), -8.0))

# Medians of the priors, as logarithms: of length scales, before they grow, and of noise.
LENGTH = 0.5
NOISE = -8.0
SHORTEST = log(0.1)  # length scale; what varies faster is as good as noise
_LEAST_NOISE = 1e-9


class Hyper(NamedTuple):
    """Hold hyperparameters: ``lengths`` (D,), the variance of the process and of the noise."""

    lengths: Floats
    scale: float
    noise: float


class Priors(NamedTuple):
    """Hold normal priors of logarithms, and bounds: ``center``, ``width``, ``low``, ``high``."""

    center: Floats
    width: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, d: int, deterministic: bool) -> Priors:
        """Return the priors for d parameters.

        Length scales grow with the square root of d (Hvarfner et al. 2024), as distances do.
        """
        lengths = np.full(d, LENGTH + 0.5 * log(d))
        center = np.concatenate((lengths, [0.0, NOISE]))
        width = np.concatenate((np.full(d, sqrt(3.0)), [1.0, 1.5]))
        low = np.concatenate((np.full(d, SHORTEST + 0.5 * log(d)), [log(0.01), log(_LEAST_NOISE)]))
        most = _LEAST_NOISE if deterministic else 1.0
        high = np.concatenate((np.full(d, log(1e4)), [log(100.0), log(most)]))
        return cls(center, width, low, high)


def negative_log_posterior(
    theta: Floats, features: Floats, owner: Places, y: Floats, priors: Priors
) -> tuple[float, Floats]:
    """Return minus the log posterior of ``theta`` up to a constant, and its gradient."""
    d = len(theta) - 2
    lengths, scale, noise = np.exp(theta[:d]), float(np.exp(theta[d])), float(np.exp(theta[d + 1]))
    z = features / lengths[owner]
    correlation, slope = matern_with_slope(squared_distances(z, z))
    k = scale * correlation
    k[np.diag_indices_from(k)] += noise
    lower = factor(k)
    off = (theta - priors.center) / priors.width
    if lower is None:
        return np.inf, np.zeros_like(theta)
    inverse = inverse_of(lower)
    ones = inverse.sum(axis=0)
    rest = y - float(ones @ y) / float(ones.sum())
    a = inverse @ rest
    value = 0.5 * float(rest @ a) + float(np.log(np.diagonal(lower)).sum())
    weights = inverse - np.outer(a, a)
    weights *= 0.5
    gradient = np.empty_like(theta)
    gradient[d] = scale * float(np.vdot(weights, correlation))
    gradient[d + 1] = noise * float(np.trace(weights))
    weights *= slope
    # The sum of weights * (z_i - z_j)^2, feature by feature, without an array of n * n * C.
    spread = 2.0 * (weights.sum(axis=1) @ (z * z) - np.einsum("ic,ic->c", z, weights @ z))
    gradient[:d] = -2.0 * scale * np.bincount(owner, spread, d)
    value += 0.5 * float(off @ off)
    gradient += off / priors.width
    return value, gradient


def fit(features: Floats, owner: Places, y: Floats, d: int, deterministic: bool) -> Hyper:
    """Return the hyperparameters at the mode that a search from a few places finds.

    :param features: of the trials, (n, C).
    :param owner: the parameter of each feature, (C,).
    :param y: standardized losses, (n,).
    :param d: how many parameters there are.
    :param deterministic: whether the losses have no noise.
    """
    priors = Priors.of(d, deterministic)
    if not len(y):
        return _hyper(np.clip(priors.center, priors.low, priors.high))
    starts = np.zeros((len(_STARTS), d + 2))
    for start, (length, noise) in zip(starts, _STARTS, strict=True):
        start[:d], start[-1] = length + 0.5 * log(d), noise

    def of_each(thetas: Floats, which: Places) -> tuple[Floats, Floats]:
        each = [negative_log_posterior(theta, features, owner, y, priors) for theta in thetas]
        return np.array([value for value, _ in each]), np.array([slope for _, slope in each])

    found, values = descend(
        of_each,
        np.clip(starts, priors.low, priors.high),
        priors.low,
        priors.high,
        _MOST_STEPS,
        _TOLERANCE,
        0.5,
    )
    return _hyper(found[int(values.argmin())])


def _hyper(theta: Floats) -> Hyper:
    values = np.exp(theta)
    return Hyper(values[:-2], float(values[-2]), float(values[-1]))
