"""GPSampler finds what it looks for, and its search the maximum of its acquisition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ahpo.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from ahpo.history.hypervolume import hypervolume
from ahpo.samplers import GPSampler, RandomSampler, TPESampler
from ahpo.samplers.array_sampler import ArraySampler
from ahpo.samplers.gp.acquisition import Improvement
from ahpo.samplers.gp.fit import Hyper
from ahpo.samplers.gp.posterior import Posterior
from ahpo.samplers.gp.search import largest
from ahpo.samplers.gp.space import CodeSpace
from tests.samplers.spaces import EVERY_KIND, PLANE, bowl, of_every_kind
from tests.samplers.trials import MINIMIZE, Space, Trials

Params = dict[str, Any]


def branin(params: Params) -> float:
    x, y = params["x"], params["y"]
    a = y - 5.1 / (4 * np.pi**2) * x * x + 5 / np.pi * x - 6
    return float(a * a + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10 - 0.397887)


def hartmann6(params: Params) -> float:
    x = np.array([params[f"x{place}"] for place in range(6)])
    alpha = np.array([1.0, 1.2, 3.0, 3.2])
    a = np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    )
    p = 1e-4 * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    return float(3.32237 - alpha @ np.exp(-(a * (x - p) ** 2).sum(axis=1)))


BRANIN: Space = {"x": FloatDistribution(-5.0, 10.0), "y": FloatDistribution(0.0, 15.0)}
HARTMANN: Space = {f"x{place}": FloatDistribution(0.0, 1.0) for place in range(6)}


def medians(
    make: Callable[[int], ArraySampler],
    space: Space,
    objective: Callable[[Params], float],
    n_trials: int,
    n_seeds: int = 5,
) -> float:
    """Return the median over seeds of the best loss."""
    best = [
        min(map(objective, Trials(space).run(make(seed), objective, n_trials)))
        for seed in range(n_seeds)
    ]
    return float(np.median(best))


def gp(seed: int) -> GPSampler:
    return GPSampler(seed=seed)


@pytest.mark.parametrize(
    ("space", "objective", "n_trials", "bound"),
    [
        (PLANE, bowl, 30, 1e-4),
        (BRANIN, branin, 40, 2e-3),
        (HARTMANN, hartmann6, 60, 0.25),
    ],
    ids=["bowl", "branin", "hartmann6"],
)
def test_it_converges(
    space: Space, objective: Callable[[Params], float], n_trials: int, bound: float
) -> None:
    """TPE is at 0.08, 0.35 and 0.31 by then."""
    assert medians(gp, space, objective, n_trials) < bound


@pytest.mark.slow
def test_it_finds_better_than_tpe_where_there_is_every_kind_of_parameter() -> None:
    found = medians(gp, EVERY_KIND, of_every_kind, 40, 3)
    assert found < medians(lambda seed: TPESampler(seed=seed), EVERY_KIND, of_every_kind, 40, 3)


def test_it_converges_under_noise() -> None:
    rng = np.random.default_rng(0)

    def noisy(params: Params) -> float:
        return bowl(params) + float(rng.normal(0.0, 1.0))

    late = [
        bowl(params)
        for seed in range(3)
        for params in Trials(PLANE).run(GPSampler(seed=seed), noisy, 40)[30:]
    ]
    assert np.median(late) < 1.0


@pytest.mark.parametrize("n_pending", [8, 32])
def test_trials_that_are_pending_cost_little(n_pending: int) -> None:
    def best_of(seed: int) -> float:
        trials = Trials(PLANE)
        sampler = GPSampler(seed=seed)
        order = np.random.default_rng(seed)
        pending = [trials.ask(sampler) for _ in range(n_pending)]
        best = np.inf
        for _ in range(64):
            number = pending.pop(int(order.integers(len(pending))))
            loss = bowl(trials.params(number))
            trials.end(number, loss)
            best = min(best, loss)
            pending.append(trials.ask(sampler))
        return best

    random = medians(lambda seed: RandomSampler(seed=seed), PLANE, bowl, 64)
    assert np.median([best_of(seed) for seed in range(3)]) < min(0.05, random)


def test_it_finds_the_optimum_under_a_constraint() -> None:
    """Of x + y with x^2 + y^2 at most 4, it is at -sqrt(2) each."""
    found = []
    for seed in range(3):
        trials = Trials(PLANE)
        sampler = GPSampler(seed=seed)
        best = np.inf
        for _ in range(40):
            number = trials.ask(sampler)
            params = trials.params(number)
            broken = params["x"] ** 2 + params["y"] ** 2 - 4.0
            trials.history.open_trial(number).system_attrs["constraints:disc"] = broken
            trials.end(number, params["x"] + params["y"])
            if broken <= 0:
                best = min(best, params["x"] + params["y"])
        found.append(best)
    assert np.median(found) < -2.0 * np.sqrt(2.0) + 0.1


def two(params: Params) -> list[float]:
    x = np.array([params["x"], params["y"], params["z"]])
    return [float(((x - 1.0) ** 2).sum()), float(((x + 1.0) ** 2).sum())]


def three(params: Params) -> list[float]:
    return [*two(params), (params["x"] - 1.0) ** 2 + (params["y"] + 1.0) ** 2]


@pytest.mark.slow
@pytest.mark.parametrize("objective", [two, three])
def test_several_objectives_dominate_more_than_at_random(
    objective: Callable[[Params], list[float]],
) -> None:
    space: Space = {name: FloatDistribution(-3.0, 3.0) for name in "xyz"}
    k = len(objective({"x": 0.0, "y": 0.0, "z": 0.0}))
    reference = np.full(k, 20.0)

    def volume(sampler: ArraySampler) -> float:
        found = Trials(space, [MINIMIZE] * k).run(sampler, objective, 40)
        return hypervolume(np.array([objective(params) for params in found]), reference)

    ideal = 20.0**k
    missing = [ideal - volume(GPSampler(seed=seed)) for seed in range(3)]
    random = [ideal - volume(RandomSampler(seed=seed)) for seed in range(3)]
    tpe = [ideal - volume(TPESampler(seed=seed)) for seed in range(3)]
    assert np.mean(missing) < min(np.mean(random), np.mean(tpe))


@pytest.mark.parametrize("seed", range(6))
def test_search_finds_the_maximum_on_a_grid(seed: int) -> None:
    """Of an acquisition with several peaks, and with a choice that moves them."""
    rng = np.random.default_rng(seed)
    space = CodeSpace(
        {**PLANE, "c": CategoricalDistribution("abc"), "unused": CategoricalDistribution((0, 1))}
    )
    codes = space.at_quantiles(rng.random((14, 4)))
    y = rng.standard_normal(14)
    hyper = Hyper(np.array([0.25, 0.25, 1.5, 5.0]), 1.0, 1e-3)
    posterior = Posterior(space.features(codes), space.owner, y, hyper)
    acquisition = Improvement(posterior, float(y.min()))
    axis = np.linspace(0.0, 1.0, 61)
    grid = np.array(np.meshgrid(axis, axis, np.arange(3.0), np.arange(2.0))).reshape(4, -1).T
    highest = acquisition.values(space.features(grid)).max()
    found = largest(acquisition, space, codes[np.argsort(y)[:4]], codes, rng)
    assert found is not None
    value = acquisition.values(space.features(found[None]))[0]
    assert value > highest - 0.02


def test_search_takes_no_point_twice() -> None:
    kinds: dict[str, BaseDistribution] = {"c": CategoricalDistribution("abc")}
    space = CodeSpace(kinds)
    codes = np.array([[0.0], [1.0], [2.0]])
    hyper = Hyper(np.ones(1), 1.0, 0.1)
    posterior = Posterior(space.features(codes), space.owner, np.array([-1.0, 0.0, 1.0]), hyper)
    acquisition = Improvement(posterior, -1.0)
    rng = np.random.default_rng(0)
    found = largest(acquisition, space, codes[:1], codes[[0, 1]], rng)
    assert found is not None
    assert found.tolist() == [2.0]
    assert largest(acquisition, space, codes[:1], codes, rng) is None
