"""TPESampler finds what it looks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.samplers import RandomSampler, TPESampler
from tests.samplers.spaces import EVERY_KIND, PLANE, bowl, of_every_kind
from tests.samplers.trials import MINIMIZE, Space, Trials


def best(found: list[dict[str, Any]], objective: Callable[[dict[str, Any]], float]) -> float:
    return min(map(objective, found))


@pytest.mark.parametrize("multivariate", [True, False])
@pytest.mark.parametrize(("space", "objective"), [(PLANE, bowl), (EVERY_KIND, of_every_kind)])
def test_it_finds_better_than_random_search(
    space: Space, objective: Callable[[dict[str, Any]], float], multivariate: bool
) -> None:
    found = {"tpe": 0.0, "random": 0.0}
    for seed in range(5):
        sampler = TPESampler(seed=seed, multivariate=multivariate)
        found["tpe"] += np.log(best(Trials(space).run(sampler, objective, 100), objective))
        random = RandomSampler(seed=seed)
        found["random"] += np.log(best(Trials(space).run(random, objective, 100), objective))
    assert found["tpe"] < found["random"] - 5 * np.log(1.3)


def test_it_closes_in_on_the_front_of_two_objectives() -> None:
    def both(params: dict[str, Any]) -> list[float]:
        return [params["x"] ** 2 + params["y"] ** 2, (params["x"] - 2) ** 2 + params["y"] ** 2]

    trials = Trials(PLANE, [MINIMIZE, MINIMIZE])
    trials.run(TPESampler(seed=0), both, 150)
    late = [trials.params(number) for number in range(100, 150)]
    assert np.mean([abs(params["y"]) for params in late]) < 1.0
    assert np.mean([-0.7 <= params["x"] <= 2.7 for params in late]) > 0.7


@settings(max_examples=10)
@given(st.integers(0, 2**32))
def test_trials_with_few_values_do_not_break_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    space: dict[str, BaseDistribution] = {
        "a": CategoricalDistribution((0, 1)),
        "b": IntDistribution(0, 1),
        "c": FloatDistribution(0.0, 1.0, step=1.0),
    }
    trials = Trials(space)
    objective = {key: float(rng.random()) for key in np.ndindex(2, 2, 2)}
    sampler = TPESampler(seed=seed)

    def value(params: dict[str, Any]) -> float:
        return objective[params["a"], params["b"], int(params["c"])]

    found = trials.run(sampler, value, 40)
    late = [value(params) for params in found[20:]]
    assert np.mean(late) <= np.mean(list(objective.values()))
