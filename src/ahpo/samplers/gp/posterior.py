"""What a Gaussian process says of points, given trials; pending ones count for its variance only.

With L L' = K over the n finished and p pending trials: mean(x) = mean + k(x)' K^-1 (y - mean), over
the finished ones, and variance(x) = scale - |L^-1 k(x)|^2, over all. That is what the process would
say if each pending trial ended with its mean: the mean does not change, the variance does.

Shapes: n finished, p pending trials; m points; C features.
"""

from __future__ import annotations

import numpy as np

from ahpo.samplers.gp.fit import Hyper
from ahpo.samplers.gp.kernel import matern, matern_with_slope, squared_distances
from ahpo.samplers.gp.linear import factor, inverse_lower
from ahpo.samplers.gp.space import Floats, Places

__all__ = ("Posterior",)

_LEAST = 1e-12  # of the variance, as a part of the scale


class Posterior:
    """Give mean and standard deviation at points, with gradients.

    :param features: of the finished trials, (n, C).
    :param owner: the parameter of each feature, (C,).
    :param y: their standardized losses, (n,).
    :param hyper: the hyperparameters.
    :param pending: features of the pending trials, (p, C).
    """

    def __init__(
        self,
        features: Floats,
        owner: Places,
        y: Floats,
        hyper: Hyper,
        pending: Floats | None = None,
    ) -> None:
        self._per = 1.0 / hyper.lengths[owner]
        self._scale = hyper.scale
        self._z = z = features * self._per
        k = self._scale * matern(squared_distances(z, z))
        k[np.diag_indices_from(k)] += hyper.noise
        lower = factor(k)
        if lower is None:  # nothing but the diagonal can be trusted
            lower = np.sqrt(np.maximum(np.diag(np.diagonal(k)), _LEAST))
        self._root = inverse_lower(lower)
        ones = self._root.T @ self._root.sum(axis=1)
        self._mean = float(ones @ y) / float(ones.sum())
        self._weights = self._root.T @ (self._root @ (y - self._mean))
        self._n = len(y)
        if pending is not None and len(pending):
            self._count(pending * self._per, hyper.noise)

    def _count(self, pending: Floats, noise: float) -> None:
        """Append pending trials to the factor."""
        cross = self._scale * matern(squared_distances(pending, self._z)) @ self._root.T
        k = self._scale * matern(squared_distances(pending, pending)) - cross @ cross.T
        k[np.diag_indices_from(k)] += noise
        lower = factor(k)
        if lower is None:
            return
        corner = inverse_lower(lower)
        n, p = self._n, len(pending)
        root = np.zeros((n + p, n + p))
        root[:n, :n], root[n:, n:] = self._root, corner
        root[n:, :n] = -(corner @ cross) @ self._root
        self._root = root
        self._z = np.concatenate((self._z, pending))
        self._weights = np.concatenate((self._weights, np.zeros(p)))

    def moments(self, features: Floats) -> tuple[Floats, Floats]:
        """Return means and standard deviations, (m,), of the process without noise."""
        k = self._scale * matern(squared_distances(features * self._per, self._z))
        half = k @ self._root.T
        variance = self._scale - np.einsum("ij,ij->i", half, half)
        return self._mean + k @ self._weights, np.sqrt(np.maximum(variance, _LEAST * self._scale))

    def with_gradients(self, features: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return means and standard deviations, (m,), and the gradients of both, (m, C)."""
        z = features * self._per
        k, slope = matern_with_slope(squared_distances(z, self._z))
        k *= self._scale
        slope *= 2.0 * self._scale
        half = k @ self._root.T
        variance = self._scale - np.einsum("ij,ij->i", half, half)
        flat = variance <= _LEAST * self._scale
        deviation = np.sqrt(np.where(flat, _LEAST * self._scale, variance))
        mean = self._mean + k @ self._weights
        # dk = slope * (z - z_j) / length; the sum over trials is two products of matrices.
        by_mean = slope * self._weights
        d_mean = (z * by_mean.sum(axis=1)[:, None] - by_mean @ self._z) * self._per
        by_root = slope * (half @ self._root)
        d_variance = -2.0 * (z * by_root.sum(axis=1)[:, None] - by_root @ self._z) * self._per
        d_variance[flat] = 0.0
        return mean, deviation, d_mean, 0.5 * d_variance / deviation[:, None]
