"""Rows on a study that has many trials already: opening it, and learning what is new in it."""

from __future__ import annotations

import asyncio
import resource
import shutil
import sys
import time
from statistics import median
from typing import Any

from benchmarks.speed.work import load, suggest_mixed
from benchmarks.storages.large import NAME, STEPS, large_study
from benchmarks.storages.places import storage_of

__all__ = ("opening", "refresh")


def opening(impl: str, *, storage: str, place: str, n: int) -> dict[str, float]:
    """Time load_study, trials and best_trial together, then trials once more; tell the memory."""
    shutil.copyfile(large_study(storage, n), place)
    module = load(impl)
    # What is imported late is not measured.
    elsewhere = storage_of(module, storage, f"{place}-other")
    module.create_study(storage=elsewhere).optimize(suggest_mixed, n_trials=2)
    start = time.perf_counter()
    # Optuna reads a journal when the storage is made, and not when the study is loaded.
    study = module.load_study(study_name=NAME, storage=storage_of(module, storage, place))
    loaded = time.perf_counter()
    trials = study.trials
    best = study.best_trial
    done = time.perf_counter()
    assert len(trials) == n and best.value == min(trial.value for trial in trials)
    del trials
    again = time.perf_counter()
    study.trials  # noqa: B018
    ended = time.perf_counter()
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "seconds": done - start,
        "load": loaded - start,
        "again": ended - again,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
    }


def refresh(impl: str, *, storage: str, place: str, n: int, rounds: int = 15) -> dict[str, float]:
    """Time `refresh` after another handle has run ten trials in a study that has `n`."""
    import ahpo.aio

    assert impl == "ahpo"
    shutil.copyfile(large_study(storage, n), place)
    module: Any = load(impl)

    async def main() -> list[float]:
        here, there = [
            await ahpo.aio.load_study(study_name=NAME, storage=storage_of(module, storage, place))
            for _ in range(2)
        ]

        def objective(trial: Any) -> float:
            value = suggest_mixed(trial)
            for step in range(STEPS):
                trial.report(value, step)
            return value

        times = []
        for _ in range(rounds):
            await there.optimize(objective, n_trials=10)
            start = time.perf_counter()
            await here.refresh()
            times.append(time.perf_counter() - start)
        assert len(here.get_trials(deepcopy=False)) == n + 10 * rounds
        return times

    times = asyncio.run(main())
    return {"seconds": median(times), "worst": max(times)}
