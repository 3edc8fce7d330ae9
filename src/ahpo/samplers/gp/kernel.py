"""The Matern kernel of smoothness 5/2, as a function of squared distances.

k(q) = (1 + sqrt(5 q) + 5 q / 3) exp(-sqrt(5 q)), with q the sum of squared differences, each over
its own length scale (Rasmussen and Williams 2006, equation 4.17).
"""

from __future__ import annotations

import numpy as np

from ahpo.samplers.gp.space import Floats

__all__ = ("matern", "matern_with_slope", "squared_distances")


def squared_distances(first: Floats, second: Floats) -> Floats:
    """Return the squared distances (a, b) of features (a, C) and (b, C), over length scales."""
    result: Floats = -2.0 * (first @ second.T)
    result += np.einsum("ij,ij->i", first, first)[:, None]
    result += np.einsum("ij,ij->i", second, second)
    return np.maximum(result, 0.0, out=result)


def matern(squared: Floats) -> Floats:
    """Return the correlations at squared distances."""
    scaled = np.sqrt(5.0 * squared)
    decay = np.exp(-scaled)
    scaled += 1.0
    scaled += (5.0 / 3.0) * squared
    scaled *= decay
    return scaled


def matern_with_slope(squared: Floats) -> tuple[Floats, Floats]:
    """Return the correlations, and their derivatives by the squared distance, which are not 0/0."""
    scaled = np.sqrt(5.0 * squared)
    decay = np.exp(-scaled)
    scaled += 1.0
    slope = (-5.0 / 6.0) * scaled
    slope *= decay
    scaled += (5.0 / 3.0) * squared
    scaled *= decay
    return scaled, slope
