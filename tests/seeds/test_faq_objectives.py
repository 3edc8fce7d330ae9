"""The FAQ's objectives: with arguments of their own, in memory, reproducible, changing, fixed."""

from __future__ import annotations

import asyncio
import functools

import pytest

import ahpo as optuna
from ahpo import aio
from ahpo.distributions import FloatDistribution
from ahpo.samplers import RandomSampler, TPESampler
from ahpo.trial import FixedTrial, TrialState


def assert_parabola_was_minimized(study, n_trials: int) -> None:
    """Assert that a study of (x - 2) ** 2 over [-100, 100] holds what its objective returned."""
    assert [t.number for t in study.trials] == list(range(n_trials))
    for t in study.trials:
        assert t.state == TrialState.COMPLETE
        assert -100 <= t.params["x"] <= 100
        assert t.value == (t.params["x"] - 2) ** 2
        assert t.distributions == {"x": FloatDistribution(-100, 100)}
    assert study.best_value == min(t.value for t in study.trials)
    assert study.best_value == (study.best_params["x"] - 2) ** 2
    assert study.best_value < 25


def test_callable_class() -> None:
    """An instance with `__call__` is an objective that carries its own arguments."""

    class Objective:
        def __init__(self, min_x, max_x):
            # Hold this implementation specific arguments as the fields of the class.
            self.min_x = min_x
            self.max_x = max_x

        def __call__(self, trial):
            # Calculate an objective value by using the extra arguments.
            x = trial.suggest_float("x", self.min_x, self.max_x)
            return (x - 2) ** 2

    # Execute an optimization by using an `Objective` instance.
    study = optuna.create_study()
    study.optimize(Objective(-100, 100), n_trials=100)

    assert_parabola_was_minimized(study, 100)


@pytest.mark.asyncio
async def test_callable_class_async() -> None:
    """An instance with `async def __call__` is a coroutine objective."""

    class Objective:
        def __init__(self, min_x, max_x):
            self.min_x = min_x
            self.max_x = max_x

        async def __call__(self, trial):
            x = trial.suggest_float("x", self.min_x, self.max_x)
            await asyncio.sleep(0)
            return (x - 2) ** 2

    async with aio.create_study() as study:
        await study.optimize(Objective(-100, 100), n_trials=100)

    assert_parabola_was_minimized(study, 100)


def test_lambda() -> None:
    """A lambda closes over the extra arguments."""

    # Objective function that takes three arguments.
    def objective(trial, min_x, max_x):
        x = trial.suggest_float("x", min_x, max_x)
        return (x - 2) ** 2

    # Extra arguments.
    min_x = -100
    max_x = 100

    # Execute an optimization by using the above objective function wrapped by `lambda`.
    study = optuna.create_study()
    study.optimize(lambda trial: objective(trial, min_x, max_x), n_trials=100)

    assert_parabola_was_minimized(study, 100)


@pytest.mark.asyncio
async def test_lambda_async() -> None:
    """A lambda that returns a coroutine is a coroutine objective."""

    async def objective(trial, min_x, max_x):
        x = trial.suggest_float("x", min_x, max_x)
        if await trial.should_prune():
            raise optuna.TrialPruned()
        return (x - 2) ** 2

    min_x = -100
    max_x = 100

    async with aio.create_study() as study:
        await study.optimize(lambda trial: objective(trial, min_x, max_x), n_trials=100)

    assert_parabola_was_minimized(study, 100)


def test_partial() -> None:
    """`functools.partial` binds the extra arguments."""

    def objective(trial, min_x, max_x):
        x = trial.suggest_float("x", min_x, max_x)
        return (x - 2) ** 2

    study = optuna.create_study()
    study.optimize(functools.partial(objective, min_x=-100, max_x=100), n_trials=100)

    assert_parabola_was_minimized(study, 100)


@pytest.mark.asyncio
async def test_partial_async() -> None:
    """`functools.partial` of a coroutine function is a coroutine objective."""

    async def objective(trial, min_x, max_x):
        x = trial.suggest_float("x", min_x, max_x)
        await asyncio.sleep(0)
        if await trial.should_prune():
            raise optuna.TrialPruned()
        return (x - 2) ** 2

    async with aio.create_study() as study:
        await study.optimize(functools.partial(objective, min_x=-100, max_x=100), n_trials=100)

    assert_parabola_was_minimized(study, 100)


def test_in_memory() -> None:
    """Without a storage a study lives in memory, and goes on when `optimize` is called again."""

    def objective(trial):
        x = trial.suggest_float("x", -100, 100)
        return (x - 2) ** 2

    study = optuna.create_study()
    study.optimize(objective, n_trials=20)
    study.optimize(objective, n_trials=80)

    assert_parabola_was_minimized(study, 100)


@pytest.mark.asyncio
async def test_in_memory_async() -> None:
    """An async study lives in memory too, and goes on when `optimize` is awaited again."""

    async def objective(trial):
        x = trial.suggest_float("x", -100, 100)
        await asyncio.sleep(0)
        return (x - 2) ** 2

    study = await aio.create_study()
    async with study:
        await study.optimize(objective, n_trials=20)
        await study.optimize(objective, n_trials=80)

    assert_parabola_was_minimized(study, 100)


