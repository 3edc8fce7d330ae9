"""What the other processes do."""

from __future__ import annotations

import math
import os
import pickle
import time
from typing import Any

import ahpo
from ahpo.trial import TrialState
from tests.facade.storages.places import Place

__all__ = (
    "add_trials",
    "ask",
    "best_of_pickled",
    "enqueue",
    "evaluate_grid",
    "run_until",
    "tell",
    "values_of",
)


def parabola(trial: Any) -> float:
    x = trial.suggest_float("x", -10, 10)
    return (x - 2) ** 2


def add_trials(place: Place, n_trials: int) -> list[float]:
    study = place.load()
    study.optimize(parabola, n_trials=n_trials)
    study.set_user_attr("by", os.getpid())
    return values_of(place)


def values_of(place: Place) -> list[float]:
    return [trial.value or math.nan for trial in place.load().trials]


def ask(place: Place) -> tuple[int, float]:
    """Ask for a trial and leave it to somebody else; its lease is given up when all is closed."""
    study = place.load()
    trial = study.ask()
    trial.suggest_float("x", -10, 10)
    return trial.number, study.trials[trial.number].params["x"]


def tell(place: Place, number: int, value: float) -> TrialState:
    return place.load().tell(number, value).state


def enqueue(place: Place, *values: float) -> None:
    study = place.load()
    for value in values:
        study.enqueue_trial({"x": value}, user_attrs={"by": os.getpid()})


def run_until(place: Place, n_trials: int) -> list[int]:
    """Run trials until there are so many; return the numbers of those that were run here."""
    numbers: list[int] = []

    def objective(trial: Any) -> float:
        numbers.append(trial.number)
        return parabola(trial)

    study = place.load(sampler=ahpo.samplers.RandomSampler())
    enough = ahpo.study.MaxTrialsCallback(n_trials)
    study.optimize(objective, callbacks=[enough], n_trials=n_trials)
    return numbers


def evaluate_grid(place: Place, grid: dict[str, list[int]]) -> list[tuple[int, int]]:
    """Return the points of a grid that were evaluated here."""
    points: list[tuple[int, int]] = []

    def objective(trial: Any) -> float:
        points.append((trial.suggest_int("x", 0, 9), trial.suggest_int("y", 0, 9)))
        while len(trial.study.trials) < 2:  # until the other process has begun, too
            time.sleep(0.001)
        return sum(points[-1])

    study = place.load(sampler=ahpo.samplers.GridSampler(grid, seed=1))
    study.optimize(objective)
    return points


def best_of_pickled(study: bytes) -> tuple[float, dict[str, Any]]:
    loaded = pickle.loads(study)
    loaded.optimize(parabola, n_trials=1)
    return loaded.best_value, loaded.best_params
