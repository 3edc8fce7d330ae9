"""A worker of either library, as a process: it prints the number of each trial that it runs.

Run as ``worker.py LIBRARY ADDRESS N_TRIALS GATE [HEARTBEAT]``. It prints "ready", and begins when
there is a file GATE. With a heartbeat its trials never end.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

from tests.interop.places import our_storage, their_storage
from tests.servers.waiting import until


def begin(number: int) -> None:
    sys.stdout.write(f"{number}\n")  # at once, whatever other threads write


def objective(trial: Any) -> float:
    begin(trial.number)
    x: float = trial.suggest_float("x", 0.0, 1.0)
    trial.suggest_categorical("kind", ["a", None, 2])
    trial.report(x, 1)
    trial.should_prune()
    trial.set_user_attr("by", sys.argv[1])
    return x


async def coroutine(trial: Any) -> float:
    begin(trial.number)
    x: float = trial.suggest_float("x", 0.0, 1.0)
    trial.suggest_categorical("kind", ["a", None, 2])
    trial.report(x, 1)
    await trial.should_prune()
    trial.set_user_attr("by", sys.argv[1])
    return x


def endless(trial: Any) -> float:
    trial.suggest_float("x", 0.0, 1.0)
    trial.set_user_attr("by", sys.argv[1])
    trial.report(0.5, 1)
    trial.should_prune()  # which shows others what there is
    begin(trial.number)
    threading.Event().wait()
    return 0.0


async def work_on_loop(storage: Any, n_trials: int) -> None:
    from ahpo import aio

    sampler = aio.samplers.RandomSampler()
    async with aio.load_study(study_name="study", storage=storage, sampler=sampler) as study:
        await study.optimize(coroutine, n_trials=n_trials, n_jobs=6)


def work(library: str, storage: Any, n_trials: int, of_trial: Any) -> None:
    api: Any = importlib.import_module(library)
    api.logging.set_verbosity(api.logging.ERROR)
    sampler = api.samplers.RandomSampler()
    study = api.load_study(study_name="study", storage=storage, sampler=sampler)
    study.optimize(of_trial, n_trials=n_trials, n_jobs=2 if of_trial is objective else 1)


def main(library: str, address: str, n_trials: int, gate: str, heartbeat: int = 0) -> None:
    options = {"heartbeat_interval": heartbeat} if heartbeat else {}
    storage = (their_storage if library == "optuna" else our_storage)(address, **options)
    print("ready", flush=True)
    until(Path(gate).exists, "the gate")
    if library == "ahpo.aio":
        asyncio.run(work_on_loop(storage, n_trials))
    else:
        work(library, storage, n_trials, endless if heartbeat else objective)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # heartbeats are experimental in Optuna
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], *map(int, sys.argv[5:]))
