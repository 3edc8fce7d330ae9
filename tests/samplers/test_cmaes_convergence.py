"""CmaEsSampler finds known optima, also with many trials pending that finish out of order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ahpo
from ahpo import aio
from ahpo.distributions import FloatDistribution
from ahpo.samplers import CmaEsSampler, RandomSampler
from tests.samplers.trials import MAXIMIZE, MINIMIZE, Space, Trials

pytestmark = pytest.mark.filterwarnings("ignore::ahpo.exceptions.ExperimentalWarning")

Point = np.ndarray[Any, np.dtype[np.float64]]

SPACE: Space = {f"x{i}": FloatDistribution(-5.0, 5.0) for i in range(5)}
_ROTATION = np.linalg.qr(np.random.default_rng(5).normal(size=(5, 5)))[0]
_OPTIMUM = np.array([1.0, -2.0, 0.5, 3.0, -1.5])


def sphere(x: Point) -> float:
    return float(((x - _OPTIMUM) ** 2).sum())


def rosenbrock(x: Point) -> float:
    return float((100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum())


def rotated_ellipsoid(x: Point) -> float:
    return float((10.0 ** np.linspace(0, 4, 5) * (_ROTATION @ (x - _OPTIMUM)) ** 2).sum())


def at_the_edge(x: Point) -> float:
    return float((x + 5.0).sum())


def loss_of(function: Callable[[Point], float]) -> Callable[[dict[str, Any]], float]:
    return lambda params: function(np.array(list(params.values())))


def median_best(function: Callable[[Point], float], n_trials: int, **options: Any) -> float:
    """Return the median of what five seeds find."""
    loss, best = loss_of(function), []
    for seed in range(5):
        found = Trials(SPACE).run(CmaEsSampler(seed=seed, **options), loss, n_trials)
        best.append(min(map(loss, found)))
    return float(np.median(best))


@pytest.mark.parametrize(
    ("function", "n_trials", "bound"),
    [
        (sphere, 400, 1e-6),
        (rotated_ellipsoid, 1200, 1e-4),
        (rosenbrock, 2000, 1e-4),
        (at_the_edge, 400, 0.1),
    ],
)
def test_it_converges(function: Callable[[Point], float], n_trials: int, bound: float) -> None:
    assert median_best(function, n_trials) < bound


@pytest.mark.parametrize(
    ("option", "bound"), [("use_separable_cma", 1e-4), ("with_margin", 1e-4), ("lr_adapt", 0.02)]
)
def test_every_kind_of_optimizer_converges(option: str, bound: float) -> None:
    assert median_best(sphere, 600, **{option: True}) < bound


def test_maximizing_is_minimizing_the_negative() -> None:
    found = []
    for direction, sign in ((MINIMIZE, 1.0), (MAXIMIZE, -1.0)):
        study = ahpo.create_study(direction=direction, sampler=CmaEsSampler(seed=3))

        def objective(trial: Any, sign: float = sign) -> float:
            return sign * sphere(np.array([trial.suggest_float(name, -5, 5) for name in SPACE]))

        study.optimize(objective, n_trials=60)
        found.append([trial.params for trial in study.trials])
    assert found[0] == found[1]


def with_pending(
    function: Callable[[Point], float], sampler: Any, pending: int, n_trials: int
) -> float:
    """Run so many trials at a time, which finish out of order; return the best loss."""
    trials, loss, draws = Trials(SPACE), loss_of(function), random.Random(0)
    working: list[int] = []
    best = float("inf")
    for _ in range(n_trials):
        while len(working) < pending:
            working.append(trials.ask(sampler))
        number = working.pop(draws.randrange(len(working)))
        value = loss(trials.params(number))
        trials.end(number, value)
        best = min(best, value)
    return best


@pytest.mark.parametrize(("pending", "bound"), [(1, 1e-4), (8, 1e-3), (32, 0.3)])
def test_pending_trials_cost_little(pending: int, bound: float) -> None:
    best = [with_pending(sphere, CmaEsSampler(seed=s), pending, 300) for s in range(5)]
    assert np.median(best) < bound
    chance = [with_pending(sphere, RandomSampler(seed=s), pending, 300) for s in range(5)]
    assert np.median(best) < 0.1 * np.median(chance)


def test_workers_with_seeds_of_their_own_share_what_they_learn() -> None:
    trials, loss, draws = Trials(SPACE), loss_of(sphere), random.Random(1)
    workers = [CmaEsSampler(seed=seed) for seed in range(6)]
    working: dict[int, int] = {}
    best = float("inf")
    for _ in range(400):
        for place, worker in enumerate(workers):
            if place not in working:
                working[place] = trials.ask(worker)
        number = working.pop(draws.randrange(len(workers)))
        value = loss(trials.params(number))
        trials.end(number, value)
        best = min(best, value)
    assert best < 1e-4


def test_both_faces_suggest_the_same() -> None:
    def objective(trial: Any) -> float:
        return sphere(np.array([trial.suggest_float(name, -5, 5) for name in SPACE]))

    async def asynchronously() -> list[dict[str, Any]]:
        study = await aio.create_study(sampler=CmaEsSampler(seed=8))
        await study.optimize(objective, n_trials=40)
        return [trial.params for trial in study.trials]

    study = ahpo.create_study(sampler=CmaEsSampler(seed=8))
    study.optimize(objective, n_trials=40)
    assert [trial.params for trial in study.trials] == asyncio.run(asynchronously())


def test_coroutines_that_finish_in_any_order_converge() -> None:
    async def objective(trial: Any) -> float:
        x = np.array([trial.suggest_float(name, -5, 5) for name in SPACE])
        for _ in range(int(abs(x[0]) * 3)):
            await asyncio.sleep(0)
        return sphere(x)

    study = ahpo.create_study(sampler=CmaEsSampler(seed=8))
    study.optimize(objective, n_trials=400, n_jobs=16)
    assert study.best_value < 0.01


def test_threads_converge() -> None:
    def objective(trial: Any) -> float:
        return sphere(np.array([trial.suggest_float(name, -5, 5) for name in SPACE]))

    study = ahpo.create_study(sampler=CmaEsSampler(seed=8))
    study.optimize(objective, n_trials=300, n_jobs=4)
    assert len(study.trials) == 300
    assert study.best_value < 0.01
