"""Losses as a Gaussian process wants them: finite, around 0, with a deviation of 1."""

from __future__ import annotations

import numpy as np

from ahpo.samplers.gp.space import Floats

__all__ = ("finite", "relative", "standardized")

_SMALL, _LARGE = 1e-100, 1e100
_SAME = 1e-12  # what is closer than that, relatively, is rounding


def finite(values: Floats) -> Floats:
    """Return values (n,) with infinities at the ends of the finite ones, of a usual size."""
    usable = values[np.isfinite(values)]
    if not len(usable):
        return np.sign(np.nan_to_num(values))
    size = float(np.abs(usable).max())
    if not _SMALL < size < _LARGE and size > 0.0:
        values, usable = values / size, usable / size  # so that squares are neither 0 nor infinite
    return np.clip(values, usable.min(), usable.max())


def standardized(losses: Floats) -> Floats:
    """Return losses (n,) less their mean, over their deviation; 0 where all are the same."""
    y = finite(losses)
    if not len(y):
        return y
    y = y - y.mean()
    deviation = float(y.std())
    same = deviation <= _SAME * float(np.abs(y).max(initial=0.0))
    return np.zeros_like(y) if same else y / deviation


def relative(values: Floats) -> Floats:
    """Return values (n,) over their size, so that 0 stays 0."""
    y = finite(values)
    size = float(np.sqrt(np.mean(y * y))) if len(y) else 0.0
    return y / size if size > 0.0 else y
