"""Genes: any space there and back, and nothing out of it."""

from __future__ import annotations

from math import inf, log, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.samplers import nsgaii
from ahpo.samplers.nsgaii.children import Breeding, Population, breed, tournament
from ahpo.samplers.nsgaii.crossover import BaseCrossover
from ahpo.samplers.nsgaii.genes import Genes, crossable
from ahpo.samplers.nsgaii.mutation import BaseMutation
from ahpo.samplers.random import at_quantile
from ahpo.study import create_study
from ahpo.testing.problems import distributions_drawn

spaces = st.lists(distributions_drawn(finite=False).filter(crossable), min_size=1, max_size=5).map(
    lambda kinds: {f"p{place}": kind for place, kind in enumerate(kinds)}
)

CROSSOVERS = [
    nsgaii.UniformCrossover(),
    nsgaii.BLXAlphaCrossover(),
    nsgaii.SBXCrossover(),
    nsgaii.VSBXCrossover(),
    nsgaii.SPXCrossover(),
    nsgaii.UNDXCrossover(),
]


def population(genes: Genes, n: int, rng: np.random.Generator) -> Population:
    values = [[at_quantile(d, u) for d in genes.distributions] for u in rng.random(n)]
    better = np.triu(np.ones((n, n), dtype=bool), 1)
    return Population(genes, np.array(values), better, np.full(n, len(genes.names)))


def equals(space: dict[str, BaseDistribution], values: np.ndarray) -> Population:
    """Return a population of which nobody beats anybody."""
    n = len(values)
    return Population(Genes(space), values, np.zeros((n, n), dtype=bool), np.full(n, len(space)))


def test_bounds_have_half_a_step_more() -> None:
    genes = Genes(
        {
            "x": FloatDistribution(-1.0, 2.0),
            "log": FloatDistribution(0.1, 10.0, log=True),
            "step": FloatDistribution(0.0, 1.0, step=0.25),
            "c": CategoricalDistribution(("a", "b")),
            "n": IntDistribution(1, 7, step=2),
            "k": IntDistribution(1, 9, log=True),
        }
    )
    assert genes.bounds == pytest.approx(
        np.array([[-1, 2], [log(0.1), log(10)], [-0.125, 1.125], [0, 8], [log(0.5), log(9.5)]])
    )
    assert genes.numbers.tolist() == [0, 1, 2, 4, 5]
    assert genes.choices.tolist() == [3]


@given(spaces, st.integers(0, 2**32 - 1))
def test_values_survive_the_way_there_and_back(
    space: dict[str, BaseDistribution], seed: int
) -> None:
    genes = Genes(space)
    values = population(genes, 5, np.random.default_rng(seed)).values
    coded = genes.encode(values)
    assert genes.inside(coded).all()
    assert genes.decode(coded) == pytest.approx(values[:, genes.numbers], rel=1e-9)


@given(spaces, st.integers(0, 2**32 - 1), st.sampled_from([0.5, 3.0, 1e6, inf]))
def test_any_genes_give_values_of_the_space(
    space: dict[str, BaseDistribution], seed: int, beyond: float
) -> None:
    genes = Genes(space)
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        wild = rng.normal(size=(8, len(genes.numbers))) * beyond
    wild = np.where(np.isnan(wild), 0.0, wild)
    for row in genes.decode(wild):
        for place, value in zip(genes.numbers, row, strict=True):
            assert genes.distributions[place]._contains(value)


@given(
    spaces,
    st.sampled_from(CROSSOVERS),
    st.sampled_from([None, nsgaii.PolynomialMutation()]),
    st.sampled_from([None, 0.0, 0.5, 1.0]),
    st.integers(0, 2**32 - 1),
)
def test_children_are_inside_any_space(
    space: dict[str, BaseDistribution],
    crossover: BaseCrossover,
    mutation: BaseMutation | None,
    probability: float | None,
    seed: int,
) -> None:
    genes = Genes(space)
    rng = np.random.default_rng(seed)
    breeding = Breeding(crossover, 0.9, mutation, probability, 0.5)
    children = breed(rng, population(genes, 6, rng), breeding, 10, None, several=True)
    for child in children.values:
        for distribution, value in zip(genes.distributions, child, strict=True):
            assert distribution._contains(value) or value != value
    assert children.parents.shape == (10, crossover.n_parents)