def test_reproducible_results() -> None:
    """The same seed suggests the same parameters again, another seed other ones."""

    def objective(trial):
        x = trial.suggest_float("x", -10, 10)
        y = trial.suggest_int("y", -10, 10)
        z = trial.suggest_categorical("z", [0.5, 1.0, 2.0])
        return (x - 2) ** 2 + z * y**2

    def run(seed):
        sampler = TPESampler(seed=seed)  # Make the sampler behave in a deterministic way.
        study = optuna.create_study(sampler=sampler)
        study.optimize(objective, n_trials=30)
        return [t.params for t in study.trials]

    assert run(10) == run(10)
    assert run(10) != run(11)


@pytest.mark.asyncio
async def test_reproducible_results_async() -> None:
    """A seed gives an async study what it gives a sync one."""

    def objective(trial):
        x = trial.suggest_float("x", -10, 10)
        y = trial.suggest_int("y", -10, 10)
        z = trial.suggest_categorical("z", [0.5, 1.0, 2.0])
        return (x - 2) ** 2 + z * y**2

    async def coroutine_objective(trial):
        await asyncio.sleep(0)
        return objective(trial)

    sync_study = optuna.create_study(sampler=TPESampler(seed=10))
    sync_study.optimize(objective, n_trials=30)
    async with aio.create_study(sampler=TPESampler(seed=10)) as study:
        await study.optimize(coroutine_objective, n_trials=30)

    assert [t.params for t in study.trials] == [t.params for t in sync_study.trials]


@pytest.mark.asyncio
async def test_reproducible_parallel_results_async() -> None:
    """The n-th random trial is the same whether one or eight run at once."""

    async def objective(trial):
        x = trial.suggest_float("x", -10, 10)
        await asyncio.sleep(0)
        y = trial.suggest_int("y", -10, 10)
        return (x - 2) ** 2 + y**2

    params = []
    for n_jobs in (1, 8):
        async with aio.create_study(sampler=RandomSampler(seed=10)) as study:
            await study.optimize(objective, n_trials=40, n_jobs=n_jobs)
            params.append([t.params for t in study.trials])

    assert params[0] == params[1]


def test_dynamically_altered_search_space() -> None:
    """A range may differ from trial to trial, and the default sampler stays inside each."""

    def objective(trial):
        x = trial.suggest_float("x", -trial.number - 1, trial.number + 1)
        return x**2

    study = optuna.create_study()
    study.optimize(objective, n_trials=40)

    for t in study.trials:
        assert t.distributions == {"x": FloatDistribution(-t.number - 1, t.number + 1)}
        assert abs(t.params["x"]) <= t.number + 1
    assert study.best_value < 1


@pytest.mark.asyncio
async def test_dynamically_altered_search_space_async() -> None:
    """The same holds with four coroutines at once."""

    async def objective(trial):
        x = trial.suggest_float("x", -trial.number - 1, trial.number + 1)
        await asyncio.sleep(0)
        return x**2

    async with aio.create_study() as study:
        await study.optimize(objective, n_trials=40, n_jobs=4)

    for t in study.trials:
        assert t.distributions == {"x": FloatDistribution(-t.number - 1, t.number + 1)}
        assert abs(t.params["x"]) <= t.number + 1


def test_objective_with_fixed_trial() -> None:
    """FixedTrial suggests the given values, so that an objective can be unit-tested."""

    def objective(trial):
        x = trial.suggest_float("x", -1.0, 1.0)
        y = trial.suggest_int("y", -5, 5)
        return x + y

    assert objective(FixedTrial({"x": 1.0, "y": -1})) == 0.0
    assert objective(FixedTrial({"x": -1.0, "y": -4})) == -5.0

    # A test function of pytest
    def test_objective():
        assert 1.0 == objective(FixedTrial({"x": 1.0, "y": 0}))
        assert -1.0 == objective(FixedTrial({"x": 0.0, "y": -1}))
        assert 0.0 == objective(FixedTrial({"x": -1.0, "y": 1}))

    test_objective()

    with pytest.raises(ValueError, match="'y'"):
        objective(FixedTrial({"x": 1.0}))
    with pytest.warns(UserWarning, match="out of the range"):
        assert objective(FixedTrial({"x": 2.0, "y": 0})) == 2.0


@pytest.mark.asyncio
async def test_objective_with_fixed_trial_async() -> None:
    """The async face has its FixedTrial, which never prunes."""

    async def objective(trial):
        x = trial.suggest_float("x", -1.0, 1.0)
        y = trial.suggest_int("y", -5, 5)
        trial.report(x, step=0)
        if await trial.should_prune():
            raise optuna.TrialPruned()
        return x + y

    assert await objective(aio.FixedTrial({"x": 1.0, "y": -1})) == 0.0
    assert await objective(aio.FixedTrial({"x": -1.0, "y": -4})) == -5.0
    assert await objective(aio.FixedTrial({"x": 1.0, "y": 0})) == 1.0
    assert await objective(aio.FixedTrial({"x": 0.0, "y": -1})) == -1.0
    assert await objective(aio.FixedTrial({"x": -1.0, "y": 1})) == 0.0
    with pytest.raises(TypeError, match="await"):
        bool(aio.FixedTrial({}).should_prune())
