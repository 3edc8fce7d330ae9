"""Logarithms of expected improvement and of the probability to be feasible, with derivatives.

They stay exact where the quantities themselves are 0 in floating point (Ament et al. 2023,
arXiv:2310.20708, section 4.1 and appendix A).
"""

from __future__ import annotations

from importlib import import_module
from math import log, pi, sqrt
from typing import Any

import numpy as np

from ahpo.samplers.gp.space import Floats

__all__ = ("log_feasible", "log_h", "log_improvement", "log_normal_cdf", "log_normal_pdf")

_HALF_LOG_2_PI = 0.5 * log(2.0 * pi)
_HALF_LOG_PI_OVER_2 = 0.5 * log(pi / 2.0)
_FAR = -1e3  # below, the first term of the asymptotic series is exact enough
_FARTHEST = -1e6  # where logarithms are so large that their differences lose their last digits


def _special() -> Any:
    return import_module("scipy.special")


def log_normal_cdf(z: Floats) -> Floats:
    """Return the logarithm of the normal distribution function."""
    result: Floats = _special().log_ndtr(z)
    return result


def log_normal_pdf(z: Floats) -> Floats:
    """Return the logarithm of the normal density."""
    return -0.5 * z * z - _HALF_LOG_2_PI


def log_h(z: Floats) -> Floats:
    """Return log(pdf(z) + z cdf(z)): expected improvement in units of the deviation (eq. 9)."""
    special = _special()
    high = np.maximum(z, -1.0)
    direct = np.log(np.exp(log_normal_pdf(high)) + high * special.ndtr(high))
    low = np.clip(z, _FAR, -1.0)
    # 1 - |z| sqrt(pi / 2) erfcx(|z| / sqrt(2)), which falls as 1 / z^2.
    ratio = np.log(special.erfcx(-low / sqrt(2.0)) * -low) + _HALF_LOG_PI_OVER_2
    middle = log_normal_pdf(low) + np.log(-np.expm1(np.minimum(ratio, -1e-15)))
    with np.errstate(divide="ignore"):
        far = log_normal_pdf(z) - 2.0 * np.log(np.maximum(np.abs(z), 1.0))
    exact = np.where(z > _FAR, middle, far)
    return np.where(z > -1.0, direct, exact)


def log_improvement(mean: Floats, deviation: Floats, best: float) -> tuple[Floats, Floats, Floats]:
    """Return log E[max(best - Y, 0)], Y normal, and its derivatives by mean and deviation."""
    z = (best - mean) / deviation
    level = log_h(z)
    value = level + np.log(deviation)
    if z.min(initial=0.0) < _FARTHEST:
        z = np.maximum(z, _FARTHEST)
        level = log_h(z)
    by_mean = -np.exp(log_normal_cdf(z) - level) / deviation
    return value, by_mean, np.exp(log_normal_pdf(z) - level) / deviation


def log_feasible(mean: Floats, deviation: Floats, limit: float) -> tuple[Floats, Floats, Floats]:
    """Return log P(Y <= limit), Y normal, and its derivatives by mean and deviation."""
    z = (limit - mean) / deviation
    value = log_normal_cdf(z)
    z = np.maximum(z, _FARTHEST)
    by_mean = -np.exp(log_normal_pdf(z) - log_normal_cdf(z)) / deviation
    return value, by_mean, by_mean * z
