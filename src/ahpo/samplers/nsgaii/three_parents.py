"""Crossovers of three parents: SPX and UNDX.

Shapes: m children; d numerical parameters.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from ahpo.samplers.nsgaii.crossover import BatchCrossover, Random

__all__ = ("SPXCrossover", "UNDXCrossover")

Floats = NDArray[np.float64]


class _ThreeParents(BatchCrossover):
    @property
    def n_parents(self) -> int:
        """Return how many parents a child has."""
        return 3


class SPXCrossover(_ThreeParents):
    """Draw uniformly from the simplex of the parents, made larger (Tsutsui et al. 1999).

    :param epsilon: by how much; None for sqrt(d + 2).
    """

    def __init__(self, epsilon: float | None = None) -> None:
        self._epsilon = epsilon

    def cross(self, parents: Floats, rng: Random, bounds: Floats, several: bool) -> Floats:
        """Return the children, (m, d), of parents (m, 3, d)."""
        m, p, d = parents.shape
        epsilon = sqrt(d + 2) if self._epsilon is None else self._epsilon
        center = parents.mean(axis=1, keepdims=True)
        corners = center + epsilon * (parents - center)
        # r_k = u^(1 / (k + 1)) makes the point uniform in the simplex.
        r = rng.random((m, p - 1)) ** (1.0 / np.arange(1, p))
        offset = np.zeros((m, d))
        for k in range(1, p):
            offset = r[:, k - 1, None] * (corners[:, k - 1] - corners[:, k] + offset)
        child: Floats = corners[:, -1] + offset
        return child


class UNDXCrossover(_ThreeParents):
    """Draw from a normal density around the middle of two parents (Kita et al. 1999).

    Along the line through both its width is their distance, in the other directions that of the
    third parent from the line.

    :param sigma_xi: the width along the line, where the parents' distance is 1.
    :param sigma_eta: the width in other directions; None for 0.35 / sqrt(d).
    """

    def __init__(self, sigma_xi: float = 0.5, sigma_eta: float | None = None) -> None:
        self._sigma_xi = sigma_xi
        self._sigma_eta = sigma_eta

    def cross(self, parents: Floats, rng: Random, bounds: Floats, several: bool) -> Floats:
        """Return the children, (m, d), of parents (m, 3, d)."""
        m, _, d = parents.shape
        sigma_eta = 0.35 / sqrt(d) if self._sigma_eta is None else self._sigma_eta
        first, second, third = parents[:, 0], parents[:, 1], parents[:, 2]
        line = second - first
        length = np.linalg.norm(line, axis=1, keepdims=True)
        unit = line / np.where(length > 0.0, length, 1.0)
        distance = np.linalg.norm(_across(third - first, unit), axis=1, keepdims=True)
        xi = rng.standard_normal((m, 1)) * self._sigma_xi
        # What is left of a round normal vector across the line is normal in all directions there.
        eta = _across(rng.standard_normal((m, d)), unit) * sigma_eta
        child: Floats = 0.5 * (first + second) + xi * line + distance * eta
        return child


def _across(vectors: Floats, unit: Floats) -> Floats:
    """Return the part of each vector that is orthogonal to a unit vector, all (m, d)."""
    along = (vectors * unit).sum(axis=1, keepdims=True)
    across: Floats = vectors - along * unit
    return across
