"""Rows on one process: trials one at a time, and many objectives at once that only wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from benchmarks.speed.work import load, suggest_mixed
from benchmarks.storages.counting import Counter
from benchmarks.storages.places import storage_of

__all__ = ("coroutines", "one_at_a_time")

Figures = dict[str, float]


def _measured(impl: str, counter: Counter, run: Callable[[], int], extra: Callable[[], int]) -> Any:
    """Time `run`, which returns how many trials it ran, and count what a trial takes.

    What is quick is counted apart, in `extra`; what is slow does not notice.
    """
    start, busy = time.perf_counter(), time.process_time()
    if impl == "ahpo":
        n = run()
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        with counter.on():
            counted = extra()
    else:
        with counter.on():
            counted = n = run()
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
    # What the processor had to do hardly depends on who else wants it.
    figures = {"rate": n / seconds, "trials": n, "seconds": seconds, "cpu": busy / max(n, 1)}
    return figures | counter.per_trial(counted)


def one_at_a_time(impl: str, *, storage: str, place: str, seconds: float) -> Figures:
    """Run trials of ten parameters, each with five times report and should_prune by Median."""
    counter = Counter(impl, storage, place)
    module = load(impl)
    study = module.create_study(
        storage=storage_of(module, storage, place),
        sampler=module.samplers.RandomSampler(seed=1),
        pruner=module.pruners.MedianPruner(),
    )
    done = 0

    def objective(trial: Any) -> float:
        nonlocal done
        value = suggest_mixed(trial)
        for step in range(5):
            trial.report(value / (step + 1), step)
            trial.should_prune()  # the answer is not followed: all trials have the same work
        done += 1
        return value

    def run(**limit: Any) -> int:
        before = done
        study.optimize(objective, **limit)
        return done - before

    run(n_trials=2)  # what the first use imports is not measured
    figures: Figures = _measured(
        impl, counter, lambda: run(timeout=seconds), lambda: run(n_trials=200)
    )
    return figures


def coroutines(
    impl: str, *, storage: str, place: str, jobs: int, wait: float, trials: int, seconds: float = 0
) -> Figures:
    """Run objectives that wait, `jobs` at a time: as coroutines, or in Optuna's threads.

    :param trials: how many; of Optuna, at most, since it begins no more of them after `seconds`
    """
    counter = Counter(impl, storage, place)
    module = load(impl)
    at = storage_of(module, storage, place, threads=jobs)
    sampler = module.samplers.RandomSampler(seed=1)
    done = running = most = 0

    def enter(trial: Any) -> float:
        nonlocal running, most
        value = suggest_mixed(trial)
        running += 1
        most = max(most, running)
        return value

    def leave(value: float) -> float:
        nonlocal running, done
        running -= 1
        done += 1
        return value

    async def coroutine(trial: Any) -> float:
        value = enter(trial)
        await asyncio.sleep(wait)
        return leave(value)

    def threaded(trial: Any) -> float:
        value = enter(trial)
        time.sleep(wait)
        return leave(value)

    def of_ahpo(n_trials: int) -> int:
        async def main() -> None:
            study = await module.aio.create_study(
                study_name="waiting", storage=at, sampler=sampler, load_if_exists=True
            )
            await study.optimize(coroutine, n_trials=n_trials, n_jobs=jobs)

        before = done
        asyncio.run(main())
        return done - before

    def of_optuna() -> int:
        study = module.create_study(storage=at, sampler=sampler)
        study.optimize(threaded, n_trials=trials, timeout=seconds, n_jobs=jobs)
        return done

    if impl == "ahpo":
        import ahpo.aio  # noqa: F401  (a module of its own, which `import ahpo` may leave alone)

        of_ahpo(1)
        done = most = 0
        figures = _measured(impl, counter, lambda: of_ahpo(trials), lambda: of_ahpo(5 * jobs))
    else:
        figures = _measured(impl, counter, of_optuna, lambda: 0)
    # The ideal: all trials at once, as many as there are jobs, and then the next ones.
    share = figures["rate"] * wait / jobs
    result: Figures = figures | {"share": share, "at_once": most}
    return result
