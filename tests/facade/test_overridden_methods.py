"""A subclass of a built-in sampler or pruner may override any documented method."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest

import ahpo
from ahpo import aio
from ahpo.distributions import BaseDistribution, FloatDistribution
from ahpo.pruners import HyperbandPruner, MedianPruner, PatientPruner
from ahpo.pruners.base import is_pure as is_pure_pruner
from ahpo.samplers import (
    BruteForceSampler,
    GridSampler,
    PartialFixedSampler,
    RandomSampler,
    TPESampler,
)
from ahpo.samplers.array_sampler import DOCUMENTED, ArraySampler, is_pure
from tests.facade.optimized import Optimize
from tests.facade.two_libraries import Scripts, check_same

same = Scripts()
GRID = {"x": [0.0, 0.5], "n": [1, 2, 3]}


def objective(trial: Any) -> float:
    x: float = trial.suggest_float("x", 0, 1)
    return x + int(trial.suggest_int("n", 1, 3))


def passing_on(kind: type[ArraySampler], calls: list[str]) -> type[ArraySampler]:
    """Return a subclass that overrides all documented methods, and leaves all to its parent."""

    def method(name: str) -> Any:
        def call(self: Any, *args: Any) -> Any:
            calls.append(name)
            return getattr(kind, name)(self, *args)

        return call

    return type("PassingOn", (kind,), {name: method(name) for name in DOCUMENTED})


SAMPLERS: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any]]] = {
    "random": (RandomSampler, (), {"seed": 1}),
    "tpe": (TPESampler, (), {"seed": 1, "n_startup_trials": 4}),
    "tpe independently": (
        TPESampler,
        (),
        {"seed": 1, "n_startup_trials": 4, "multivariate": False},
    ),
    "grid": (GridSampler, (GRID,), {"seed": 1}),
}


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_subclass_that_passes_all_on_samples_the_same(
    optimize: Optimize, name: str, wrapped: bool
) -> None:
    kind, args, kwargs = SAMPLERS[name]
    calls: list[str] = []

    def sampler(kind: Any) -> Any:
        found = kind(*args, **kwargs)
        return PartialFixedSampler({"z": 1}, found) if wrapped else found

    alone = optimize(objective, 15, sampler=sampler(kind))
    study = optimize(objective, 15, sampler=sampler(passing_on(kind, calls)))
    assert [t.params for t in study.trials] == [t.params for t in alone.trials]
    assert [t.system_attrs for t in study.trials] == [t.system_attrs for t in alone.trials]
    assert set(calls) >= set(DOCUMENTED) - {"sample_relative", "sample_independent"}


@pytest.mark.parametrize("method", DOCUMENTED)
@pytest.mark.parametrize("kind", [RandomSampler, TPESampler])
def test_each_documented_method_may_be_overridden(
    optimize: Optimize, method: str, kind: type[ArraySampler]
) -> None:
    """An override is called, once for each trial or parameter."""
    calls: list[int] = []

    def override(self: Any, study: Any, trial: Any, *args: Any) -> Any:
        calls.append(trial.number)
        return getattr(super(kind, self), method)(study, trial, *args)

    mine = type("Mine", (kind,), {method: override})
    optimize(objective, 3, sampler=mine(seed=0))  # type: ignore[call-arg]
    times = 2 if method == "sample_independent" else 1
    assert calls == [number for number in range(3) for _ in range(times)]


def test_what_an_override_returns_is_used(optimize: Optimize) -> None:
    class Mine(TPESampler):
        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return {"x": FloatDistribution(0, 1)}

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            return {"x": 0.25}

        def sample_independent(self, *args: Any) -> Any:
            return 2

    study = optimize(objective, 2, sampler=Mine(seed=0))
    assert [t.params for t in study.trials] == [{"x": 0.25, "n": 2}] * 2


def test_a_mixin_overrides_too(optimize: Optimize) -> None:
    class Two:
        def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
            return distribution.high

    class Mine(Two, RandomSampler):  # type: ignore[misc]
        pass

    assert optimize(objective, 1, sampler=Mine(seed=0)).best_params == {"x": 1.0, "n": 3}


def test_a_method_may_be_put_on_the_object(optimize: Optimize) -> None:
    sampler = RandomSampler(seed=0)
    sampler.sample_independent = lambda *args: 1  # type: ignore[method-assign]
    assert optimize(objective, 1, sampler=sampler).best_params == {"x": 1.0, "n": 1}


def test_methods_may_be_put_on_the_parts_of_a_study() -> None:
    """From the next trial on, and taken away again."""
    study = ahpo.create_study(sampler=RandomSampler(seed=0), pruner=MedianPruner())
    study.sampler.sample_independent = lambda *args: 1  # type: ignore[method-assign]
    study.pruner.prune = lambda *args: True  # type: ignore[method-assign]
    trial = study.ask()
    assert {trial.suggest_int(f"n{i}", 1, 3) for i in range(20)} == {1}
    assert trial.should_prune()
    del study.sampler.sample_independent, study.pruner.prune
    trial = study.ask()
    assert {trial.suggest_int(f"n{i}", 1, 3) for i in range(20)} == {1, 2, 3}
    assert not trial.should_prune()


def test_overriding_pure_functions_keeps_a_sampler_pure() -> None:
    class Low(RandomSampler):
        def draw(self, view: Any, number: int, name: str, distribution: BaseDistribution) -> float:
            return 0.0

    class Named(RandomSampler):
        def __str__(self) -> str:
            return "named"

        def reseed_rng(self) -> None:
            pass

    class Mine(RandomSampler):
        def after_trial(self, *args: Any) -> None:
            pass

    assert is_pure(Low()) and is_pure(Named()) and not is_pure(Mine())
    for sampler, pure in ((Low(), True), (Mine(), False)):
        wrapper = PartialFixedSampler({"x": 1}, PartialFixedSampler({"y": 1}, sampler))
        assert is_pure(wrapper) is pure
        assert is_pure(pickle.loads(pickle.dumps(PartialFixedSampler({}, RandomSampler()))))


@pytest.mark.parametrize("kind", [GridSampler, BruteForceSampler])
def test_a_subclass_of_an_exhaustive_sampler_stops_where_that_one_does(
    optimize: Optimize, kind: type[ArraySampler]
) -> None:
    class Mine(kind):  # type: ignore[misc, valid-type]
        def sample_independent(self, *args: Any) -> Any:
            return super().sample_independent(*args)

    def on_grid(trial: Any) -> float:
        return float(trial.suggest_float("x", 0, 0.5, step=0.5)) + int(trial.suggest_int("n", 1, 3))

    sampler = Mine(GRID) if kind is GridSampler else Mine(seed=0)
    study = optimize(on_grid, 20, sampler=sampler)
    points = {tuple(t.params.items()) for t in study.trials}
    assert len(points) == len(study.trials) == 6


@same
def a_grid_whose_subclass_does_not_pass_the_end_on(o: Any) -> Any:
    """It does not stop."""

    class Mine(o.samplers.GridSampler):  # type: ignore[name-defined]
        def after_trial(self, *args: Any) -> None:
            pass

    o.logging.set_verbosity(o.logging.ERROR)
    study = o.create_study(sampler=Mine({"x": [1, 2]}))
    study.optimize(lambda trial: trial.suggest_int("x", 0, 5), n_trials=4)
    return len(study.trials)


@same
def a_sampler_that_does_not_begin_as_its_parent(o: Any) -> Any:
    class Mine(o.samplers.RandomSampler):  # type: ignore[name-defined]
        def __init__(self) -> None:
            self.mine = 0.25

        def sample_independent(self, *args: Any) -> Any:
            return self.mine

    study = o.create_study(sampler=Mine())
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    return study.trials


@same
def a_pruner_with_another_rule(o: Any) -> Any:
    """It may ask its parent, and it is asked in place of it, also by one that waits."""
    found = []
    for patient in (False, True):

        class Odd(o.pruners.MedianPruner):  # type: ignore[name-defined]
            def prune(self, study: Any, trial: Any) -> bool:
                return trial.number % 2 == 1 and trial.last_step == 2

        class Kind(o.pruners.MedianPruner):  # type: ignore[name-defined]
            def prune(self, study: Any, trial: Any) -> bool:
                return trial.number != 2 and super().prune(study, trial)

        def steps(trial: Any) -> float:
            for step in range(4):
                trial.report(trial.number + step, step)
                if trial.should_prune():
                    raise o.TrialPruned
            return float(trial.number)

        for pruner in (Odd(), Kind(n_startup_trials=1)):
            around = o.pruners.PatientPruner(pruner, patience=1) if patient else pruner
            study = o.create_study(sampler=o.samplers.RandomSampler(seed=0), pruner=around)
            study.optimize(steps, n_trials=5)
            found.append(study.trials)
    return found


@pytest.mark.parametrize("script", same, ids=lambda script: script.__name__)
def test_same_as_optuna(script: Any) -> None:
    check_same(script)


@pytest.mark.parametrize("patient", [False, True])
@pytest.mark.parametrize("impure", [False, True])
def test_samplers_learn_from_the_bracket_of_a_hyperband_subclass(
    optimize: Optimize, patient: bool, impure: bool
) -> None:
    """As with Hyperband itself; and so does a sampler that is asked by its documented methods."""

    class Mine(HyperbandPruner):
        def prune(self, study: Any, trial: Any) -> bool:
            return super().prune(study, trial)

    class Learning(TPESampler):
        def sample_independent(self, *args: Any) -> Any:
            return super().sample_independent(*args)

    def pruner(kind: type[HyperbandPruner]) -> Any:
        found = kind(max_resource=9)
        return PatientPruner(found, patience=1) if patient else found

    def steps(trial: Any) -> float:
        x: float = trial.suggest_float("x", 0, 1)
        for step in range(9):
            trial.report(x, step)
        return x

    assert not is_pure_pruner(pruner(Mine))
    runs = []
    for kind, sampler in (
        (HyperbandPruner, TPESampler),
        (Mine, Learning if impure else TPESampler),
    ):
        parts = {"sampler": sampler(seed=0, n_startup_trials=3), "pruner": pruner(kind)}
        runs.append([t.params for t in optimize(steps, 25, study_name="b", **parts).trials])
    parts = {"sampler": TPESampler(seed=0, n_startup_trials=3), "pruner": MedianPruner()}
    everything = [t.params for t in optimize(steps, 25, study_name="b", **parts).trials]
    assert runs[0] == runs[1] != everything


def test_a_subclass_of_tpe_is_warmed_up_before_the_first_trial() -> None:
    """The event loop does not wait for its imports."""
    order: list[str] = []

    class Mine(TPESampler):
        def warm_up(self) -> None:
            order.append("warm")
            super().warm_up()

        def before_trial(self, study: Any, trial: Any) -> None:
            order.append("trial")

    async def main(sampler: Any) -> None:
        async def awaited(trial: Any) -> float:
            return float(trial.suggest_float("x", 0, 1))

        async with aio.create_study(sampler=sampler) as study:
            await study.optimize(awaited, n_trials=1)

    asyncio.run(main(Mine(seed=0)))
    asyncio.run(main(PartialFixedSampler({"y": 1}, Mine(seed=0))))
    assert order == ["warm", "trial"] * 2


def test_an_unseeded_subclass_is_reseeded_for_each_study(optimize: Optimize) -> None:
    class Mine(RandomSampler):
        def sample_independent(self, *args: Any) -> Any:
            return super().sample_independent(*args)

    for sampler in (Mine(), PartialFixedSampler({"y": 1}, Mine())):
        first, second = (optimize(objective, 2, sampler=sampler).trials for _ in range(2))
        assert first[0].params != second[0].params
