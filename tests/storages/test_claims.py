"""Many workers share a queue of trials: each of them is run exactly once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ahpo import aio
from ahpo.samplers import RandomSampler
from ahpo.states import TrialState
from ahpo.storages import JournalFileBackend, JournalRedisBackend, JournalStorage, RDBStorage
from ahpo.storages.protocol import Storage

N_WORKERS, N_HANDLES, N_QUEUED = 100, 8, 200


@pytest.fixture(params=["sqlite", "postgresql", "mysql", "journal", "redis"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Storage]:
    """Return what makes one more handle, as another process has it."""
    kind = request.param
    if kind == "sqlite":
        return lambda: RDBStorage(f"sqlite:///{tmp_path}/study.db")
    if kind == "journal":
        return lambda: JournalStorage(JournalFileBackend(str(tmp_path / "study.journal")))
    url = request.getfixturevalue(f"{kind}_url")
    if kind == "redis":
        return lambda: JournalStorage(JournalRedisBackend(url))
    return lambda: RDBStorage(url)


@pytest.mark.asyncio
async def test_each_enqueued_trial_is_run_exactly_once(connect: Callable[[], Storage]) -> None:
    storages = [connect() for _ in range(N_HANDLES)]
    study = await aio.create_study(storage=storages[0], study_name="study")
    await asyncio.gather(*(study.enqueue_trial({"x": float(n)}) for n in range(N_QUEUED)))
    ran: Counter[float] = Counter()

    async def objective(trial: Any) -> float:
        x: float = trial.suggest_float("x", 0.0, 1000.0)
        ran[x] += 1
        await asyncio.sleep(0)
        return x

    async def work(place: int) -> None:
        share = range(place, N_WORKERS, N_HANDLES)
        one = await aio.load_study(
            storage=storages[place], study_name="study", sampler=RandomSampler(seed=place)
        )
        n_trials = sum(len(range(worker, N_QUEUED, N_WORKERS)) for worker in share)
        await one.optimize(objective, n_trials=n_trials, n_jobs=len(share))

    async with asyncio.timeout(60.0):
        await asyncio.gather(*map(work, range(N_HANDLES)))
    assert ran == Counter({float(n): 1 for n in range(N_QUEUED)})
    await study.refresh()
    trials = study.trials
    assert [trial.number for trial in trials] == list(range(N_QUEUED))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert Counter(trial.value for trial in trials) == ran
    for storage in storages:
        await storage.aclose()
