"""Mutations: how one numerical parameter of a child is changed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ahpo.overrides import keeps
from ahpo.samplers.nsgaii.crossover import Random

if TYPE_CHECKING:
    from ahpo.history.base_study import BaseStudy

__all__ = ("BaseMutation", "PolynomialMutation", "is_batch_mutation")

Floats = NDArray[np.float64]


class BaseMutation(ABC):
    """Change one numerical parameter of a child."""

    def __str__(self) -> str:
        return type(self).__name__

    @abstractmethod
    def mutation(
        self,
        param: float,
        rng: np.random.RandomState,
        study: BaseStudy,
        search_space_bounds: NDArray[Any],
    ) -> float:
        """Return the changed parameter; what is out of bounds is put onto the nearer bound.

        :param param: the parameter on the scale of its sampling: in logarithm if it is sampled so.
        :param rng: random numbers.
        :param study: the study, to be read only.
        :param search_space_bounds: the bounds on the same scale, (2,). An int, and a float with a
            step, has half a step more at either end.
        """


class PolynomialMutation(BaseMutation):
    """Move a parameter by a polynomial density around it (Deb et al. 2002, NSGA-II in C 1.1.6).

    :param eta: the larger, the less it moves.
    :raises ValueError: if ``eta`` is negative.
    """

    def __init__(self, eta: float = 20.0) -> None:
        if not eta >= 0.0:
            raise ValueError(f"`eta` must not be negative, but it is {eta!r}.")
        self._eta = eta

    def mutation(
        self,
        param: float,
        rng: np.random.RandomState,
        study: BaseStudy,
        search_space_bounds: NDArray[Any],
    ) -> float:
        """Return the changed parameter.

        :param param: the parameter on the scale of its sampling.
        :param rng: random numbers.
        :param study: the study, to be read only.
        :param search_space_bounds: the bounds on the same scale, (2,).
        """
        bounds = np.asarray(search_space_bounds, dtype=float)[None]
        return float(self.mutated(np.array([float(param)]), rng, bounds)[0])

    def mutated(self, params: Floats, rng: Random, bounds: Floats) -> Floats:
        """Return parameters, (n,), changed within their bounds, (n, 2)."""
        lower, upper = bounds[:, 0], bounds[:, 1]
        width = upper - lower
        u = rng.random(len(params))
        power = self._eta + 1.0
        down = u < 0.5
        # How far the bound is on the side to which the parameter moves, as a part of the range.
        room = np.where(down, params - lower, upper - params) / np.where(width > 0.0, width, 1.0)
        mass = np.where(down, 2.0 * u, 2.0 - 2.0 * u)
        rest = np.clip(1.0 - room, 0.0, 1.0) ** power
        move = 1.0 - (mass + (1.0 - mass) * rest) ** (1.0 / power)
        changed: Floats = params + np.where(down, -move, move) * width
        return np.minimum(np.maximum(changed, lower), upper)


def is_batch_mutation(mutation: BaseMutation) -> TypeGuard[PolynomialMutation]:
    """Tell whether many parameters may be changed at once; not by a user's own `mutation`."""
    return isinstance(mutation, PolynomialMutation) and keeps(
        mutation, PolynomialMutation, ("mutation",)
    )
