"""QMCSampler takes the same points as Optuna's, and both CMA-ES samplers check what they get."""

from __future__ import annotations

import warnings
from typing import Any

import optuna
import pytest

import ahpo
from tests.facade.two_libraries import errors_of


def every_kind(trial: Any) -> float:
    trial.suggest_float("x", -3, 4)
    trial.suggest_int("n", 1, 9)
    trial.suggest_float("l", 1e-3, 1, log=True)
    trial.suggest_categorical("c", ("a", "b", "c"))
    trial.suggest_int("k", 1, 100, log=True)
    trial.suggest_float("s", 0, 1, step=0.1)
    return 0.0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["sobol", "halton"])
@pytest.mark.parametrize("scramble", [False, True])
def test_points_are_the_same(kind: str, scramble: bool) -> None:
    found = []
    for o in (optuna, ahpo):
        sampler = o.samplers.QMCSampler(qmc_type=kind, scramble=scramble, seed=3)
        study = o.create_study(sampler=sampler)
        study.optimize(every_kind, n_trials=70)
        found.append([trial.params for trial in study.trials[1:]])
    for theirs, ours in zip(*found, strict=True):
        assert theirs.keys() == ours.keys()
        for name, value in theirs.items():
            expected = pytest.approx(value) if isinstance(value, float) else value
            assert ours[name] == expected


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "arguments",
    [
        {"source_trials": [], "x0": {}},
        {"source_trials": [], "use_separable_cma": True},
        {"lr_adapt": True, "with_margin": True},
        {"use_separable_cma": True, "with_margin": True},
        {"popsize": 5},
    ],
)
def test_arguments_that_do_not_go_together_are_refused_alike(arguments: dict[str, Any]) -> None:
    outcomes = [
        errors_of(lambda o=o: o.samplers.CmaEsSampler(**arguments))[0] for o in (optuna, ahpo)
    ]
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    "arguments",
    [
        {"x0": {"x": 0.0}},
        {"sigma0": 0.1},
        {"restart_strategy": "ipop"},
        {"inc_popsize": 3},
        {"with_margin": True},
        {"use_separable_cma": True},
        {"lr_adapt": True},
        {"consider_pruned_trials": True},
        {"source_trials": []},
        {},
    ],
)
def test_the_same_arguments_are_warned_of(arguments: dict[str, Any]) -> None:
    kinds = []
    for o in (optuna, ahpo):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            o.samplers.CmaEsSampler(**arguments)
        kinds.append([warning.category.__name__ for warning in caught])
    assert kinds[0] == kinds[1]
