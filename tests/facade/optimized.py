"""The same optimization by either face, with the kind of objective that belongs to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ahpo
from ahpo import aio

__all__ = ("FACES", "Optimize")

# Runs an objective, and returns the study.
Optimize = Callable[..., Any]


def _plainly(
    objective: Callable[[Any], float], n_trials: int, n_jobs: int = 1, **parts: Any
) -> Any:
    study = ahpo.create_study(**parts)
    study.optimize(objective, n_trials=n_trials, n_jobs=n_jobs)
    return study


def _awaited(
    objective: Callable[[Any], float], n_trials: int, n_jobs: int = 1, **parts: Any
) -> Any:
    async def awaited_objective(trial: Any) -> float:
        await asyncio.sleep(0)
        value = objective(trial)
        await asyncio.sleep(0)
        return value

    async def main() -> Any:
        async with aio.create_study(**parts) as study:
            await study.optimize(awaited_objective, n_trials=n_trials, n_jobs=n_jobs)
            return study

    return asyncio.run(main())


FACES: dict[str, Optimize] = {"ahpo": _plainly, "ahpo.aio": _awaited}
