"""What Gaussian processes need of linear algebra, on triangles that are not copied about."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from ahpo.samplers.gp.space import Floats

__all__ = ("factor", "inverse_lower", "inverse_of")

_TRIES = 6


def _lapack() -> Any:
    return import_module("scipy.linalg.lapack")


def factor(k: Floats) -> Floats | None:
    """Return the lower Cholesky factor of k (n, n); None if it is not positive definite.

    Where rounding is the reason, a little is added to the diagonal.
    """
    size = float(np.mean(np.diagonal(k)))
    if not np.isfinite(size):
        return None
    more = 0.0
    for _ in range(_TRIES):
        try:
            raised = k + more * size * np.eye(len(k)) if more else k
            return np.asarray(np.linalg.cholesky(raised), dtype=np.float64)
        except np.linalg.LinAlgError:
            more = max(10.0 * more, 1e-10)
    return None


def inverse_lower(lower: Floats) -> Floats:
    """Return the inverse of a lower triangle."""
    if not len(lower):
        return lower
    # The transpose is an upper triangle in the order of columns, which LAPACK takes as it is.
    inverse: Floats = _lapack().dtrtri(lower.T, lower=0)[0].T
    return inverse


def inverse_of(lower: Floats) -> Floats:
    """Return the inverse of L L', for a lower triangle L."""
    half = inverse_lower(lower)
    result: Floats = half.T @ half
    return result
