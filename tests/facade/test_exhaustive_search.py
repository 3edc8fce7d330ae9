"""An exhaustive search ends where nothing is left, however the study's sampler comes by it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import ahpo
from ahpo import aio
from ahpo.samplers import (
    BaseSampler,
    BruteForceSampler,
    GridSampler,
    PartialFixedSampler,
    RandomSampler,
)
from tests.facade.optimized import FACES, Optimize
from tests.facade.two_libraries import Scripts, check_same

same = Scripts()
GRID = {"x": [0, 1, 2], "y": [0, 1]}


def passing_on(o: Any, inner: Any) -> Any:
    """Return a user's sampler that leaves all to another."""

    class PassingOn(o.samplers.BaseSampler):  # type: ignore[name-defined]
        def before_trial(self, *args: Any) -> None:
            inner.before_trial(*args)

        def infer_relative_search_space(self, *args: Any) -> Any:
            return inner.infer_relative_search_space(*args)

        def sample_relative(self, *args: Any) -> Any:
            return inner.sample_relative(*args)

        def sample_independent(self, *args: Any) -> Any:
            return inner.sample_independent(*args)

        def after_trial(self, *args: Any) -> None:
            inner.after_trial(*args)

    return PassingOn()


def objective(trial: Any) -> float:
    x, y = trial.suggest_int("x", 0, 2), trial.suggest_categorical("y", [0, 1])
    return float(x + y)


def ragged(trial: Any) -> float:
    """Ask for more after some values, fail after one and be pruned after another."""
    x = trial.suggest_int("x", 0, 2)
    if x == 0:
        return float(trial.suggest_int("y", 0, 3))
    if trial.suggest_categorical("z", ["fails", "fine"]) == "fails":
        raise ahpo.TrialPruned
    return float(x)


SAMPLERS: dict[str, Any] = {
    "grid": lambda: GridSampler(GRID),
    "brute force": lambda: BruteForceSampler(seed=0),
    "brute force to the end": lambda: BruteForceSampler(seed=0, avoid_premature_stop=True),
}


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_a_users_sampler_around_it_stops_where_it_does(
    optimize: Optimize, name: str, n_jobs: int
) -> None:
    """At the same number of trials, and also with other wrappers around and between."""
    search = objective if name == "grid" else ragged
    alone = optimize(search, 50, n_jobs, sampler=SAMPLERS[name]())
    if n_jobs == 1:
        assert len(alone.trials) == (6 if name == "grid" else 8)
    inner = passing_on(ahpo, SAMPLERS[name]())
    for sampler in (
        inner,
        passing_on(ahpo, inner),
        PartialFixedSampler({"w": 1}, passing_on(ahpo, SAMPLERS[name]())),
        passing_on(ahpo, PartialFixedSampler({"w": 1}, SAMPLERS[name]())),
    ):
        study = optimize(search, 50, n_jobs, sampler=sampler)
        if n_jobs == 1:
            assert [t.params for t in study.trials] == [t.params for t in alone.trials]
        assert len(study.trials) < 20


@pytest.mark.parametrize("n_jobs", [2, 4, 8])
@pytest.mark.parametrize("wrapped", [False, True])
def test_parallel_trials_take_each_point_of_a_grid_once(
    optimize: Optimize, n_jobs: int, wrapped: bool
) -> None:
    """None starts while the last points are being evaluated."""
    grid = GridSampler(GRID)
    sampler = PartialFixedSampler({"w": 1}, grid) if wrapped else grid
    gathered = threading.Barrier(min(n_jobs, 6)) if optimize is FACES["ahpo"] else None

    def together(trial: Any) -> float:
        value = objective(trial)
        if gathered is not None and trial.number < gathered.parties:
            gathered.wait(30)
        return value

    study = optimize(together, 50, n_jobs, sampler=sampler)
    assert len({tuple(t.params.items()) for t in study.trials}) == len(study.trials) == 6


def test_a_trial_that_is_never_told_does_not_hold_up_the_others() -> None:
    """Its point is taken again by the last one that runs."""
    by_hand = ahpo.create_study(sampler=GridSampler(GRID))
    trial = by_hand.ask()
    objective(trial)
    by_hand.optimize(objective, n_jobs=2, n_trials=50)
    finished = [t for t in by_hand.trials if t.number != trial.number]
    assert len({tuple(t.params.items()) for t in finished}) == len(finished) == 6


