"""NSGA-II, an elitist genetic algorithm for one or several objectives (Deb et al. 2002)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ahpo.samplers.nsgaii.evolution import (
    AfterTrial,
    EvolutionSampler,
    Generate,
    Select,
    checked_breeding,
)
from ahpo.samplers.nsgaii.selection import most_spread

if TYPE_CHECKING:
    from ahpo.samplers.nsgaii.crossover import BaseCrossover
    from ahpo.samplers.nsgaii.mutation import BaseMutation
    from ahpo.samplers.nsgaii.population import Floats, Rows, Selection
    from ahpo.trials import FrozenTrial

__all__ = ("NSGAIISampler",)


@dataclass(frozen=True)
class _MostSpread:
    """Let the best fronts survive, and of the last one those that are least crowded."""

    size: int

    def survivors(self, losses: Floats, violation: Floats, generation: int) -> Rows:
        return most_spread(losses, violation, self.size)


class NSGAIISampler(EvolutionSampler):
    """Cross and mutate the best trials so far: those that few dominate, spread along their front.

    What all complete trials have is crossed and mutated jointly, at ask. A parameter that only some
    have, or not always with the same range, is taken from one of the parents that has it in range,
    else from another member of the population, and drawn at random if nobody has it or it is to
    mutate. In generation 0 everything is drawn at random. A trial counts in the generation that was
    the newest one when it started, however late it ends; trials that failed or were pruned do not.

    :param population_size: how many trials make a generation, and how many survive.
    :param mutation: how a number is changed that mutates; None to draw a new one, as for choices.
    :param mutation_prob: the probability of each parameter to mutate; None for 1 / (how many its
        first parent has).
    :param crossover: how numbers are crossed; None for `UniformCrossover`, as for choices.
    :param crossover_prob: the probability that a child has several parents, and is no copy of one.
    :param swapping_prob: the probability that a choice is taken from the first parent, and a number
        if there is no ``crossover``.
    :param seed: seed of the random numbers; None for one from the operating system.
    :param constraints_func: deprecated; a function from a trial to its constraint values, which
        are kept if none is above 0. It is called when a trial is complete or pruned.
    :param elite_population_selection_strategy: a function from the study and the trials that
        compete to those that survive. Experimental.
    :param child_generation_strategy: a function from the study, the search space and the parents to
        the parameters of a child. Experimental.
    :param after_trial_strategy: called when a trial has ended, with the study, the trial, its state
        and its values. Experimental.
    :raises ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        *,
        population_size: int = 50,
        mutation: BaseMutation | None = None,
        mutation_prob: float | None = None,
        crossover: BaseCrossover | None = None,
        crossover_prob: float = 0.9,
        swapping_prob: float = 0.5,
        seed: int | None = None,
        constraints_func: Callable[[FrozenTrial], Sequence[float]] | None = None,
        elite_population_selection_strategy: Select | None = None,
        child_generation_strategy: Generate | None = None,
        after_trial_strategy: AfterTrial | None = None,
    ) -> None:
        super().__init__(
            seed,
            population_size,
            checked_breeding(
                population_size, mutation, mutation_prob, crossover, crossover_prob, swapping_prob
            ),
            constraints_func,
            elite_population_selection_strategy,
            child_generation_strategy,
            after_trial_strategy,
        )

    def _selection(self) -> Selection:
        size = self._population_size
        assert size is not None
        return _MostSpread(size)
