"""Rows on several processes that work on one study together."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from benchmarks.speed.work import load, suggest_floats
from benchmarks.storages.places import storage_of

__all__ = ("claiming", "claiming_worker", "together", "worker")

_NAME = "together"


def _workers(n: int, work: str, arguments: dict[str, Any]) -> tuple[float, list[dict[str, Any]]]:
    """Run `n` processes that begin at the same moment; return the seconds and what each says."""
    command = [sys.executable, "-m", "benchmarks.storages.measure", work, json.dumps(arguments)]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(n)
    ]
    for one in started:
        assert one.stdout is not None
        one.stdout.readline()  # it is ready
    start = time.perf_counter()
    for one in started:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate()[0] for one in started]
    seconds = time.perf_counter() - start
    failed = [one.returncode for one in started if one.returncode]
    if failed:
        raise RuntimeError(f"{len(failed)} of {n} workers failed")
    return seconds, [json.loads(text.splitlines()[-1]) for text in said]


def _when_told() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def _error(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def worker(
    impl: str, *, storage: str, place: str, trials: int | None, seconds: float | None
) -> dict[str, Any]:
    """Be one of them, until it has run its trials or the time is over."""
    module = load(impl)
    study = module.load_study(
        study_name=_NAME,
        storage=storage_of(module, storage, place),
        sampler=module.samplers.RandomSampler(),
    )
    numbers: list[int] = []

    def objective(trial: Any) -> float:
        value = suggest_floats(trial, 5)
        numbers.append(trial.number)
        return value

    _when_told()
    error = None
    try:
        study.optimize(objective, n_trials=trials, timeout=seconds)
    except Exception as exc:
        error = _error(exc)
    return {"numbers": numbers, "error": error}


def together(
    impl: str,
    *,
    storage: str,
    place: str,
    processes: int,
    trials: int | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Let processes run trials of five parameters; count what is lost, doubled or refused."""
    module = load(impl)
    at = storage_of(module, storage, place)
    module.create_study(study_name=_NAME, storage=at)
    arguments = {
        "impl": impl,
        "storage": storage,
        "place": place,
        "trials": trials,
        "seconds": seconds,
    }
    took, said = _workers(processes, "processes:worker", arguments)
    numbers = [number for one in said for number in one["numbers"]]
    errors = [one["error"] for one in said if one["error"]]
    stored = module.load_study(study_name=_NAME, storage=at).get_trials(deepcopy=False)
    complete = {trial.number for trial in stored if trial.state.name == "COMPLETE"}
    return {
        "rate": len(complete) / took,
        "trials": len(complete),
        "seconds": took,
        "lost": len(set(numbers) - complete) + len(set(range(len(stored))) ^ set(numbers)),
        "doubled": len(numbers) - len(set(numbers)),
        "errors": len(errors),
        "first_error": min(errors, default=""),
    }


# -- enqueued trials ----------------------------------------------------------------------------


def claiming_worker(
    impl: str, *, storage: str, place: str, workers: int, trials: int
) -> dict[str, Any]:
    """Be one of the processes that claim enqueued trials, with `workers` at once."""
    module = load(impl)
    at = storage_of(module, storage, place, threads=workers)
    sampler = module.samplers.RandomSampler()
    ran: list[int] = []

    def objective(trial: Any) -> float:
        ran.append(trial.suggest_int("index", 0, 1_000_000))
        return 0.0

    async def coroutine(trial: Any) -> float:
        return objective(trial)

    async def main() -> None:
        study = await module.aio.load_study(study_name=_NAME, storage=at, sampler=sampler)
        _when_told()
        await study.optimize(coroutine, n_trials=trials, n_jobs=workers)

    error = None
    try:
        if impl == "ahpo":
            import ahpo.aio  # noqa: F401

            asyncio.run(main())
        else:
            study = module.load_study(study_name=_NAME, storage=at, sampler=sampler)
            _when_told()
            study.optimize(objective, n_trials=trials, n_jobs=workers)
    except Exception as exc:
        error = _error(exc)
    return {"ran": ran, "error": error}


def claiming(
    impl: str, *, storage: str, place: str, processes: int, workers: int, trials: int
) -> dict[str, Any]:
    """Let `processes` of `workers` each run enqueued trials; count those run twice or never."""
    module = load(impl)
    study = module.create_study(study_name=_NAME, storage=storage_of(module, storage, place))
    for index in range(trials):
        study.enqueue_trial({"index": index})
    arguments = {
        "impl": impl,
        "storage": storage,
        "place": place,
        "workers": workers,
        "trials": trials // processes,
    }
    took, said = _workers(processes, "processes:claiming_worker", arguments)
    runs = Counter(index for one in said for index in one["ran"])
    errors = [one["error"] for one in said if one["error"]]
    return {
        "rate": sum(runs.values()) / took,
        "trials": sum(runs.values()),
        "seconds": took,
        "lost": sum(runs[index] == 0 for index in range(trials)),
        "doubled": sum(max(runs[index] - 1, 0) for index in range(trials)),
        "errors": len(errors),
        "first_error": min(errors, default=""),
    }
