"""Rows on samplers: what a trial costs from ask to tell."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.speed.work import SEED, filled_study, load, suggest_floats, suggest_mixed


def random_optimize(impl: str, *, trials: int) -> dict[str, float]:
    """Time `study.optimize` with RandomSampler and ten parameters; seconds a trial."""
    module = load(impl)
    study = module.create_study(sampler=module.samplers.RandomSampler(seed=SEED))
    study.optimize(suggest_mixed, n_trials=10)
    start = time.perf_counter()
    study.optimize(suggest_mixed, n_trials=trials)
    return {"seconds": (time.perf_counter() - start) / trials}


def random_pruned(impl: str, *, history: int, trials: int) -> dict[str, float]:
    """The same with five times report and should_prune by MedianPruner, after `history` trials."""
    module = load(impl)

    def objective(trial: Any) -> float:
        value = suggest_mixed(trial)
        for step in range(5):
            trial.report(value / (step + 1), step)
            trial.should_prune()  # the answer is not followed: all trials have the same work
        return value

    study = module.create_study(
        sampler=module.samplers.RandomSampler(seed=SEED), pruner=module.pruners.MedianPruner()
    )
    study.optimize(objective, n_trials=history)
    start = time.perf_counter()
    study.optimize(objective, n_trials=trials)
    return {"seconds": (time.perf_counter() - start) / trials}


def tpe(impl: str, *, n: int, trials: int, objectives: int = 1, **options: Any) -> dict[str, float]:
    """Time ask, ten suggests and tell of TPE over a history of `n` trials; seconds a trial."""
    module = load(impl)
    sampler = module.samplers.TPESampler(seed=SEED, **options)
    study = filled_study(module, n, objectives=objectives, sampler=sampler)

    def once() -> None:
        trial = study.ask()
        value = suggest_mixed(trial)
        study.tell(trial, [value, *([-value] * (objectives - 1))])

    for _ in range(2):
        once()
    start = time.perf_counter()
    for _ in range(trials):
        once()
    return {"seconds": (time.perf_counter() - start) / trials}


def from_empty(
    impl: str, *, sampler: str, floats: int, trials: int, objectives: int = 1
) -> dict[str, float]:
    """Time a whole study over `floats` parameters, from its first trial; seconds a trial.

    A short study runs before, so that what is imported at the first use is not counted.
    """
    module = load(impl)

    def objective(trial: Any) -> float | tuple[float, ...]:
        if objectives == 1:
            return suggest_floats(trial, floats)
        xs = [trial.suggest_float(f"x{i}", -5.0, 5.0) for i in range(floats)]
        return tuple(sum((x - at) ** 2 for x in xs) for at in range(objectives))

    def run(n_trials: int) -> float:
        made = getattr(module.samplers, sampler)(seed=SEED)
        study = module.create_study(sampler=made, directions=["minimize"] * objectives)
        start = time.perf_counter()
        study.optimize(objective, n_trials=n_trials)
        return time.perf_counter() - start

    run(15)
    return {"seconds": run(trials) / trials}


def nsga(impl: str, *, n: int, trials: int) -> dict[str, float]:
    """Time `study.optimize` with NSGA-II over `n` trials in generations of 50; seconds a trial."""
    module = load(impl)
    sampler = module.samplers.NSGAIISampler(seed=SEED)
    study = filled_study(module, n, objectives=2, generations=50, sampler=sampler)

    def objective(trial: Any) -> tuple[float, float]:
        return suggest_mixed(trial), trial.suggest_float("x0", -5.0, 5.0)

    study.optimize(objective, n_trials=2)
    start = time.perf_counter()
    study.optimize(objective, n_trials=trials)
    return {"seconds": (time.perf_counter() - start) / trials}


def cmaes(impl: str, *, n: int, trials: int) -> dict[str, float]:
    """Time ask, ten suggests and tell of CMA-ES over a history of `n` trials; seconds a trial.

    Some populations of its own come before, so that none of the others is new to it.
    """
    module = load(impl)
    sampler = module.samplers.CmaEsSampler(seed=SEED, warn_independent_sampling=False)
    study = filled_study(module, n, sampler=sampler)

    def once() -> None:
        trial = study.ask()
        study.tell(trial, suggest_mixed(trial))

    for _ in range(30):
        once()
    start = time.perf_counter()
    for _ in range(trials):
        once()
    return {"seconds": (time.perf_counter() - start) / trials}


def cmaes_from_empty(impl: str, *, floats: int, trials: int) -> dict[str, float]:
    """Time a whole study of CMA-ES over `floats` parameters, as `tpe_from_empty` does."""
    module = load(impl)

    def run(n_trials: int) -> float:
        sampler = module.samplers.CmaEsSampler(seed=SEED)
        study = module.create_study(sampler=sampler, direction="minimize")
        start = time.perf_counter()
        study.optimize(lambda trial: suggest_floats(trial, floats), n_trials=n_trials)
        return time.perf_counter() - start

    run(15)
    return {"seconds": run(trials) / trials}
