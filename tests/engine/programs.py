"""Small programs that run trials in each way there is, to be cancelled or to fail anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from ahpo.aio import AsyncStudy
from ahpo.distributions import BaseDistribution, FloatDistribution
from ahpo.states import TrialState
from tests.engine.studies import assert_clean, states

__all__ = (
    "PROGRAMS",
    "Acknowledged",
    "Program",
    "ask_and_tell",
    "assert_nothing_lost",
    "block",
    "objective",
    "optimize",
    "stream",
)

Program = Callable[[AsyncStudy, "Acknowledged"], Awaitable[None]]
X: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1)}


class Acknowledged:
    """Collect what the study said to have happened."""

    def __init__(self) -> None:
        self.ended: dict[int, float | None] = {}
        self.asked: list[int] = []


async def objective(trial: Any) -> float:
    x: float = trial.suggest_float("x", 0, 1)
    trial.report(x, 0)
    assert not await trial.should_prune()
    await asyncio.sleep(0)
    return x


async def optimize(study: AsyncStudy, said: Acknowledged) -> None:
    async def callback(_: Any, frozen: Any) -> None:
        said.ended[frozen.number] = frozen.value
        await asyncio.sleep(0)

    await study.optimize(objective, n_trials=4, n_jobs=2, callbacks=[callback])


async def stream(study: AsyncStudy, said: Acknowledged) -> None:
    async for frozen in study.stream(objective, n_trials=4, n_jobs=2):
        said.ended[frozen.number] = frozen.value


async def block(study: AsyncStudy, said: Acknowledged) -> None:
    for _ in range(2):
        async with study.trial() as trial:
            value = await objective(trial)
            trial.tell(value)
        said.ended[trial.number] = value


async def ask_and_tell(study: AsyncStudy, said: Acknowledged) -> None:
    for _ in range(2):
        trial = await study.ask(X)
        said.asked.append(trial.number)
        frozen = await study.tell(trial, trial.params["x"])
        said.ended[trial.number] = frozen.value


async def lambda_objective(study: AsyncStudy, said: Acknowledged) -> None:
    """The study finds out late that the objective is async, and carries the trial over."""
    await study.optimize(lambda trial: objective(trial), n_trials=2)


async def timed(study: AsyncStudy, said: Acknowledged) -> None:
    await study.optimize(objective, n_trials=3, n_jobs=2, trial_timeout=3600)


PROGRAMS: tuple[Program, ...] = (optimize, stream, block, ask_and_tell, lambda_objective, timed)


async def assert_nothing_lost(
    study: AsyncStudy, said: Acknowledged, orphans: Collection[int] = ()
) -> None:
    """Assert that what was said to have happened did, that nothing runs, and that it can go on.

    :param orphans: trials that run and that nobody can know of
    """
    running = [t.number for t in study.trials if t.state is TrialState.RUNNING]
    # What runs is theirs who asked for it, and who were stopped at `tell`: they can tell again.
    assert set(running) <= {*said.asked, *orphans}
    for number in running:
        await study.tell(number, 0.5)
    assert_clean(study)
    for number, value in said.ended.items():
        assert study.trials[number].value == value
    n_before = len(study.trials)
    await study.optimize(objective, n_trials=2)
    assert_clean(study)
    assert states(study)[n_before:] == [TrialState.COMPLETE] * 2
