"""Rows on many objectives at once that only wait, as calls of remote services do."""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from typing import Any

from benchmarks.speed.work import SEED, load, suggest_mixed


def waiting(impl: str, *, jobs: int, wait: float, trials: int) -> dict[str, float]:
    """Time `trials` objectives that wait, `jobs` at a time; tell which share of the ideal it is."""
    module = load(impl)
    sampler = module.samplers.RandomSampler(seed=SEED)
    ideal = wait * -(-trials // jobs)
    running = most = 0

    def enter(trial: Any) -> float:
        nonlocal running, most
        value = suggest_mixed(trial)
        running += 1
        most = max(most, running)
        return value

    def leave(value: float) -> float:
        nonlocal running
        running -= 1
        return value

    async def coroutine(trial: Any) -> float:
        value = enter(trial)
        await asyncio.sleep(wait)
        return leave(value)

    def threaded(trial: Any) -> float:
        value = enter(trial)
        time.sleep(wait)
        return leave(value)

    async def main() -> float:
        study = await module.aio.create_study(sampler=sampler)
        start = time.perf_counter()
        await study.optimize(coroutine, n_trials=trials, n_jobs=jobs)
        return time.perf_counter() - start

    if impl == "ahpo":
        import ahpo.aio  # noqa: F401  (a module of its own, which `import ahpo` may leave alone)

        seconds = asyncio.run(main())
    else:
        study = module.create_study(sampler=sampler)
        start = time.perf_counter()
        study.optimize(threaded, n_trials=trials, n_jobs=jobs)
        seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"seconds": seconds, "share": ideal / seconds, "peak_bytes": peak, "at_once": most}