def test_children_without_crossover_and_mutation_are_copies_of_a_parent() -> None:
    space: dict[str, BaseDistribution] = {
        "x": FloatDistribution(1e-7, 1.0, log=True),
        "c": CategoricalDistribution(tuple("abcdef")),
    }
    rng = np.random.default_rng(0)
    crowd = population(Genes(space), 20, rng)
    breeding = Breeding(nsgaii.BLXAlphaCrossover(), 0.0, None, 0.0, 0.5)
    children = breed(rng, crowd, breeding, 500, None, several=True)
    assert (children.values == crowd.values[children.parents[:, 0]]).all()
    # Any parent, whoever would win a tournament.
    counts = np.bincount(children.parents[:, 0], minlength=20)
    assert abs(counts - 25).max() < 25


def test_choices_swap_with_their_probability() -> None:
    space: dict[str, BaseDistribution] = {"c": CategoricalDistribution(("a", "b"))}
    crowd = equals(space, np.array([[0.0], [1.0]]))
    breeding = Breeding(nsgaii.SBXCrossover(), 1.0, None, 0.0, 0.2)
    children = breed(np.random.default_rng(0), crowd, breeding, 4000, None, several=True)
    first = crowd.values[children.parents[:, 0], 0]
    assert abs((children.values[:, 0] == first).mean() - 0.2) < 0.03


def test_mutation_changes_as_many_parameters_as_asked_for() -> None:
    space: dict[str, BaseDistribution] = {f"x{i}": FloatDistribution(0, 1) for i in range(8)}
    crowd = equals(space, np.full((4, 8), 0.5))
    for probability, wanted in ((None, 1 / 8), (0.0, 0.0), (0.3, 0.3), (1.0, 1.0)):
        breeding = Breeding(nsgaii.UniformCrossover(), 0.9, None, probability, 0.5)
        children = breed(np.random.default_rng(1), crowd, breeding, 1000, None, several=True)
        changed = np.isnan(children.values)  # they are to be drawn
        assert (children.values[~changed] == 0.5).all()
        assert abs(changed.mean() - wanted) < 0.02
    polynomial = Breeding(nsgaii.UniformCrossover(), 0.9, nsgaii.PolynomialMutation(), 1.0, 0.5)
    children = breed(np.random.default_rng(1), crowd, polynomial, 1000, None, several=True)
    assert not np.isnan(children.values).any()
    assert 0.0 < np.abs(children.values - 0.5).mean() < 0.1


@pytest.mark.parametrize(("n", "p"), [(2, 2), (3, 3), (7, 3), (50, 2)])
def test_parents_of_a_child_differ(n: int, p: int) -> None:
    better = np.triu(np.ones((n, n), dtype=bool), 1)
    found = tournament(np.random.default_rng(0), better, 600, p)
    assert all(len(set(row)) == p for row in found.tolist())
    assert len(np.unique(found)) >= n - 1  # the worst one may never win


def test_first_parent_is_the_better_of_two() -> None:
    n = 10
    better = np.triu(np.ones((n, n), dtype=bool), 1)
    found = tournament(np.random.default_rng(0), better, 40_000, 1)[:, 0]
    # The lower of two uniform numbers out of n.
    wanted = [(2 * (n - row) - 1) / n**2 for row in range(n)]
    assert np.abs(np.bincount(found, minlength=n) / 40_000 - wanted).max() < 0.01


def test_too_few_parents_may_be_the_same() -> None:
    found = tournament(np.random.default_rng(0), np.zeros((1, 1), dtype=bool), 5, 3)
    assert found.tolist() == [[0, 0, 0]] * 5


class Nowhere(nsgaii.BaseCrossover):
    """Give what is no number, and what is out of range."""

    n_parents = 2

    def crossover(self, parents_params, rng, study, search_space_bounds):  # type: ignore[no-untyped-def]
        return np.array([nan, 99.0, -99.0])


def test_hopeless_crossover_ends_at_the_bounds() -> None:
    space: dict[str, BaseDistribution] = {
        "x": FloatDistribution(0.0, 1.0),
        "y": FloatDistribution(0.0, 1.0),
        "n": IntDistribution(0, 5),
    }
    crowd = equals(space, np.full((4, 3), 0.0))
    breeding = Breeding(Nowhere(), 1.0, None, 0.0, 0.5)
    children = breed(np.random.default_rng(0), crowd, breeding, 3, create_study(), several=False)
    assert children.values.tolist() == [[0.0, 1.0, 0.0]] * 3
