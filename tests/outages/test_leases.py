"""A worker that was killed, or only hung: what others do about its trials, what it learns."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ahpo import aio
from ahpo.states import TrialState
from ahpo.storages import RetryHeartbeatStaleTrialCallback
from tests.faults.program import Program
from tests.outages.checking import created, opened, place_of

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

WORKER = Path(__file__).parent / "worker.py"
LEASES: dict[str, Any] = {"heartbeat_interval": 0.3, "grace_period": 1.0}
LATE = "UpdateFinishedTrialError"
FAIL, WAITING, RUNNING = TrialState.FAIL, TrialState.WAITING, TrialState.RUNNING


@pytest.fixture(params=["sqlite", "postgresql", "journal"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    kind = {"sqlite": "sqlite:///", "journal": "journal:"}[request.param]
    return f"{kind}{tmp_path}/file"


async def test_busy_worker_fails_and_retries_the_trials_of_those_that_were_killed(url: str) -> None:
    """It runs one long trial, and starts none meanwhile."""
    callback = RetryHeartbeatStaleTrialCallback(max_retry=2)
    storage = place_of(url, **LEASES, heartbeat_stale_trial_callback=callback)
    study = await created(storage)
    workers = [Program(WORKER, url, how) for how in ("optimize", "block", "ask")]

    async def objective(trial: aio.AsyncTrial) -> float:
        killed = {int(await asyncio.to_thread(worker.line)) for worker in workers}
        for worker in workers:
            worker.kill()
        other = place_of(url, heartbeat_interval=None)
        watching = await opened(other)
        async with asyncio.timeout(30.0):
            while sum(t.state is WAITING for t in watching.trials) < 3:
                await asyncio.sleep(0.1)
                await watching.refresh()
        await other.aclose()
        trials = watching.trials
        assert killed == {1, 2, 3} == {t.number for t in trials if t.state is FAIL}
        retried = {t.number: t for t in trials if t.state is WAITING}
        assert sorted(retried) == [4, 5, 6]
        histories = [callback.retry_history(trial) for trial in retried.values()]
        assert sorted(histories) == [[1], [2], [3]]
        for again in retried.values():
            (number,) = callback.retry_history(again)
            assert again.params == trials[number].params != {}
        assert "lease" in trials[1].system_attrs["fail_reason"]
        assert trials[0].state is RUNNING
        return 1.0

    await study.optimize(objective, n_trials=1)
    for worker in workers:
        worker.__exit__()
    assert study.trials[0].value == 1.0
    await storage.aclose()


@pytest.mark.parametrize("how", ["optimize", "block", "ask"])
async def test_worker_that_was_only_slow_learns_that_its_trial_is_gone(url: str, how: str) -> None:
    storage = place_of(url, **LEASES)
    study = await created(storage)
    with Program(WORKER, url, how) as worker:
        assert await asyncio.to_thread(worker.line) == "0"
        worker.suspend()
        async with asyncio.timeout(30.0):
            while not (await storage.open_study("study")).history.state(0).is_finished():
                await asyncio.sleep(0.1)
                await (await storage.open_study("study")).reap()
        worker.resume()
        learns = {"optimize": ["cancelled"], "block": ["cancelled", LATE], "ask": [LATE]}[how]
        assert [await asyncio.to_thread(worker.line) for _ in learns] == learns
        assert await asyncio.to_thread(worker.line) == "[(0, 'FAIL', None)]"
        assert await asyncio.to_thread(worker.wait) == 0
    await study.refresh()
    (trial,) = study.trials
    assert trial.state is FAIL
    assert trial.value is None and "lease" in trial.system_attrs["fail_reason"]
    await storage.aclose()
