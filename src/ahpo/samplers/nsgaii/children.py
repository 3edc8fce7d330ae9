"""Children of a population: tournaments, crossover, mutation; many at once where that is possible.

Shapes: n members of the population; m children; p parents of each; D parameters, of which d are
numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ahpo.samplers.nsgaii.crossover import BaseCrossover, is_batch
from ahpo.samplers.nsgaii.mutation import BaseMutation, is_batch_mutation
from ahpo.samplers.nsgaii.two_parents import UniformCrossover

if TYPE_CHECKING:
    from ahpo.history.base_study import BaseStudy
    from ahpo.samplers.nsgaii.genes import Genes

__all__ = ("Breeding", "Children", "Population", "breed", "mutation_probability", "tournament")

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_MOST_ATTEMPTS = 16  # then what is still out of range goes to its bounds


class Population(NamedTuple):
    """Hold the parents of a generation.

    ``values``: internal values, (n, D); ``better``: who beats whom, (n, n); ``sizes``: (n,), how
    many parameters each has, also of those that are not crossed.
    """

    genes: Genes
    values: Floats
    better: NDArray[np.bool_]
    sizes: NDArray[np.int64]


class Children(NamedTuple):
    """Hold internal values, (m, D), NaN where one is to be drawn anew; the parents, (m, p)."""

    values: Floats
    parents: Rows


@dataclass(frozen=True)
class Breeding:
    """Say how children are made."""

    crossover: BaseCrossover
    crossover_prob: float
    mutation: BaseMutation | None
    mutation_prob: float | None
    swapping_prob: float

    @property
    def is_batch(self) -> bool:
        """Tell whether many children can be made at once, without a study."""
        mutation = self.mutation
        return is_batch(self.crossover) and (mutation is None or is_batch_mutation(mutation))


def tournament(rng: np.random.Generator, better: NDArray[np.bool_], m: int, p: int) -> Rows:
    """Return p different parents for each of m children, (m, p), by binary tournaments.

    Two candidates are drawn for each parent, and the second one wins unless the first beats it.
    """
    n = len(better)
    chosen = np.empty((m, p), dtype=np.intp)
    u = rng.random((p, 2, m))
    for k in range(p):
        if n - k < 1:  # too few to be different
            chosen[:, k] = chosen[:, k % n]
            continue
        pair = (u[k] * (n - k)).astype(np.intp)
        earlier = np.sort(chosen[:, :k], axis=1)
        for place in range(k):
            pair += pair >= earlier[:, place]
        first, second = pair
        chosen[:, k] = np.where(better[first, second], first, second)
    return chosen


def breed(
    rng: np.random.Generator,
    population: Population,
    breeding: Breeding,
    m: int,
    study: BaseStudy | None,
    several: bool,
) -> Children:
    """Return m children.

    :param study: what users' own operators get; None if there are none.
    :param several: whether the study has several objectives.
    """
    genes, p = population.genes, breeding.crossover.n_parents
    parents = tournament(rng, population.better, m, p)
    values = population.values[parents[:, 0]]
    crossed = rng.random(m) < breeding.crossover_prob
    alone = np.flatnonzero(~crossed)
    # Who has one parent only has any, not the winner of a tournament.
    parents[alone] = (rng.random((len(alone), 1)) * len(population.better)).astype(np.intp)
    values[alone] = population.values[parents[alone, 0]]
    rows = np.flatnonzero(crossed)
    if len(rows):
        parents[rows], values[rows] = _crossed(
            rng, population, breeding, parents[rows], study, several
        )
    probability = mutation_probability(breeding, population.sizes[parents[:, :1]])
    _mutate(rng, genes, breeding, values, probability, study)
    return Children(values, parents)


def mutation_probability(breeding: Breeding, sizes: NDArray[np.int64]) -> Floats:
    """Return the probability of each parameter to mutate, if a parent has so many."""
    probability = breeding.mutation_prob
    if probability is None:
        return 1.0 / np.maximum(sizes, 1)
    return np.full(sizes.shape, probability)


def _crossed(
    rng: np.random.Generator,
    population: Population,
    breeding: Breeding,
    parents: Rows,
    study: BaseStudy | None,
    several: bool,
) -> tuple[Rows, Floats]:
    """Return the parents that children really have, (m, p), and the children's values, (m, D)."""
    genes, crossover = population.genes, breeding.crossover
    m, p = parents.shape
    values = np.empty((m, len(genes.names)))
    left = np.arange(m)
    for attempt in range(_MOST_ATTEMPTS if len(genes.numbers) else 0):
        mates = population.values[parents[left]]
        if type(crossover) is UniformCrossover:  # on any scale, so that values stay what they are
            values[np.ix_(left, genes.numbers)] = crossover.cross(
                mates[:, :, genes.numbers], rng, genes.bounds, several
            )
            break
        coded = genes.encode(mates.reshape(len(left) * p, -1)).reshape(len(left), p, -1)
        if is_batch(crossover):
            with np.errstate(all="ignore"):  # ranges may be as large as floats are
                child = crossover.cross(coded, rng, genes.bounds, several)
        else:
            assert study is not None
            child = np.array([_own(crossover, pair, rng, study, genes.bounds) for pair in coded])
        lost = np.isnan(child)
        if attempt == _MOST_ATTEMPTS - 1 and lost.any():
            child = np.where(lost, coded[:, 0], child)
        values[np.ix_(left, genes.numbers)] = genes.decode(child)
        left = left[~genes.inside(child)]
        if not len(left):
            break
        if attempt < _MOST_ATTEMPTS - 1:
            parents[left] = tournament(rng, population.better, len(left), p)
    if len(genes.choices):
        ends = population.values[parents[:, [0, -1]]][:, :, genes.choices]
        second = rng.random((m, len(genes.choices))) >= breeding.swapping_prob
        values[:, genes.choices] = np.where(second, ends[:, 1], ends[:, 0])
    return parents, values


