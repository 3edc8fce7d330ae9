"""The signed-rank test of Wilcoxon (1945): are differences of pairs above zero?

The ranks of the absolute differences, ties sharing their mean, are summed over the positive ones.
Zeros count half for either side. As long as they are few the distribution of the sum, were all
signs equally probable, is exact; after that it is taken as normal, with the variance corrected for
ties. The bounds between the two are those of ``scipy.stats.wilcoxon``, which takes milliseconds to
seconds for what takes microseconds here (it recomputes the test for each pattern of signs).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ("p_value_of_increase",)

_MOST_EXACT = 50  # without ties and zeros
_MOST_EXACT_WITH_TIES = 13


def p_value_of_increase(differences: NDArray[np.float64]) -> float:
    """Return the probability of as large a sum of positive ranks if no sign were preferred.

    :param differences: (n,), finite, n >= 1.
    """
    n = len(differences)
    sizes, group, counts = np.unique(np.abs(differences), return_inverse=True, return_counts=True)
    # Twice the mean ranks: integers.
    ranks = (2 * np.cumsum(counts) - counts + 1)[group]
    tied = len(sizes) < n or sizes[0] == 0.0
    if n <= (_MOST_EXACT_WITH_TIES if tied else _MOST_EXACT):
        return _exact(ranks[differences != 0.0], int(ranks[differences > 0.0].sum()))
    above = ranks[differences > 0.0].sum() + 0.5 * ranks[differences == 0.0].sum()
    mean = 0.5 * n * (n + 1)
    variance = n * (n + 1) * (2 * n + 1) / 6.0 - float((counts**3 - counts).sum()) / 12.0
    return 0.5 * math.erfc((above - mean) / math.sqrt(2.0 * variance))


def _exact(ranks: NDArray[np.int64], above: int) -> float:
    ways = _ways(tuple(np.sort(ranks).tolist()))
    return float(ways[above:].sum()) / 2.0 ** len(ranks)


@lru_cache(maxsize=256)
def _ways(ranks: tuple[int, ...]) -> NDArray[np.int64]:
    """Return by how many patterns of signs each sum of positive ranks is made."""
    ways = np.zeros(sum(ranks) + 1, np.int64)  # at most 2^50 in all: exact
    ways[0] = 1
    for rank in ranks:
        ways[rank:] += ways[:-rank].copy()
    return ways