@same
def a_grid_within_a_users_sampler(o: Any) -> Any:
    o.logging.set_verbosity(o.logging.ERROR)
    study = o.create_study(sampler=passing_on(o, o.samplers.GridSampler(GRID)))
    seen: list[int] = []
    study.optimize(objective, n_trials=20, callbacks=[lambda study, trial: seen.append(1)])
    return len(study.trials), len(seen)


@same
def brute_force_within_a_users_sampler(o: Any) -> Any:
    o.logging.set_verbosity(o.logging.ERROR)
    study = o.create_study(sampler=passing_on(o, o.samplers.BruteForceSampler(seed=0)))

    def fails(trial: Any) -> float:
        if objective(trial) == 1:
            raise ZeroDivisionError
        return 1.0

    o.logging.set_verbosity(o.logging.ERROR + 10)
    study.optimize(fails, n_trials=20, catch=ZeroDivisionError)
    return len(study.trials)


@pytest.mark.parametrize("script", same, ids=lambda script: script.__name__)
def test_same_as_optuna(script: Any) -> None:
    check_same(script)


def test_a_trial_told_by_hand_may_be_the_last_one() -> None:
    """Outside of `optimize` nothing has to stop; within, what runs does."""
    study = ahpo.create_study(sampler=passing_on(ahpo, GridSampler({"x": [1, 2, 3]})))
    trials = [study.ask() for _ in range(2)]

    def told_of_all(trial: Any) -> float:
        for waiting in trials:
            waiting.suggest_int("x", 1, 3)
            study.tell(waiting, 1.0)
        trials.clear()
        return float(trial.suggest_int("x", 1, 3))

    study.optimize(told_of_all, n_trials=5)
    assert sorted(t.params["x"] for t in study.trials) == [1, 2, 3]
    study.tell(study.ask(), 1.0)
    assert not study._session._stops


def test_only_the_sampler_in_use_stops_the_study(optimize: Optimize) -> None:
    """One that a user's sampler has left behind does not."""

    class Then(BaseSampler):
        def __init__(self) -> None:
            self.first, self.then = GridSampler({"x": [1, 2]}), RandomSampler(seed=0)

        def of(self, trial: Any) -> BaseSampler:
            return self.first if trial.number < 2 else self.then

        def before_trial(self, study: Any, trial: Any) -> None:
            self.of(trial).before_trial(study, trial)

        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return self.of(trial).infer_relative_search_space(study, trial)

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            return self.of(trial).sample_relative(study, trial, search_space)

        def sample_independent(self, study: Any, trial: Any, *named: Any) -> Any:
            return self.of(trial).sample_independent(study, trial, *named)

        def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
            if trial.number != 1:
                self.of(trial).after_trial(study, trial, state, values)

    study = optimize(lambda trial: float(trial.suggest_int("x", 1, 9)), 7, sampler=Then())
    assert len(study.trials) == 7
    assert {t.params["x"] for t in study.trials[:2]} == {1, 2}


def test_independent_draws_within_joint_sampling_know_the_point(optimize: Optimize) -> None:
    """What `before_trial` has put on a trial holds from then on."""

    class Early(GridSampler):
        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return {"x": ahpo.distributions.IntDistribution(0, 2)}

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            x = self.sample_independent(study, trial, "x", search_space["x"])
            return {"x": x}

    study = optimize(objective, 20, sampler=Early(GRID))
    assert len({tuple(t.params.items()) for t in study.trials}) == len(study.trials) == 6


def test_an_unseeded_sampler_is_reseeded_when_a_study_gets_it(optimize: Optimize) -> None:
    """Whether it comes with the study or later; but not when it comes again."""
    sampler = RandomSampler()
    stream = sampler.stream
    studies: list[Any] = [ahpo.create_study(), ahpo.create_study()]
    values = []
    for study in studies:
        study.sampler = sampler
        assert sampler.stream is not stream
        stream = sampler.stream
        values.append(study.ask().suggest_float("x", 0, 1))
        study.sampler = sampler
        assert sampler.stream is stream
    assert values[0] != values[1]

    async def main() -> Any:
        async with aio.create_study() as study:
            study.sampler = sampler
            return (await study.ask()).suggest_float("x", 0, 1)

    assert asyncio.run(main()) not in values
    seeded = RandomSampler(seed=0)
    stream = seeded.stream
    studies[0].sampler = seeded
    assert seeded.stream is stream
