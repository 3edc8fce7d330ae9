"""Genetic algorithms as users write them, and operators of their own, after Optuna's manual."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ahpo
from ahpo import aio
from tests.facade.two_libraries import Scripts, check_same

same = Scripts()


def evolution(o: Any, size: int = 4) -> Any:
    """Return a genetic algorithm that draws the same in both libraries."""

    class Evolution(o.samplers.BaseGASampler):  # type: ignore[name-defined]
        def __init__(self, population_size: int) -> None:
            super().__init__(population_size)
            self.rng = np.random.RandomState(3)
            self.calls: list[int] = []

        def select_parent(self, study: Any, generation: int) -> Any:
            self.calls.append(generation)
            pool = self.get_population(study, generation - 1)
            pool = pool + self.get_parent_population(study, generation - 1)
            return sorted(pool, key=lambda trial: trial.value)[: self.population_size]

        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return o.search_space.intersection_search_space(study.get_trials(deepcopy=False))

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            generation = self.get_trial_generation(study, trial)
            parents = self.get_parent_population(study, generation)
            if not parents:
                return {}
            one, other = (parents[i] for i in self.rng.choice(len(parents), 2))
            return {
                name: 0.5 * (one.params[name] + other.params[name]) for name in sorted(search_space)
            }

        def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
            return float(self.rng.uniform(distribution.low, distribution.high))

    return Evolution(size)


def bowl(trial: Any) -> float:
    x, y = trial.suggest_float("x", -5, 5), trial.suggest_float("y", -5, 5)
    return float((x - 1) ** 2 + (y + 2) ** 2)


def plain_attrs(study: Any) -> Any:
    return [(t.number, t.params, t.value, dict(t.system_attrs)) for t in study.trials]


@same
def a_genetic_algorithm(o: Any) -> Any:
    sampler = evolution(o)
    study = o.create_study(sampler=sampler)
    study.optimize(bowl, n_trials=22)
    parents = [
        [t.number for t in sampler.get_parent_population(study, generation)]
        for generation in range(6)
    ]
    populations = [[t.number for t in sampler.get_population(study, g)] for g in range(7)]
    return plain_attrs(study), parents, populations, sampler.calls, sampler.population_size


@same
def failed_and_pruned_trials_are_in_no_population(o: Any) -> Any:
    def objective(trial: Any) -> float:
        value = bowl(trial)
        if trial.number % 5 == 1:
            raise o.TrialPruned
        if trial.number % 5 == 3:
            raise ValueError
        return value

    study = o.create_study(sampler=evolution(o))
    study.optimize(objective, n_trials=25, catch=ValueError)
    return plain_attrs(study)


@same
def the_size_of_a_population_is_set_later(o: Any) -> Any:
    sampler = evolution(o)
    study = o.create_study(sampler=sampler)
    study.optimize(bowl, n_trials=9)
    sampler.population_size = 6
    study.optimize(bowl, n_trials=14)
    return plain_attrs(study), sampler.population_size


@same
def many_trials_are_asked_for_at_once(o: Any) -> Any:
    study = o.create_study(sampler=evolution(o))
    for _ in range(5):
        trials = [study.ask() for _ in range(6)]
        values = [bowl(trial) for trial in trials]
        for trial, value in list(zip(trials, values, strict=True))[::-1]:
            study.tell(trial, value)
    return plain_attrs(study)


@same
def operators_of_a_users_own(o: Any) -> Any:
    """What they are given has the documented shapes, and what they return is used."""
    seen: set[Any] = set()

    class Middle(o.samplers.nsgaii.BaseCrossover):  # type: ignore[name-defined]
        n_parents = 3

        def crossover(self, parents_params: Any, rng: Any, study: Any, bounds: Any) -> Any:
            seen.add((parents_params.shape, isinstance(rng, np.random.RandomState)))
            seen.add((len(study.directions), tuple(map(tuple, bounds.tolist()))))
            assert (parents_params >= bounds[:, 0]).all()
            return parents_params.mean(axis=0)

    class Halve(o.samplers.nsgaii.BaseMutation):  # type: ignore[name-defined]
        def mutation(self, param: float, rng: Any, study: Any, bounds: Any) -> float:
            seen.add((type(param).__name__, isinstance(rng, np.random.RandomState)))
            seen.add((len(study.directions), tuple(bounds.tolist())))
            return param / 2

    def objective(trial: Any) -> tuple[float, float]:
        x = trial.suggest_float("x", 1.0, 9.0)
        n = trial.suggest_int("n", 0, 6, step=2)
        trial.suggest_categorical("c", ["a", "b"])
        return x, -n

    o.logging.set_verbosity(o.logging.ERROR)  # the lines show what was drawn
    sampler = o.samplers.NSGAIISampler(
        seed=0, population_size=5, crossover=Middle(), mutation=Halve(), mutation_prob=0.5
    )
    study = o.create_study(directions=["minimize"] * 2, sampler=sampler)
    study.optimize(objective, n_trials=60)
    assert all(1.0 <= t.params["x"] <= 9.0 and t.params["n"] in (0, 2, 4, 6) for t in study.trials)
    return sorted(seen, key=repr), [t.system_attrs for t in study.trials]


@same
def strategies(o: Any) -> Any:
    calls: list[Any] = []

    def elite(study: Any, population: Any) -> Any:
        calls.append(("elite", len(study.directions), sorted(t.number for t in population)))
        return sorted(population, key=lambda t: t.number)[-4:]

    def child(study: Any, search_space: Any, parents: Any) -> Any:
        calls.append(("child", sorted(search_space), [t.number for t in parents]))
        return {"x": 0.25, "y": parents[0].params["y"]}

    def after(study: Any, trial: Any, state: Any, values: Any) -> None:
        calls.append(("after", trial.number, state.name, values, trial.state.name))

    def objective(trial: Any) -> tuple[float, float]:
        x = trial.suggest_float("x", 0, 1)
        trial.suggest_float("y", 0, 0.5)
        if trial.number >= 4:
            assert x == 0.25
        if trial.number == 6:
            raise o.TrialPruned
        return float(trial.number), -float(trial.number)

    o.logging.set_verbosity(o.logging.ERROR)
    found: list[Any] = []
    for kind in (o.samplers.NSGAIISampler, o.samplers.NSGAIIISampler):
        sampler = kind(
            seed=0,
            population_size=4,
            elite_population_selection_strategy=elite,
            child_generation_strategy=child,
            after_trial_strategy=after,
        )
        study = o.create_study(directions=["minimize"] * 2, sampler=sampler)
        study.optimize(objective, n_trials=14)
        found.append([t.system_attrs for t in study.trials])
    return calls, found


@same
def a_subclass_selects_parents_of_its_own(o: Any) -> Any:
    class Newest(o.samplers.NSGAIISampler):  # type: ignore[name-defined]
        def select_parent(self, study: Any, generation: int) -> Any:
            pool = self.get_population(study, generation - 1)
            pool = pool + self.get_parent_population(study, generation - 1)
            return sorted(pool, key=lambda t: t.number)[-2:]

    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        parents = [t.params["x"] for t in study.trials[:4]][-2:]
        if 4 <= trial.number < 8:
            assert x in parents
        return float(trial.number)

    o.logging.set_verbosity(o.logging.ERROR)
    study = o.create_study(sampler=Newest(seed=0, population_size=4, mutation_prob=0.0))
    study.optimize(objective, n_trials=14)
    return [t.system_attrs for t in study.trials]


@same
def marks_of_the_built_in_ones(o: Any) -> Any:
    def objective(trial: Any) -> tuple[float, float]:
        x = trial.suggest_float("x", 0, 1)
        if trial.number % 7 == 2:
            raise o.TrialPruned
        trial.set_constraint("c", x - 0.9)
        return x, 1 - x

    o.logging.set_verbosity(o.logging.ERROR)
    found: list[Any] = []
    for kind in (o.samplers.NSGAIISampler, o.samplers.NSGAIIISampler):
        sampler = kind(seed=0, population_size=5)
        study = o.create_study(directions=["minimize"] * 2, sampler=sampler)
        study.optimize(objective, n_trials=30)
        marks = [sampler.get_trial_generation(study, t) for t in study.trials]
        found.append((marks, [sorted(t.system_attrs) for t in study.trials]))
        found.append([[t.number for t in sampler.get_population(study, g)] for g in range(7)])
        found.append([len(sampler.get_parent_population(study, g)) for g in range(6)])
    return found


@pytest.mark.parametrize("script", same, ids=lambda script: script.__name__)
def test_same_as_optuna(script: Any) -> None:
    check_same(script)


def test_the_first_trials_that_were_added_are_the_first_generation() -> None:
    study = ahpo.create_study(sampler=evolution(ahpo))
    other = ahpo.create_study(sampler=ahpo.samplers.RandomSampler(seed=0))
    other.optimize(bowl, n_trials=6)
    study.add_trials(other.trials)
    study.optimize(bowl, n_trials=1)
    assert study.trials[-1].system_attrs == {"Evolution:generation": 1}
    sampler: Any = study.sampler
    assert [t.number for t in sampler.get_population(study, 0)] == [0, 1, 2, 3, 4, 5]


def test_size_of_a_population_must_be_known() -> None:
    sampler = evolution(ahpo)
    sampler.population_size = None
    study = ahpo.create_study(sampler=sampler)
    with pytest.raises(ValueError, match="`population_size` must be set to an int above 0"):
        study.optimize(bowl, n_trials=1)


def test_parents_that_a_user_selects_stay_selected_in_another_process() -> None:
    storage = ahpo.storages.InMemoryStorage()
    study = ahpo.create_study(storage=storage, study_name="s", sampler=evolution(ahpo))
    study.optimize(bowl, n_trials=9)
    again = evolution(ahpo)
    study = ahpo.load_study(storage=storage, study_name="s", sampler=again)
    study.optimize(bowl, n_trials=3)
    assert again.calls == []


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["NSGAIISampler", "NSGAIIISampler"])
async def test_coroutines_get_the_same_one_at_a_time(name: str) -> None:
    def objective(trial: Any) -> tuple[float, float]:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        return x, (1 - x) * (1 + y)

    async def async_objective(trial: Any) -> tuple[float, float]:
        return objective(trial)

    kind = getattr(ahpo.samplers, name)
    directions: Any = ["minimize", "minimize"]
    plainly = ahpo.create_study(directions=directions, sampler=kind(seed=1, population_size=6))
    plainly.optimize(objective, n_trials=40)
    sampler = kind(seed=1, population_size=6)
    async with aio.create_study(directions=directions, sampler=sampler) as study:
        await study.optimize(async_objective, n_trials=40)
    assert [t.params for t in study.trials] == [t.params for t in plainly.trials]
