"""The signed-rank test equals scipy's, and the definition."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import rankdata, wilcoxon

from ahpo.pruners.signed_rank import p_value_of_increase


def by_definition(differences: NDArray[np.float64]) -> float:
    """Try all patterns of signs; zeros count half."""
    ranks = rankdata(np.abs(differences))

    def above(signs: NDArray[np.float64]) -> float:
        return float(ranks[signs > 0].sum() + 0.5 * ranks[signs == 0].sum())

    signs = np.sign(differences)
    observed = above(signs)
    sums = [
        above(np.array(pattern) * signs)
        for pattern in itertools.product([-1, 1], repeat=len(differences))
    ]
    return sum(total >= observed for total in sums) / len(sums)


@given(arrays(float, st.integers(1, 8), elements=st.integers(-4, 4)))
def test_few_pairs_with_ties_and_zeros(differences: NDArray[np.float64]) -> None:
    """The exact distribution."""
    assert p_value_of_increase(differences) == by_definition(differences)


# With ties scipy takes up to seconds for 7 to 13 pairs; the test above has those up to 8.
SIZES = [2, 3, 5, 8, 13, 14, 20, 49, 50, 51, 60, 200]
CASES = [(n, digits) for n in SIZES for digits in (None, 1, 0) if digits is None or not 6 < n < 14]


@pytest.mark.parametrize(("n", "digits"), CASES)
def test_it_is_the_test_of_scipy(n: int, digits: int | None) -> None:
    """Without ties, with some, and with many and zeros; either side of its changes of method."""
    rng = np.random.default_rng(n)
    for _ in range(5):
        differences = rng.normal(0.2, 1.0, n)
        if digits is not None:
            differences = np.round(differences, digits)
        expected = wilcoxon(differences, alternative="greater", zero_method="zsplit").pvalue
        assert p_value_of_increase(differences) == pytest.approx(expected, rel=1e-9, abs=1e-300)
        expected = wilcoxon(differences, alternative="less", zero_method="zsplit").pvalue
        assert p_value_of_increase(-differences) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_no_difference_at_all_is_no_evidence() -> None:
    """Neither with few pairs nor with many."""
    assert p_value_of_increase(np.zeros(5)) == 1.0
    assert p_value_of_increase(np.zeros(60)) == 0.5


def test_fifty_pairs_are_exact() -> None:
    """One pattern in 2^50."""
    assert p_value_of_increase(np.arange(1.0, 51.0)) == math.ldexp(1.0, -50)