def _legacy(rng: np.random.Generator) -> np.random.RandomState:
    """Return the same random numbers in the form that users' own operators get."""
    return np.random.RandomState(rng.bit_generator)


def _own(
    crossover: BaseCrossover,
    parents: Floats,
    rng: np.random.Generator,
    study: BaseStudy,
    bounds: Floats,
) -> Floats:
    """Return the child, (d,), of a crossover that a user wrote.

    :raises ValueError: if it has another shape
    """
    child = np.asarray(crossover.crossover(parents, _legacy(rng), study, bounds), dtype=float)
    if child.shape != (len(bounds),):
        raise ValueError(
            f"`crossover` of {crossover} must return an array of shape ({len(bounds)},), but it "
            f"returned one of shape {child.shape}."
        )
    return child


def _mutate(
    rng: np.random.Generator,
    genes: Genes,
    breeding: Breeding,
    values: Floats,
    probability: Floats,
    study: BaseStudy | None,
) -> None:
    """Mutate values, (m, D), in place: by the mutation if there is one, else to NaN."""
    mutation = breeding.mutation
    mutated: NDArray[np.bool_] = rng.random(values.shape) < probability
    if mutation is not None:
        _mutate_numbers(rng, genes, mutation, mutated, values, study)
        mutated[:, genes.numbers] = False
    values[mutated] = np.nan


def _mutate_numbers(
    rng: np.random.Generator,
    genes: Genes,
    mutation: BaseMutation,
    mutated: NDArray[np.bool_],
    values: Floats,
    study: BaseStudy | None,
) -> None:
    rows, columns = np.nonzero(mutated[:, genes.numbers])
    if not len(rows):
        return
    coded = genes.encode(values[rows])
    each = np.arange(len(rows))
    bounds = genes.bounds[columns]
    if is_batch_mutation(mutation):
        with np.errstate(all="ignore"):
            changed = mutation.mutated(coded[each, columns], rng, bounds)
    else:
        assert study is not None
        changed = np.array(
            [
                float(mutation.mutation(float(param), _legacy(rng), study, bound))
                for param, bound in zip(coded[each, columns], bounds, strict=True)
            ]
        )
    coded[each, columns] = np.where(np.isnan(changed), coded[each, columns], changed)
    values[rows, genes.numbers[columns]] = genes.decode(coded)[each, columns]
