"""NSGA-III, a genetic algorithm for many objectives (Deb and Jain 2014)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ahpo.samplers.nsgaii.evolution import (
    AfterTrial,
    EvolutionSampler,
    Generate,
    Select,
    checked_breeding,
)
from ahpo.samplers.nsgaiii.niching import das_dennis, evenly_niched

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ahpo.samplers.nsgaii.crossover import BaseCrossover
    from ahpo.samplers.nsgaii.mutation import BaseMutation
    from ahpo.samplers.nsgaii.population import Floats, Rows, Selection
    from ahpo.streams import Stream
    from ahpo.trials import FrozenTrial

__all__ = ("NSGAIIISampler",)


class _EvenlyNiched:
    """Let the best fronts survive, and of the last one those in niches that have few."""

    def __init__(self, size: int, points: Floats | None, divisions: int, stream: Stream) -> None:
        self.size = size
        self._points = points
        self._divisions = divisions
        self._stream = stream

    def survivors(self, losses: Floats, violation: Floats, generation: int) -> Rows:
        k = losses.shape[1]
        points = das_dennis(k, self._divisions) if self._points is None else self._points
        if points.shape[1] != k:
            raise ValueError(
                f"`reference_points` must have a column for each of the {k} objectives of the "
                f"study, but its shape is {points.shape}."
            )
        rng = self._stream.generator(generation, "niches")
        return evenly_niched(losses, violation, self.size, points, rng)


class NSGAIIISampler(EvolutionSampler):
    """Cross and mutate the best trials so far: those that few dominate, near reference lines.

    It differs from `NSGAIISampler` in who survives only: with many objectives hardly any trial
    dominates another, and reference points spread the trials.

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
    :param reference_points: points through which the reference lines go, one row each with a column
        for each objective, where each objective goes from 0 at its best to 1; None for points that
        are spread evenly.
    :param dividing_parameter: into how many parts each axis is divided between these.
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
        reference_points: NDArray[Any] | None = None,
        dividing_parameter: int = 3,
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
        points = None if reference_points is None else np.array(reference_points, dtype=float)
        if points is not None and (points.ndim != 2 or not len(points)):
            raise ValueError(
                f"`reference_points` must have two dimensions and a row at least, but its shape "
                f"is {points.shape}."
            )
        if dividing_parameter < 1:
            raise ValueError(
                f"`dividing_parameter` must be at least 1, but it is {dividing_parameter!r}."
            )
        self._reference_points = points
        self._dividing_parameter = dividing_parameter
        self._niched = self._new_selection()

    def _selection(self) -> Selection:
        if self._niched.size != self._population_size:
            self._niched = self._new_selection()
        return self._niched

    def _new_selection(self) -> _EvenlyNiched:
        size = self._population_size
        assert size is not None
        return _EvenlyNiched(size, self._reference_points, self._dividing_parameter, self.stream)

    def reseed_rng(self) -> None:
        """Replace the random numbers by new ones from the operating system."""
        super().reseed_rng()
        self._niched = self._new_selection()
