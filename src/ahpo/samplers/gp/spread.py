"""Points that fill a cube evenly: the scrambled Halton sequence.

Dimension k is the van der Corput sequence in the k-th prime, with each digit permuted at random
(Owen 2017, arXiv:1706.02808). The first p numbers of a dimension fall into p different cells, so
even a few points are a Latin hypercube where p is large.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ahpo.samplers.gp.space import Floats

__all__ = ("halton", "spread")

_DIGITS = 1e-9  # as fine as that


@cache
def _primes(count: int) -> tuple[int, ...]:
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found if prime * prime <= candidate):
            found.append(candidate)
        candidate += 1
    return tuple(found)


def halton(indices: NDArray[np.int64], dimension: int, rng: np.random.Generator) -> Floats:
    """Return the numbers of one dimension at ``indices``, in [0, 1).

    :param indices: which numbers of the sequence, (m,).
    :param dimension: which dimension, from 0.
    :param rng: where the permutations come from.
    """
    base = _primes(dimension + 1)[dimension]
    levels = int(np.ceil(-np.log(_DIGITS) / np.log(base)))
    permutations = rng.permuted(np.tile(np.arange(base), (levels, 1)), axis=1)
    result = np.zeros(len(indices))
    left, weight = indices.copy(), 1.0
    for permutation in permutations:
        weight /= base
        left, digit = np.divmod(left, base)
        result += weight * permutation[digit]
    result += weight * rng.random()
    return np.minimum(result, np.nextafter(1.0, 0.0))


def spread(count: int, dimensions: int, rng: np.random.Generator) -> Floats:
    """Return ``count`` points of the unit cube, (count, dimensions)."""
    indices = np.arange(count)
    columns = [halton(indices, dimension, rng) for dimension in range(dimensions)]
    return np.array(columns).T.reshape(count, dimensions)
