"""Crossovers of two parents: uniform, BLX-alpha, SBX and vSBX.

Shapes: m children; d numerical parameters.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ahpo.samplers.nsgaii.crossover import BatchCrossover, Random

__all__ = ("BLXAlphaCrossover", "SBXCrossover", "UniformCrossover", "VSBXCrossover")

Floats = NDArray[np.float64]

_TINY = 1e-10


class _TwoParents(BatchCrossover):
    @property
    def n_parents(self) -> int:
        """Return how many parents a child has."""
        return 2


class UniformCrossover(_TwoParents):
    """Take each parameter from either parent (Syswerda 1989).

    :param swapping_prob: the probability of the first parent's parameter.
    :raises ValueError: if it is not in [0, 1].
    """

    def __init__(self, swapping_prob: float = 0.5) -> None:
        if not 0.0 <= swapping_prob <= 1.0:
            raise ValueError(f"`swapping_prob` must be in [0, 1], but it is {swapping_prob!r}.")
        self._swapping_prob = swapping_prob

    def cross(self, parents: Floats, rng: Random, bounds: Floats, several: bool) -> Floats:
        """Return the children, (m, d), of parents (m, 2, d)."""
        second = rng.random((len(parents), parents.shape[2])) >= self._swapping_prob
        return np.where(second, parents[:, 1], parents[:, 0])


class BLXAlphaCrossover(_TwoParents):
    """Draw from the box that the parents span, made larger (Eshelman and Schaffer 1992).

    :param alpha: by how much of its width the box grows at each side.
    """

    def __init__(self, alpha: float = 0.5) -> None:
        self._alpha = alpha

    def cross(self, parents: Floats, rng: Random, bounds: Floats, several: bool) -> Floats:
        """Return the children, (m, d), of parents (m, 2, d)."""
        lower = parents.min(axis=1)
        width = parents.max(axis=1) - lower
        at = rng.random(width.shape) * (1.0 + 2.0 * self._alpha) - self._alpha
        child: Floats = lower + at * width
        return child


class _PairCrossover(_TwoParents):
    """Make one child of the two that the paper's method gives.

    :param eta: the larger, the nearer children are to their parents; None for 20 with several
        objectives and 2 with one.
    :param uniform_crossover_prob: the probability that a parameter is taken from the other child.
    :param use_child_gene_prob: the probability that a parameter is that of a child; else it is
        that of the parent.
    :raises ValueError: if an argument is out of range.
    """

    _ETA_OF_ONE: ClassVar[float] = 2.0
    _ETA_OF_SEVERAL: ClassVar[float] = 20.0

    def __init__(
        self,
        eta: float | None = None,
        uniform_crossover_prob: float = 0.5,
        use_child_gene_prob: float = 0.5,
    ) -> None:
        if eta is not None and not eta >= 0.0:
            raise ValueError(f"`eta` must not be negative, but it is {eta!r}.")
        if not 0.0 <= uniform_crossover_prob <= 1.0:
            raise ValueError(
                f"`uniform_crossover_prob` must be in [0, 1], but it is {uniform_crossover_prob!r}."
            )
        if not 0.0 < use_child_gene_prob <= 1.0:
            raise ValueError(
                f"`use_child_gene_prob` must be above 0 and at most 1, but it is "
                f"{use_child_gene_prob!r}."
            )
        self._eta = eta
        self._uniform_crossover_prob = uniform_crossover_prob
        self._use_child_gene_prob = use_child_gene_prob

    def _pair(
        self, first: Floats, second: Floats, rng: Random, bounds: Floats, eta: float
    ) -> tuple[Floats, Floats]:
        """Return both children, (m, d) each: the first is on the side of the first parent."""
        raise NotImplementedError

    def cross(self, parents: Floats, rng: Random, bounds: Floats, several: bool) -> Floats:
        """Return the children, (m, d), of parents (m, 2, d)."""
        eta = self._eta
        if eta is None:
            eta = self._ETA_OF_SEVERAL if several else self._ETA_OF_ONE
        first, second = parents[:, 0], parents[:, 1]
        ones, others = self._pair(first, second, rng, bounds, eta)
        u = rng.random((2, *first.shape))
        other = u[0] < self._uniform_crossover_prob
        # Which of the two children it is does not follow from which parent is the first one.
        other ^= rng.random((len(parents), 1)) < 0.5
        from_child = np.where(other, others, ones)
        from_parent = np.where(other, second, first)
        return np.where(u[1] < self._use_child_gene_prob, from_child, from_parent)


class SBXCrossover(_PairCrossover):
    """Draw near either parent, by a polynomial density (simulated binary; Deb and Agrawal 1995).

    :param eta: the larger, the nearer children are to their parents; None for 20 with several
        objectives and 2 with one.
    :param uniform_crossover_prob: the method gives two children, of which one is used: this is
        the probability that a parameter is taken from the other one.
    :param use_child_gene_prob: the probability that a parameter is that of a child; else it is
        that of the parent.
    :raises ValueError: if an argument is out of range.
    """

    def _pair(
        self, first: Floats, second: Floats, rng: Random, bounds: Floats, eta: float
    ) -> tuple[Floats, Floats]:
        lower, upper = np.minimum(first, second), np.maximum(first, second)
        width = upper - lower
        u = rng.random(width.shape)
        apart = np.maximum(width, _TINY)
        # The spread is bounded so that no child leaves the range (Deb and Agrawal 1999, eq. 5).
        below = self._spread(u, 1.0 + 2.0 * (lower - bounds[:, 0]) / apart, eta)
        above = self._spread(u, 1.0 + 2.0 * (bounds[:, 1] - upper) / apart, eta)
        middle = 0.5 * (lower + upper)
        low_child = middle - 0.5 * below * width
        high_child = middle + 0.5 * above * width
        same = width <= _TINY  # nothing to spread
        low_child[same], high_child[same] = lower[same], upper[same]
        swapped = first > second
        ones = np.where(swapped, high_child, low_child)
        return ones, np.where(swapped, low_child, high_child)

    @staticmethod
    def _spread(u: Floats, reach: Floats, eta: float) -> Floats:
        """Return beta at the quantiles u of the polynomial density that ends at ``reach``."""
        alpha = 2.0 - np.maximum(reach, 1.0) ** -(eta + 1.0)
        inner = u * alpha
        base = np.where(inner <= 1.0, inner, 1.0 / np.maximum(2.0 - inner, _TINY))
        spread: Floats = base ** (1.0 / (eta + 1.0))
        return spread


class VSBXCrossover(_PairCrossover):
    """Draw as SBX does, but leave no region out (Ballester and Carter 2003).

    :param eta: the larger, the nearer children are to their parents; None for 20 with several
        objectives and 2 with one.
    :param uniform_crossover_prob: the method gives two children, of which one is used: this is
        the probability that a parameter is taken from the other one.
    :param use_child_gene_prob: the probability that a parameter is that of a child; else it is
        that of the parent.
    :raises ValueError: if an argument is out of range.
    """

    def _pair(
        self, first: Floats, second: Floats, rng: Random, bounds: Floats, eta: float
    ) -> tuple[Floats, Floats]:
        u = np.maximum(rng.random(first.shape), _TINY)
        # Section 3.2: one of the two spreads is above 1, the other one below.
        one = (1.0 / (2.0 * u)) ** (1.0 / (eta + 1.0))
        two = (1.0 / np.maximum(2.0 * (1.0 - u), _TINY)) ** (1.0 / (eta + 1.0))
        half = rng.random((2, len(first), 1)) <= 0.5
        ones = np.where(
            half[0],
            (1.0 + one) * first + (1.0 - two) * second,
            (1.0 - one) * first + (1.0 + two) * second,
        )
        others = np.where(
            half[1],
            (3.0 - one) * first - (1.0 - two) * second,
            -(1.0 - one) * first + (3.0 - two) * second,
        )
        return 0.5 * ones, 0.5 * others
