"""What NSGA-II and NSGA-III share: all but who survives."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ahpo.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from ahpo.overrides import keeps
from ahpo.samplers.array_sampler import DOCUMENTED, ArraySampler
from ahpo.samplers.constraining import constraint_attributes
from ahpo.samplers.generations import mark_of
from ahpo.samplers.genetic import BaseGASampler
from ahpo.samplers.nsgaii.children import (
    Breeding,
    Children,
    Population,
    breed,
    mutation_probability,
)
from ahpo.samplers.nsgaii.crossover import BaseCrossover
from ahpo.samplers.nsgaii.genes import Genes, crossable
from ahpo.samplers.nsgaii.mutation import BaseMutation
from ahpo.samplers.nsgaii.population import (
    Rows,
    Selection,
    losses_of,
    newest_generation,
    parents_of,
    signs_of,
    violations_of,
)
from ahpo.samplers.nsgaii.selection import beats
from ahpo.samplers.nsgaii.two_parents import UniformCrossover
from ahpo.samplers.random import at_quantile

if TYPE_CHECKING:
    from ahpo.distributions import BaseDistribution
    from ahpo.history.base_study import BaseStudy
    from ahpo.history.view import View
    from ahpo.states import TrialState
    from ahpo.trials import FrozenTrial

__all__ = ("AfterTrial", "EvolutionSampler", "Generate", "Select", "checked_breeding")

Select = Callable[["BaseStudy", "list[FrozenTrial]"], "list[FrozenTrial]"]
Generate = Callable[
    ["BaseStudy", "dict[str, BaseDistribution]", "list[FrozenTrial]"], "dict[str, Any]"
]
AfterTrial = Callable[["BaseStudy", "FrozenTrial", "TrialState", "Sequence[float] | None"], None]

_BLOCK = 32  # trials whose children are made at once
_OF_GENERATIONS = (
    "select_parent",
    "get_parent_population",
    "get_population",
    "get_trial_generation",
)


def checked_breeding(
    population_size: int,
    mutation: BaseMutation | None,
    mutation_prob: float | None,
    crossover: BaseCrossover | None,
    crossover_prob: float,
    swapping_prob: float,
) -> Breeding:
    """Return how children are to be made.

    :raises ValueError: if an argument is out of range.
    """
    if population_size < 2:
        raise ValueError(f"`population_size` must be at least 2, but it is {population_size!r}.")
    for name, value in (
        ("mutation_prob", 0.0 if mutation_prob is None else mutation_prob),
        ("crossover_prob", crossover_prob),
        ("swapping_prob", swapping_prob),
    ):
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"`{name}` must be in [0, 1], but it is {value!r}.")
    if mutation is not None and not isinstance(mutation, BaseMutation):
        raise ValueError(f"`mutation` must be a BaseMutation or None, but it is {mutation!r}.")
    if crossover is None:
        crossover = UniformCrossover(swapping_prob)
    if not isinstance(crossover, BaseCrossover):
        raise ValueError(f"`crossover` must be a BaseCrossover or None, but it is {crossover!r}.")
    if population_size < crossover.n_parents:
        raise ValueError(
            f"`population_size` must be at least {crossover.n_parents}, the number of parents of "
            f"{crossover}, but it is {population_size}."
        )
    return Breeding(crossover, crossover_prob, mutation, mutation_prob, swapping_prob)


class _Block:
    """Hold the children of a block of trials, and what they were made for."""

    __slots__ = ("children", "made_for", "points")

    def __init__(self, made_for: tuple[Any, ...], children: Children) -> None:
        self.made_for = made_for
        self.children = children
        self.points: list[list[float]] = children.values.tolist()


class EvolutionSampler(ArraySampler, BaseGASampler):
    """Make each generation out of the best of those before it.

    What all complete trials have is crossed and mutated jointly, at ask. A parameter that only some
    have, or not always with the same range, is taken from one of the parents that has it in range,
    else from another member of the population, and drawn at random if nobody has it or it is to
    mutate. In generation 0 everything is drawn at random.
    """

    def __init__(
        self,
        seed: int | None,
        population_size: int,
        breeding: Breeding,
        constraints_func: Callable[[FrozenTrial], Sequence[float]] | None,
        select: Select | None,
        generate: Generate | None,
        after: AfterTrial | None,
    ) -> None:
        ArraySampler.__init__(self, seed)
        BaseGASampler.__init__(self, population_size)
        if constraints_func is not None:
            warnings.warn(
                "`constraints_func` is deprecated, as it is in Optuna since v5.0.0. "
                "Use `trial.set_constraint` instead.",
                FutureWarning,
                stacklevel=3,
            )
        for name, strategy in (
            ("elite_population_selection_strategy", select),
            ("child_generation_strategy", generate),
            ("after_trial_strategy", after),
        ):
            if strategy is not None:
                warnings.warn(
                    f"`{name}` is experimental: it may still change.",
                    ExperimentalWarning,
                    stacklevel=3,
                )
        self._breeding = breeding
        self._constraints_func = constraints_func
        self._select = select
        self._generate = generate
        self._after = after

    def _selection(self) -> Selection:
        """Return who survives."""
        raise NotImplementedError

    def _selects(self) -> bool:
        """Tell whether the parents are those of the built-in selection."""
        return self._select is None and keeps(self, EvolutionSampler, _OF_GENERATIONS)

    def _makes_blocks(self) -> bool:
        """Tell whether children are made by views, many at once."""
        return self._generate is None and self._breeding.is_batch and self._selects()

    def _is_derived(self) -> bool:
        return (
            self._makes_blocks()
            and self._after is None
            and keeps(self, EvolutionSampler, DOCUMENTED)
        )

    # -- by views ---------------------------------------------------------------------------

    def relative_space(self, view: View) -> dict[str, BaseDistribution]:
        """Return what all complete trials have, as far as it can be crossed."""
        cache = view.cache
        space = view.intersection()
        # The intersection mostly is the very dict that it was the last time.
        known = cache.get(("ga", "space"))
        if known is not None and known[0] is space:
            return known[1]  # type: ignore[no-any-return]
        found = {name: dist for name, dist in space.items() if crossable(dist)}
        cache[("ga", "space")] = (space, found)
        return found

    def prepare(self, view: View, number: int) -> dict[str, Any] | None:
        """Return the mark that puts trial ``number`` into its generation."""
        key = self._get_generation_key()
        if mark_of(view.open_trial(number).system_attrs, key) >= 0:
            return None
        return {key: newest_generation(view, self._marks())}

    def propose_within(
        self, view: View, number: int, space: dict[str, BaseDistribution]
    ) -> dict[str, float]:
        """Return a child; {} in generation 0."""
        generation, parents = self._parents(view, number)
        if not generation:
            return {}
        block = self._block(view, number, generation, parents, space)
        point = zip(space, block.points[number % _BLOCK], strict=True)
        # What mutates to just anything is left to `draw`.
        return {name: value for name, value in point if value == value}

    def draw(self, view: View, number: int, name: str, distribution: BaseDistribution) -> float:
        """Return a parameter that is not in the child, taken from the parents if they have it."""
        space = self.relative_space(view)
        if name not in space:
            taken = self._inherited(view, number, name, distribution, space)
            if taken is not None:
                return taken
        return at_quantile(distribution, self.stream.uniform(number, name))

    def _inherited(
        self,
        view: View,
        number: int,
        name: str,
        distribution: BaseDistribution,
        space: dict[str, BaseDistribution],
    ) -> float | None:
        """Return the value of one of the parents, or of another member; None if it mutates."""
        generation, parents = self._parents(view, number)
        if not generation:
            return None
        mutates, which, whose = (self.stream.uniform(number, f"{name}:{k}") for k in range(3))
        if space and self._makes_blocks():
            block = self._block(view, number, generation, parents, space)
            mates = parents[block.children.parents[number % _BLOCK]]
        else:
            mates = parents[[int(which * len(parents)), int(whose * len(parents))]]
        if mutates < mutation_probability(self._breeding, view.sizes(mates[:1]))[0]:
            return None
        first = which >= self._breeding.swapping_prob
        for row in (mates[0], mates[-1])[:: 1 if first else -1]:
            value = view.point(int(row), (name,))[0]
            if distribution._contains(value):
                return value
        values = view.points(parents, (name,))[:, 0].tolist()
        values = [value for value in values if distribution._contains(value)]
        return values[int(whose * len(values))] if values else None

    def observe(
        self, view: View, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> dict[str, Any] | None:
        """Return the constraints of a trial, if ``constraints_func`` was given.

        :raises TypeError: if the function does not return a sequence of numbers.
        :raises ValueError: if one of them is NaN.
        """
        return constraint_attributes(self._constraints_func, trial, state)

    def uses(self, hook: str) -> bool:
        """Tell whether the sampler does anything in a method: there may be no constraints."""
        if hook == "observe" and self._constraints_func is None:
            return not keeps(self, EvolutionSampler, ("observe",))
        return super().uses(hook)

    def _parents(self, view: View, number: int) -> tuple[int, Rows]:
        """Return the generation of a trial, and the rows of its parents."""
        marks = self._marks()
        try:
            attrs = view.open_trial(number).system_attrs
        except UpdateFinishedTrialError:
            attrs = view.finished(number).system_attrs
        generation = mark_of(attrs, marks.key)
        if generation < 0:
            generation = newest_generation(view, marks)
        parents = parents_of(view, marks, self._selection(), generation)
        return (generation if len(parents) else 0), parents

    def _block(
        self,
        view: View,
        number: int,
        generation: int,
        parents: Rows,
        space: dict[str, BaseDistribution],
    ) -> _Block:
        """Return the children of the trials around ``number``, made once for all of them."""
        # The parents are the very array that they were the last time.
        made_for = (self.stream, self._breeding, number // _BLOCK, parents, space)
        cache = view.cache
        known: _Block | None = cache.get(("ga", "block"))
        if known is not None and all(map(_is, known.made_for, made_for)):
            return known
        population = self._population(view, parents, space)
        several = len(view.directions) > 1
        rng = self.stream.generator(generation << 32 | number // _BLOCK, "children")
        children = breed(rng, population, self._breeding, _BLOCK, None, several)
        block = cache[("ga", "block")] = _Block(made_for, children)
        return block

    def _population(
        self, view: View, parents: Rows, space: dict[str, BaseDistribution]
    ) -> Population:
        cache = view.cache
        known = cache.get(("ga", "population"))
        if known is not None and known[0] is parents and known[1] is space:
            return known[2]  # type: ignore[no-any-return]
        values = view.points(parents, space)
        losses = view.values[parents] * signs_of(view.directions)
        better = beats(losses, view.violation[parents])
        genes = known[2].genes if known is not None and known[1] is space else Genes(space)
        population = Population(genes, values, better, view.sizes(parents))
        cache[("ga", "population")] = (parents, space, population)
        return population

    # -- by the documented methods ----------------------------------------------------------

    def sample_relative(
        self, study: BaseStudy, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the parameters of a child, as far as they do not mutate to just anything.

        :param study: the study, to be read only.
        :param trial: the trial that is about to start.
        :param search_space: ``{name: distribution}``, or a part of what was inferred.
        """
        generation = self.get_trial_generation(study, trial)
        if self._makes_blocks():
            return super().sample_relative(study, trial, search_space)
        parents = self.get_parent_population(study, generation)
        if not parents:
            return {}
        if self._generate is not None:
            return self._generate(study, search_space, parents)
        if not search_space:
            return {}
        sampler = self._for_call(study, trial.number, "")
        rng = sampler.stream.generator(trial.number, "child")
        population = self._population_of(study, parents, search_space)
        several = study._is_multi_objective()
        children = breed(rng, population, self._breeding, 1, study, several)
        point = zip(search_space.items(), children.values[0].tolist(), strict=True)
        return {
            name: distribution.to_external_repr(value)
            for (name, distribution), value in point
            if value == value and distribution._contains(value)
        }

    def _population_of(
        self, study: BaseStudy, parents: list[FrozenTrial], space: dict[str, BaseDistribution]
    ) -> Population:
        values = np.array(
            [
                [distribution.to_internal_repr(trial.params[name]) for trial in parents]
                for name, distribution in space.items()
            ],
            dtype=float,
        ).T
        better = beats(losses_of(parents, study.directions), violations_of(parents))
        sizes = np.array([len(trial.params) for trial in parents], dtype=np.int64)
        return Population(Genes(space), values, better, sizes)

    def after_trial(
        self,
        study: BaseStudy,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Call ``after_trial_strategy``; by default, keep the constraints of the trial.

        :param study: the study, to be read only.
        :param trial: the trial, still RUNNING.
        :param state: the state that it will have.
        :param values: its objective values; None if it has none.
        """
        if self._after is not None:
            self._after(study, trial, state, values)
        else:
            super().after_trial(study, trial, state, values)

    def select_parent(self, study: BaseStudy, generation: int) -> list[FrozenTrial]:
        """Return who survives of the generation before and of its parents.

        :param study: the study, to be read only.
        :param generation: the generation that is about to begin.
        """
        before = generation - 1
        pool = self.get_population(study, before) + self.get_parent_population(study, before)
        if self._select is not None:
            return list(self._select(study, pool))
        losses = losses_of(pool, study.directions)
        rows = self._selection().survivors(losses, violations_of(pool), generation)
        return [pool[row] for row in rows.tolist()]

    def get_trial_generation(self, study: BaseStudy, trial: FrozenTrial) -> int:
        """Return the generation of a trial, and mark the trial with it.

        :param study: the study.
        :param trial: the trial.
        """
        return super().get_trial_generation(study, trial)

    def get_population(self, study: BaseStudy, generation: int) -> list[FrozenTrial]:
        """Return the complete trials of a generation, by number.

        :param study: the study.
        :param generation: the generation.
        """
        return super().get_population(study, generation)

    def get_parent_population(self, study: BaseStudy, generation: int) -> list[FrozenTrial]:
        """Return the parents of a generation, none for generation 0.

        :param study: the study.
        :param generation: the generation.
        """
        if not self._selects():
            return super().get_parent_population(study, generation)
        view, history = study.view(), study._read()
        rows = parents_of(view, self._marks(), self._selection(), generation)
        return [history.shared_frozen(number) for number in view.numbers[rows].tolist()]


def _is(one: object, other: object) -> bool:
    return one is other or (isinstance(one, int) and one == other)
