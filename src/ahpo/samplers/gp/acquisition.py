"""What is maximized: the log of the expected improvement, times the probability to be feasible.

Shapes: m points; C features; k objectives.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from ahpo.samplers.gp.hypervolume_improvement import log_hypervolume_improvement
from ahpo.samplers.gp.improvement import log_feasible, log_improvement
from ahpo.samplers.gp.posterior import Posterior
from ahpo.samplers.gp.space import Floats

__all__ = ("Acquisition", "Constrained", "Feasibility", "HypervolumeImprovement", "Improvement")


class Acquisition(ABC):
    """Give values at points, and gradients by features."""

    @abstractmethod
    def values(self, features: Floats) -> Floats:
        """Return the values (m,) at features (m, C)."""

    @abstractmethod
    def with_gradients(self, features: Floats) -> tuple[Floats, Floats]:
        """Return the values (m,) and their gradients (m, C)."""


class Improvement(Acquisition):
    """Give the log of the expected improvement of one objective over ``best``."""

    def __init__(self, posterior: Posterior, best: float) -> None:
        self._posterior = posterior
        self._best = best

    def values(self, features: Floats) -> Floats:
        """Return the values (m,) at features (m, C)."""
        return log_improvement(*self._posterior.moments(features), self._best)[0]

    def with_gradients(self, features: Floats) -> tuple[Floats, Floats]:
        """Return the values (m,) and their gradients (m, C)."""
        mean, deviation, d_mean, d_deviation = self._posterior.with_gradients(features)
        value, by_mean, by_deviation = log_improvement(mean, deviation, self._best)
        return value, by_mean[:, None] * d_mean + by_deviation[:, None] * d_deviation


class HypervolumeImprovement(Acquisition):
    """Give the log of the expected improvement of the hypervolume.

    :param posteriors: one for each objective.
    :param lower: lower bounds of the boxes that no trial dominates, (b, k).
    :param upper: their upper bounds, (b, k).
    """

    def __init__(self, posteriors: list[Posterior], lower: Floats, upper: Floats) -> None:
        self._posteriors = posteriors
        self._boxes = lower, upper

    def values(self, features: Floats) -> Floats:
        """Return the values (m,) at features (m, C)."""
        moments = np.array([posterior.moments(features) for posterior in self._posteriors])
        return log_hypervolume_improvement(moments[:, 0].T, moments[:, 1].T, *self._boxes)[0]

    def with_gradients(self, features: Floats) -> tuple[Floats, Floats]:
        """Return the values (m,) and their gradients (m, C)."""
        each = [posterior.with_gradients(features) for posterior in self._posteriors]
        means, deviations, d_means, d_deviations = (
            np.array(part) for part in zip(*each, strict=True)
        )
        value, by_means, by_deviations = log_hypervolume_improvement(
            means.T, deviations.T, *self._boxes
        )
        gradient = np.einsum("mk,kmc->mc", by_means, d_means)
        gradient += np.einsum("mk,kmc->mc", by_deviations, d_deviations)
        return value, gradient


class Feasibility(Acquisition):
    """Give the log of the probability that one constraint is at most ``limit``."""

    def __init__(self, posterior: Posterior, limit: float) -> None:
        self._posterior = posterior
        self._limit = limit

    def values(self, features: Floats) -> Floats:
        """Return the values (m,) at features (m, C)."""
        return log_feasible(*self._posterior.moments(features), self._limit)[0]

    def with_gradients(self, features: Floats) -> tuple[Floats, Floats]:
        """Return the values (m,) and their gradients (m, C)."""
        mean, deviation, d_mean, d_deviation = self._posterior.with_gradients(features)
        value, by_mean, by_deviation = log_feasible(mean, deviation, self._limit)
        return value, by_mean[:, None] * d_mean + by_deviation[:, None] * d_deviation


class Constrained(Acquisition):
    """Give the sum of acquisitions: the product of what they are logarithms of (Gardner 2014)."""

    def __init__(self, parts: list[Acquisition]) -> None:
        self._parts = parts

    def values(self, features: Floats) -> Floats:
        """Return the values (m,) at features (m, C)."""
        return np.sum([part.values(features) for part in self._parts], axis=0)  # type: ignore[no-any-return]

    def with_gradients(self, features: Floats) -> tuple[Floats, Floats]:
        """Return the values (m,) and their gradients (m, C)."""
        each = [part.with_gradients(features) for part in self._parts]
        return np.sum([v for v, _ in each], axis=0), np.sum([g for _, g in each], axis=0)
