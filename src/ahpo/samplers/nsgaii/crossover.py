"""Crossovers: how parents give a child. Base classes of users' own and of the built-in ones.

Shapes: m children; p parents of each; d numerical parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ahpo.overrides import keeps

if TYPE_CHECKING:
    from ahpo.history.base_study import BaseStudy

__all__ = ("BaseCrossover", "BatchCrossover", "Random", "is_batch")

Floats = NDArray[np.float64]

# Both have `random` and `standard_normal`, which is all that is used here.
Random: TypeAlias = "np.random.Generator | np.random.RandomState"


class BaseCrossover(ABC):
    """Make a child of some parents, from their numerical parameters.

    Choices are always crossed uniformly, by the sampler itself.
    """

    def __str__(self) -> str:
        return type(self).__name__

    @property
    @abstractmethod
    def n_parents(self) -> int:
        """Return how many parents a child has."""

    @abstractmethod
    def crossover(
        self,
        parents_params: NDArray[Any],
        rng: np.random.RandomState,
        study: BaseStudy,
        search_space_bounds: NDArray[Any],
    ) -> NDArray[Any]:
        """Return the parameters of a child, (d,).

        What is out of bounds is drawn again with other parents, as long as there is hope.

        :param parents_params: the parents' parameters, (p, d), on the scale of their sampling: in
            logarithm if they are sampled so.
        :param rng: random numbers.
        :param study: the study, to be read only.
        :param search_space_bounds: the bounds on the same scale, (d, 2). Ints, and floats with a
            step, have half a step more at either end.
        """


class BatchCrossover(BaseCrossover):
    """Make many children at once."""

    @abstractmethod
    def cross(self, parents: Floats, rng: Random, bounds: Floats, several: bool) -> Floats:
        """Return the children, (m, d), of parents (m, p, d).

        :param several: whether the study has several objectives.
        """

    def crossover(
        self,
        parents_params: NDArray[Any],
        rng: np.random.RandomState,
        study: BaseStudy,
        search_space_bounds: NDArray[Any],
    ) -> NDArray[Any]:
        """Return the parameters of a child, (d,).

        :param parents_params: the parents' parameters, (p, d), on the scale of their sampling.
        :param rng: random numbers.
        :param study: the study, to be read only.
        :param search_space_bounds: the bounds on the same scale, (d, 2).
        """
        parents = np.asarray(parents_params, dtype=float)[None]
        bounds = np.asarray(search_space_bounds, dtype=float)
        child: Floats = self.cross(parents, rng, bounds, study._is_multi_objective())[0]
        return child


def is_batch(crossover: BaseCrossover) -> TypeGuard[BatchCrossover]:
    """Tell whether children may be made at once; not if a subclass has its own `crossover`."""
    return isinstance(crossover, BatchCrossover) and keeps(
        crossover, BatchCrossover, ("crossover",)
    )
