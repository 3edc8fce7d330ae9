"""Samplers of Optuna do in our studies what they do in Optuna's, draw for draw."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from typing import Any

import optuna
import pytest

import ahpo
from ahpo import aio
from ahpo.integration import OptunaSampler
from ahpo.samplers import RandomSampler

SAMPLERS: dict[str, Callable[[], Any]] = {
    "random": lambda: optuna.samplers.RandomSampler(seed=1),
    "tpe": lambda: optuna.samplers.TPESampler(seed=1),
    "liar": lambda: optuna.samplers.TPESampler(seed=1, multivariate=True, constant_liar=True),
    "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=1, population_size=8),
    "qmc": lambda: optuna.samplers.QMCSampler(seed=1),
    "partial": lambda: optuna.samplers.PartialFixedSampler(
        {"x": 0.5}, optuna.samplers.TPESampler(seed=1)
    ),
}
GRID = {"x": [1, 2, 3], "y": [0.25, 1.0]}

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def _value(trial: Any) -> float:
    x = trial.suggest_float("x", -5.0, 5.0)
    n = trial.suggest_int("n", 1, 100, log=True)
    if trial.suggest_categorical("c", ["a", "b", None]) == "a":
        x += trial.suggest_float("y", 0.0, 1.0, step=0.25)
    if trial.number % 7 == 5:
        raise optuna.TrialPruned if isinstance(trial, optuna.Trial) else ahpo.TrialPruned
    return float(x * x + n / 50)


def _two_values(trial: Any) -> tuple[float, float]:
    return _value(trial), trial.suggest_float("z", 0.0, 1.0)


@pytest.mark.parametrize("name", SAMPLERS)
def test_draws_are_those_of_optuna(name: str) -> None:
    objective: Any = _two_values if name == "nsga2" else _value
    directions: Any = ["minimize"] * (2 if name == "nsga2" else 1)
    theirs = optuna.create_study(directions=directions, sampler=SAMPLERS[name]())
    theirs.optimize(objective, n_trials=30)
    ours = ahpo.create_study(directions=directions, sampler=OptunaSampler(SAMPLERS[name]()))
    ours.optimize(objective, n_trials=30)
    for mine, other in zip(ours.trials, theirs.trials, strict=True):
        assert mine.params == other.params
        assert mine.system_attrs.keys() == other.system_attrs.keys()
        assert mine.values == other.values


def _grid_objective(trial: Any) -> float:
    return trial.suggest_int("x", 1, 3) + float(trial.suggest_float("y", 0.0, 1.0))


def test_a_sampler_that_has_nothing_left_stops_the_study() -> None:
    study = ahpo.create_study(sampler=OptunaSampler(optuna.samplers.GridSampler(GRID, seed=0)))
    study.optimize(_grid_objective, n_trials=20)
    found = {(trial.params["x"], trial.params["y"]) for trial in study.trials}
    assert len(study.trials) == 6 == len(found)


def test_it_may_be_asked_and_told() -> None:
    study = ahpo.create_study(sampler=OptunaSampler(optuna.samplers.GridSampler(GRID, seed=0)))
    for _ in range(6):
        trial = study.ask()
        study.tell(trial, _grid_objective(trial))
    assert len({tuple(trial.params.items()) for trial in study.trials}) == 6


def test_many_coroutines_share_it() -> None:
    async def main() -> list[Any]:
        sampler = OptunaSampler(optuna.samplers.TPESampler(seed=1, constant_liar=True))
        study = await aio.create_study(sampler=sampler)

        async def objective(trial: aio.Trial) -> float:
            x = trial.suggest_float("x", -1.0, 1.0)
            await asyncio.sleep(0)
            return x * x

        await study.optimize(objective, n_trials=60, n_jobs=8)
        return study.get_trials()

    trials = asyncio.run(main())
    assert len({trial.params["x"] for trial in trials}) == 60
    assert min(trial.value for trial in trials) < 0.01


def test_a_study_goes_on_with_what_the_sampler_has_left_on_its_trials() -> None:
    directions: Any = ["minimize", "minimize"]
    storage = ahpo.storages.InMemoryStorage()

    def study() -> ahpo.Study:
        return ahpo.create_study(
            study_name="study",
            storage=storage,
            directions=directions,
            load_if_exists=True,
            sampler=OptunaSampler(SAMPLERS["nsga2"]()),
        )

    study().optimize(_two_values, n_trials=20, catch=())
    generations = [
        value
        for trial in study().trials
        for key, value in trial.system_attrs.items()
        if "generation" in key
    ]
    assert max(generations) >= 1
    before = max(generations)
    study().optimize(_two_values, n_trials=20)
    assert any(
        value > before
        for trial in study().trials
        for key, value in trial.system_attrs.items()
        if "generation" in key
    )


def test_it_is_pickled_with_the_sampler_alone() -> None:
    sampler = OptunaSampler(optuna.samplers.TPESampler(seed=1))
    study = ahpo.create_study(sampler=sampler)
    study.optimize(_value, n_trials=12)
    copy = pickle.loads(pickle.dumps(study))
    copy.optimize(_value, n_trials=1)
    assert len(copy.trials) == 13 and len(study.trials) == 12


def test_new_random_numbers() -> None:
    values = []
    for reseeds in (False, False, True):
        sampler = OptunaSampler(optuna.samplers.RandomSampler(seed=1))
        if reseeds:
            sampler.reseed_rng()
        trial = ahpo.create_study(sampler=sampler).ask()
        values.append(trial.suggest_float("x", 0.0, 1.0))
    assert values[0] == values[1] != values[2]


@pytest.mark.parametrize("sampler", [None, RandomSampler(), optuna.samplers.RandomSampler])
def test_what_is_no_sampler_of_optuna_is_refused(sampler: Any) -> None:
    with pytest.raises(TypeError, match="`sampler` must be a sampler of Optuna, but it is"):
        OptunaSampler(sampler)
