"""Samplers, pruners and callbacks as users write them work unchanged, in both faces."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

import ahpo
from ahpo import aio
from tests.facade.two_libraries import Scripts, check_same, plain

same = Scripts()


def annealing(o: Any) -> Any:
    """Return a sampler that walks from the last accepted trial to one near it, and cools down."""

    class Annealing(o.samplers.BaseSampler):  # type: ignore[name-defined]
        def __init__(self) -> None:
            self.random = random.Random(3)
            self.temperature = 10.0
            self.at: Any = None

        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return o.search_space.intersection_search_space(study.get_trials(deepcopy=False))

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            if not search_space:
                return {}
            last = study.trials[-2]
            if self.at is None or self.random.random() < self.chance(study, last):
                self.at = last
            self.temperature *= 0.9
            near = {}
            for name, distribution in search_space.items():
                width = (distribution.high - distribution.low) * 0.1
                value = self.at.params[name] + self.random.uniform(-width, width)
                near[name] = min(max(value, distribution.low), distribution.high)
            return near

        def chance(self, study: Any, last: Any) -> float:
            worse = last.value - self.at.value
            if study.direction == o.study.StudyDirection.MAXIMIZE:
                worse = -worse
            return 1.0 if worse <= 0 else math.exp(-worse / self.temperature)

        def sample_independent(
            self, study: Any, trial: Any, param_name: str, param_distribution: Any
        ) -> Any:
            return self.random.uniform(param_distribution.low, param_distribution.high)

    return Annealing()


def last_place(o: Any) -> Any:
    """Return a pruner that stops a trial which is the worst of all at its step."""

    class LastPlace(o.pruners.BasePruner):  # type: ignore[name-defined]
        def prune(self, study: Any, trial: Any) -> bool:
            step = trial.last_step
            if step is None or step < 1:
                return False
            complete = study.get_trials(deepcopy=False, states=(o.trial.TrialState.COMPLETE,))
            others = [
                t.intermediate_values[step] for t in complete if step in t.intermediate_values
            ]
            return len(others) > 2 and trial.intermediate_values[step] > max(others)

    return LastPlace()


def steps(x: float, y: float) -> list[float]:
    """Return what an objective reports."""
    return [(x - 1) ** 2 + (y + 2) ** 2 + 3.0 / (step + 1) for step in range(4)]


@same
def both(o: Any) -> Any:
    study = o.create_study(sampler=annealing(o), pruner=last_place(o))
    seen: list[Any] = []

    def objective(trial: Any) -> float:
        losses = steps(trial.suggest_float("x", -5, 5), trial.suggest_float("y", -5, 5))
        for step, loss in enumerate(losses):
            trial.report(loss, step)
            if trial.should_prune():
                raise o.TrialPruned
        return losses[-1]

    def callback(study: Any, trial: Any) -> None:
        seen.append((trial.number, trial.state, study.best_value))
        if len(seen) == 28:
            study.stop()

    study.optimize(objective, n_trials=40, callbacks=[callback])
    return study.trials, seen


@same
def hooks(o: Any) -> Any:
    calls: list[Any] = []

    class Hooked(type(annealing(o))):  # type: ignore[misc]
        def before_trial(self, study: Any, trial: Any) -> None:
            calls.append(("before", plain(trial), len(study.trials)))

        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            calls.append(("space", plain(trial)))
            return {"x": o.distributions.FloatDistribution(0, 1)}

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            calls.append(("relative", plain(trial), search_space))
            return {"x": 0.25}

        def sample_independent(self, study: Any, trial: Any, *named: Any) -> Any:
            calls.append(("independent", plain(trial), named))
            return 0.75

        def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
            calls.append(("after", plain(trial), state, values, study.trials[trial.number].state))

    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        y = trial.suggest_float("y", 0, 1)
        if trial.number == 1:
            raise o.TrialPruned
        if trial.number == 2:
            raise ZeroDivisionError
        return float(x + y)

    study = o.create_study(sampler=Hooked())
    study.optimize(objective, n_trials=3, catch=ZeroDivisionError)
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    study.tell(trial, 1.0)
    return plain(calls)


@same
def a_proposal_that_does_not_fit(o: Any) -> Any:
    """It gives way to an independent draw where its value is out of the range that is asked for."""

    class Wide(type(annealing(o))):  # type: ignore[misc]
        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return {"x": o.distributions.FloatDistribution(0, 10)}

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            return {"x": 5.0}

        def sample_independent(self, study: Any, trial: Any, *named: Any) -> Any:
            return 0.5

    study = o.create_study(sampler=Wide())
    fits, narrow = study.ask(), study.ask()
    return fits.suggest_float("x", 0, 10), narrow.suggest_float("x", 0, 1), study.trials


@same
def the_hook_raises(o: Any) -> Any:
    class Broken(type(annealing(o))):  # type: ignore[misc]
        def after_trial(self, *args: Any) -> None:
            raise LookupError("after")

    o.logging.set_verbosity(o.logging.ERROR)
    study = o.create_study(sampler=Broken())
    try:
        study.optimize(lambda trial: 1.0, n_trials=2)
    except LookupError as error:
        return str(error), study.trials
    return study.trials


@same
def the_pruner_raises(o: Any) -> Any:
    class Broken(o.pruners.BasePruner):  # type: ignore[name-defined]
        def prune(self, study: Any, trial: Any) -> bool:
            raise LookupError("prune")

    def objective(trial: Any) -> float:
        trial.report(1.0, 0)
        return float(trial.should_prune())

    study = o.create_study(pruner=Broken())
    study.optimize(objective, n_trials=1, catch=LookupError)
    return study.trials


@same
def a_sampler_within_a_sampler(o: Any) -> Any:
    """Built-in samplers can be asked by those of users; what they draw is inside the range."""

    class Around(o.samplers.BaseSampler):  # type: ignore[name-defined]
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return self.inner.infer_relative_search_space(study, trial)

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            return self.inner.sample_relative(study, trial, search_space)

        def sample_independent(self, study: Any, trial: Any, *named: Any) -> Any:
            return self.inner.sample_independent(study, trial, *named)

        def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
            self.inner.after_trial(study, trial, state, values)

    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        n = trial.suggest_int("n", 2, 8, step=2)
        assert 0 <= x <= 1 and n in (2, 4, 6, 8)
        return float(trial.suggest_categorical("c", [1, 2]))

    o.logging.set_verbosity(o.logging.ERROR)  # the lines show what was drawn
    found = []
    for inner in (
        o.samplers.RandomSampler(seed=0),
        o.samplers.TPESampler(seed=0, n_startup_trials=3),
    ):
        study = o.create_study(sampler=Around(inner))
        study.optimize(objective, n_trials=8)
        found.append([(t.number, t.state, sorted(t.params)) for t in study.trials])
    return found


@same
def a_pruner_around_a_pruner(o: Any) -> Any:
    class Lazy(o.pruners.BasePruner):  # type: ignore[name-defined]
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def prune(self, study: Any, trial: Any) -> bool:
            return bool(trial.last_step) and self.inner.prune(study, trial)

    def objective(trial: Any) -> float:
        for step in range(3):
            trial.report(trial.number, step)
            if trial.should_prune():
                raise o.TrialPruned
        return float(trial.number)

    study = o.create_study(
        sampler=annealing(o), pruner=Lazy(o.pruners.MedianPruner(n_startup_trials=1))
    )
    study.optimize(objective, n_trials=4)
    return study.trials


@pytest.mark.parametrize("script", same, ids=lambda script: script.__name__)
def test_same_as_optuna(script: Any) -> None:
    check_same(script)


@pytest.mark.asyncio
async def test_an_async_objective_gets_the_same_from_both() -> None:
    """A sampler and a pruner see the same study when coroutines are tried, one at a time."""

    def objective(trial: Any) -> float:
        losses = steps(trial.suggest_float("x", -5, 5), trial.suggest_float("y", -5, 5))
        for step, loss in enumerate(losses):
            trial.report(loss, step)
            if trial.should_prune():
                raise ahpo.TrialPruned
        return losses[-1]

    async def async_objective(trial: ahpo.AsyncTrial) -> float:
        losses = steps(trial.suggest_float("x", -5, 5), trial.suggest_float("y", -5, 5))
        for step, loss in enumerate(losses):
            trial.report(loss, step)
            if await trial.should_prune():
                raise ahpo.TrialPruned
        return losses[-1]

    plainly = ahpo.create_study(sampler=annealing(ahpo), pruner=last_place(ahpo))
    plainly.optimize(objective, n_trials=25)
    async with aio.create_study(sampler=annealing(ahpo), pruner=last_place(ahpo)) as study:
        await study.optimize(async_objective, n_trials=25)
    assert plain(study.trials) == plain(plainly.trials)
    assert {trial.state.name for trial in study.trials} == {"COMPLETE", "PRUNED"}
