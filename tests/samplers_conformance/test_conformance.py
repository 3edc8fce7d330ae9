"""Every built-in sampler passes the conformance suite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.exceptions import ExperimentalWarning
from ahpo.history.base_study import BaseStudy
from ahpo.samplers import (
    BaseSampler,
    BruteForceSampler,
    CmaEsSampler,
    GPSampler,
    GridSampler,
    NSGAIIISampler,
    NSGAIISampler,
    PartialFixedSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
    nsgaii,
)
from ahpo.states import TrialState
from ahpo.testing.samplers import SamplerTests
from ahpo.trials import FrozenTrial

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


class TestNSGAIISampler(SamplerTests):
    def make(self, seed: int, space: Space) -> BaseSampler:
        return NSGAIISampler(seed=seed, population_size=4)


class TestMutatingNSGAIISampler(SamplerTests):
    def make(self, seed: int, space: Space) -> BaseSampler:
        crossover, mutation = nsgaii.UNDXCrossover(), nsgaii.PolynomialMutation()
        return NSGAIISampler(seed=seed, population_size=5, crossover=crossover, mutation=mutation)


class TestNSGAIIISampler(SamplerTests):
    def make(self, seed: int, space: Space) -> BaseSampler:
        crossover = nsgaii.SBXCrossover()
        return NSGAIIISampler(seed=seed, population_size=4, crossover=crossover)


class TestPartialFixedNSGAIISampler(SamplerTests):
    def make(self, seed: int, space: Space) -> BaseSampler:
        fixed = {name: fixed_value(kind) for name, kind in list(space.items())[-1:]}
        return PartialFixedSampler(fixed, NSGAIISampler(seed=seed, population_size=4))


class OwnCrossover(nsgaii.BaseCrossover):
    """Be a crossover that a user wrote."""

    @property
    def n_parents(self) -> int:
        return 2

    def crossover(
        self,
        parents_params: np.ndarray,
        rng: np.random.RandomState,
        study: BaseStudy,
        search_space_bounds: np.ndarray,
    ) -> np.ndarray:
        weight = rng.rand()
        return np.asarray(weight * parents_params[0] + (1.0 - weight) * parents_params[1])


class TestNSGAIISamplerWithOwnCrossover(SamplerTests):
    def make(self, seed: int, space: Space) -> BaseSampler:
        return NSGAIISampler(seed=seed, population_size=4, crossover=OwnCrossover())


no_constraints = pytest.mark.filterwarnings(
    "ignore:Trials have constraints, which CmaEsSampler does not consider:UserWarning"
)


@no_constraints
class TestCmaEsSampler(SamplerTests):
    allows_several_objectives = False

    def make(self, seed: int, space: Space) -> BaseSampler:
        return CmaEsSampler(seed=seed, popsize=4, warn_independent_sampling=False)


@pytest.mark.filterwarnings("ignore:`use_separable_cma` is ignored:UserWarning")
@no_constraints
class TestSeparableCmaEsSampler(SamplerTests):
    allows_several_objectives = False

    def make(self, seed: int, space: Space) -> BaseSampler:
        with pytest.warns(ExperimentalWarning):
            return CmaEsSampler(seed=seed, use_separable_cma=True, warn_independent_sampling=False)


@no_constraints
class TestCmaEsSamplerWithMargin(SamplerTests):
    allows_several_objectives = False

    def make(self, seed: int, space: Space) -> BaseSampler:
        with pytest.warns(ExperimentalWarning):
            return CmaEsSampler(
                seed=seed, popsize=4, with_margin=True, warn_independent_sampling=False
            )


@no_constraints
class TestRestartedCmaEsSampler(SamplerTests):
    allows_several_objectives = False

    def make(self, seed: int, space: Space) -> BaseSampler:
        with pytest.warns(FutureWarning):
            return CmaEsSampler(
                seed=seed, popsize=4, restart_strategy="bipop", warn_independent_sampling=False
            )


class TestQMCSampler(SamplerTests):
    depends_on_seed = False

    def make(self, seed: int, space: Space) -> BaseSampler:
        return QMCSampler(seed=seed, warn_independent_sampling=False)


class TestScrambledQMCSampler(SamplerTests):
    def make(self, seed: int, space: Space) -> BaseSampler:
        return QMCSampler(
            seed=seed, qmc_type="halton", scramble=True, warn_independent_sampling=False
        )


class Mutation(BaseSampler):
    """Be a sampler that a user wrote: take the best trial, and change half of its parameters."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.RandomState(seed)
        self._fresh = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: BaseStudy, trial: FrozenTrial) -> Space:
        best = self._best(study)
        return {} if best is None else dict(best.distributions)

    def sample_relative(
        self, study: BaseStudy, trial: FrozenTrial, search_space: Space
    ) -> dict[str, Any]:
        best = self._best(study)
        if best is None:
            return {}
        kept = (name for name in search_space if self._rng.random_sample() < 0.5)
        return {name: best.params[name] for name in kept}

    def sample_independent(
        self,
        study: BaseStudy,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._fresh.sample_independent(study, trial, param_name, param_distribution)

    @staticmethod
    def _best(study: BaseStudy) -> FrozenTrial | None:
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        sign = -1 if study.direction.name == "MAXIMIZE" else 1
        return min(trials, key=lambda t: (sign * (t.value or 0.0), t.number), default=None)

    def reseed_rng(self) -> None:
        self._rng = np.random.RandomState()


class TestSamplerOfAUser(SamplerTests):
    is_pure = False
    allows_several_objectives = False

    def make(self, seed: int, space: Space) -> BaseSampler:
        return Mutation(seed)


class TestPartialFixedSamplerOfAUser(SamplerTests):
    is_pure = False
    allows_several_objectives = False

    def make(self, seed: int, space: Space) -> BaseSampler:
        fixed = {name: fixed_value(kind) for name, kind in list(space.items())[-1:]}
        return PartialFixedSampler(fixed, Mutation(seed))


@no_constraints
class TestCmaEsSamplerWithOneOfAUser(SamplerTests):
    is_pure = False
    allows_several_objectives = False

    def make(self, seed: int, space: Space) -> BaseSampler:
        return CmaEsSampler(
            seed=seed, independent_sampler=Mutation(seed), warn_independent_sampling=False
        )


class TestGPSampler(SamplerTests):
    def make(self, seed: int, space: Space) -> BaseSampler:
        return GPSampler(seed=seed, n_startup_trials=4, warn_independent_sampling=False)
