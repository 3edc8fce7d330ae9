"""Every built-in sampler passes the conformance suite."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.exceptions import ExperimentalWarning
from ahpo.samplers import (
    BaseSampler,
    BruteForceSampler,
    GridSampler,
    PartialFixedSampler,
    RandomSampler,
    TPESampler,
)
from ahpo.testing.samplers import SamplerTests

Space = dict[str, BaseDistribution]


class TestRandomSampler(SamplerTests):
    ignores_other_trials = True

    def make(self, seed: int, space: Space) -> BaseSampler:
        return RandomSampler(seed=seed)


def values_of(distribution: BaseDistribution, most: int) -> list[Any]:
    """Return some of the values of a distribution, evenly spread."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return list(range(distribution.low, distribution.high + 1, distribution.step))[:most]
    assert isinstance(distribution, FloatDistribution)
    low, high = distribution.low, distribution.high
    assert distribution.step is not None or low == high
    cells = round((high - low) / (distribution.step or 1.0)) + 1
    return [min(low + k * (distribution.step or 0.0), high) for k in range(min(cells, most))]


class TestGridSampler(SamplerTests):
    samples_infinite_spaces = False
    allows_dynamic_ranges = False

    def make(self, seed: int, space: Space) -> BaseSampler:
        most = 12
        while math.prod(len(values_of(d, most)) for d in space.values()) > 50_000:
            most -= 1
        grid = {name: values_of(distribution, most) for name, distribution in space.items()}
        return GridSampler(grid, seed=seed)


class TestBruteForceSampler(SamplerTests):
    samples_infinite_spaces = False

    def make(self, seed: int, space: Space) -> BaseSampler:
        return BruteForceSampler(seed=seed)


def fixed_value(distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[-1]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return distribution.low


class TestPartialFixedSampler(SamplerTests):
    """The last parameter is fixed, the others are sampled at random."""

    ignores_other_trials = True

    def make(self, seed: int, space: Space) -> BaseSampler:
        fixed = {name: fixed_value(kind) for name, kind in list(space.items())[-1:]}
        return PartialFixedSampler(fixed, RandomSampler(seed=seed))


class TestPartialFixedTPESampler(SamplerTests):
    def make(self, seed: int, space: Space) -> BaseSampler:
        fixed = {name: fixed_value(kind) for name, kind in list(space.items())[-1:]}
        return PartialFixedSampler(fixed, TPESampler(seed=seed, n_startup_trials=4))


class TestTPESampler(SamplerTests):
    def make(self, seed: int, space: Space) -> BaseSampler:
        return TPESampler(seed=seed, n_startup_trials=4)


class TestUnivariateTPESampler(SamplerTests):
    def make(self, seed: int, space: Space) -> BaseSampler:
        return TPESampler(seed=seed, n_startup_trials=4, multivariate=False, constant_liar=False)


class TestGroupTPESampler(SamplerTests):
    def make(self, seed: int, space: Space) -> BaseSampler:
        with pytest.warns(ExperimentalWarning):
            return TPESampler(seed=seed, n_startup_trials=4, multivariate=True, group=True)
