"""How many trials count as good, and how much each trial weighs, by the number of trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = (
    "checked_weights",
    "default_gamma",
    "default_weights",
    "hyperopt_default_gamma",
)

_MOST_GOOD = 25  # trials; also how many of the newest keep their full weight


def default_gamma(n: int) -> int:
    """Return how many of ``n`` finished trials count as good: a tenth, and at most 25."""
    return min(ceil(0.1 * n), _MOST_GOOD)


def hyperopt_default_gamma(n: int) -> int:
    """Return how many of ``n`` finished trials count as good, as Hyperopt does (Bergstra 2013)."""
    return min(ceil(0.25 * sqrt(n)), _MOST_GOOD)


def default_weights(n: int) -> NDArray[np.float64]:
    """Return the weights of ``n`` trials, oldest first: 1 for the newest 25, before them a ramp.

    The ramp rises from 1/n to 1, so that old trials are forgotten slowly (Bergstra 2013).
    """
    weights = np.ones(n)
    old = n - _MOST_GOOD
    if old > 0:
        ramp = weights[:old]
        if old > 1:
            ramp[:] = np.arange(old)
            ramp *= (1.0 - 1.0 / n) / (old - 1)
            ramp += 1.0 / n
        else:
            ramp[0] = 1.0 / n
    return weights


def checked_weights(
    function: Callable[[int], Sequence[float] | NDArray[Any]], n: int
) -> NDArray[np.float64]:
    """Return the ``n`` weights that a user's ``weights`` function gives.

    :raises ValueError: if they are not ``n`` finite, non-negative numbers with a positive sum.
    """
    if n == 0:
        return np.empty(0)
    if function is default_weights:
        return default_weights(n)
    weights = np.asarray(function(n), dtype=float)
    if weights.shape != (n,):
        raise ValueError(
            f"`weights` must return one weight for each of {n} trials, "
            f"but it returned an array of shape {weights.shape}."
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError(
            f"`weights` must return finite weights that are not negative and not all zero, "
            f"but for {n} trials it returned {weights.tolist()}."
        )
    return weights
