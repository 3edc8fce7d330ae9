"""Random search: right probabilities, inside the range, the same at any concurrency."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.samplers.random import RandomSampler, at_quantile
from tests.samplers.trials import Trials

LARGEST = 1.0 - 2.0**-53


@st.composite
def distributions(draw: st.DrawFn) -> BaseDistribution:
    """Draw any distribution."""
    kind = draw(st.sampled_from(["float", "log", "step", "int", "log int", "choice"]))
    if kind == "choice":
        return CategoricalDistribution(tuple(range(draw(st.integers(1, 50)))))
    if kind in ("int", "log int"):
        low = draw(st.integers(1 if kind == "log int" else -(10**12), 10**12))
        if kind == "log int":
            return IntDistribution(low, low + draw(st.integers(0, 10**12)), log=True)
        step = draw(st.integers(1, 10**6))
        return IntDistribution(low, low + step * draw(st.integers(0, 10**6)), step=step)
    if kind == "step":
        # Decimal fractions, as people write them: others do not divide a range without a rest.
        first, cells = draw(st.integers(-1000, 1000)), draw(st.integers(0, 1000))
        width, unit = draw(st.integers(1, 500)), draw(st.sampled_from([1, 10, 1000]))
        return FloatDistribution(first / unit, (first + cells * width) / unit, step=width / unit)
    lowest = draw(st.floats(1e-300 if kind == "log" else -1.7e308, 1.7e308))
    return FloatDistribution(lowest, draw(st.floats(lowest, 1.7e308)), log=kind == "log")


@given(distributions(), st.one_of(st.floats(0.0, LARGEST), st.sampled_from([0.0, LARGEST])))
def test_every_quantile_is_in_the_range(distribution: BaseDistribution, u: float) -> None:
    value = at_quantile(distribution, u)
    assert type(value) is float
    assert distribution._contains(value)
    external = distribution.to_external_repr(value)
    assert distribution.to_internal_repr(external) == value


@pytest.mark.parametrize("u", [0.0, 0.3, LARGEST])
def test_values_rise_with_the_quantile_from_low_to_just_below_high(u: float) -> None:
    distribution = FloatDistribution(-2.0, 6.0)
    assert at_quantile(distribution, u) == pytest.approx(-2.0 + 8.0 * u)
    assert at_quantile(distribution, u) < 6.0


def drawn(distribution: BaseDistribution, n: int = 4000) -> np.ndarray:
    """Return what n trials draw."""
    sampler = RandomSampler(seed=5)
    view = Trials({}).view()
    return np.array([sampler.draw(view, number, "x", distribution) for number in range(n)])


def test_floats_are_uniform() -> None:
    assert kstest(drawn(FloatDistribution(-3.0, 5.0)), "uniform", (-3.0, 8.0)).pvalue > 0.001


def test_log_floats_are_uniform_in_their_logarithm() -> None:
    logs = np.log(drawn(FloatDistribution(1e-7, 1e3, log=True)))
    assert kstest(logs, "uniform", (math.log(1e-7), math.log(1e10))).pvalue > 0.001


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        (IntDistribution(-3, 4), range(-3, 5)),
        (IntDistribution(0, 30, step=6), range(0, 31, 6)),
        (FloatDistribution(0.0, 1.0, step=0.1), [k * 0.1 for k in range(11)]),
        (CategoricalDistribution(("a", "b", "c")), range(3)),
    ],
)
def test_values_on_a_grid_are_equally_likely(
    distribution: BaseDistribution, values: list[float]
) -> None:
    counts = Counter(np.round(drawn(distribution), 9).tolist())
    assert set(counts) == {round(float(value), 9) for value in values}
    assert chisquare(list(counts.values())).pvalue > 0.001


def test_a_log_int_has_the_length_of_its_cell_in_logarithm() -> None:
    counts = Counter(drawn(IntDistribution(1, 9, log=True)).tolist())
    edges = np.log(np.arange(1, 11) - 0.5)
    expected = np.diff(edges) / (edges[-1] - edges[0]) * 4000
    assert chisquare([counts[float(k)] for k in range(1, 10)], expected).pvalue > 0.001


def test_a_trial_draws_the_same_whoever_asks_and_in_any_order() -> None:
    distribution = FloatDistribution(0.0, 1.0)
    view = Trials({}).view()
    first, second = RandomSampler(seed=1), RandomSampler(seed=1)
    forward = {(i, n): first.draw(view, i, n, distribution) for i in range(5) for n in "xy"}
    backward = {
        (i, n): second.draw(view, i, n, distribution) for n in "yx" for i in reversed(range(5))
    }
    assert forward == backward
    assert len(set(forward.values())) == 10


def test_seeds_and_the_lack_of_one_give_other_values() -> None:
    distribution = FloatDistribution(0.0, 1.0)
    view = Trials({}).view()
    samplers = [RandomSampler(seed=1), RandomSampler(seed=2), RandomSampler(), RandomSampler()]
    assert len({sampler.draw(view, 0, "x", distribution) for sampler in samplers}) == 4


def test_name_may_be_any_str() -> None:
    """Also one that has no form in UTF-8: half of a surrogate pair."""
    view, sampler = Trials({}).view(), RandomSampler(seed=1)
    values = [sampler.draw(view, 0, name, FloatDistribution(0.0, 1.0)) for name in ("\ud800", "?")]
    assert values[0] != values[1]


def test_an_unknown_kind_of_distribution_is_refused() -> None:
    class Other(BaseDistribution):
        pass

    with pytest.raises(NotImplementedError, match="`distribution` must be a FloatDistribution"):
        at_quantile(Other(), 0.5)
