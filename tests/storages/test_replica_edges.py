"""What comes at the worst of moments: interruptions, closing, refusals that nobody waits for."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

import ahpo
from ahpo import aio
from ahpo.engine.drive import drive
from ahpo.history.facts import StudyUserAttrSet, UserAttrSet
from ahpo.states import StudyDirection, TrialState
from ahpo.storages.replicated import ReplicatedStorage
from ahpo.storages.thread import StorageThread
from tests.storages.toy_backend import ToyServer

MINIMIZE, NOW = StudyDirection.MINIMIZE, 10**15


@pytest.mark.parametrize("when", ["before", "after"])
def test_ctrl_c_as_the_storages_are_woken_does_not_stall_them(
    when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = ReplicatedStorage(ToyServer().backend)
    store = drive(storage.create_study("study", [MINIMIZE]))
    soon, interrupted = StorageThread.soon, []

    def interrupted_soon(self: StorageThread, *args: Any) -> None:
        if when == "after" or interrupted:
            soon(self, *args)
        if not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt

    monkeypatch.setattr(StorageThread, "soon", interrupted_soon)
    with pytest.raises(KeyboardInterrupt):
        drive(store.refresh())
    assert asyncio.run(asyncio.wait_for(_started(store), 10.0)) == 0
    drive(storage.aclose())


async def _started(store: Any) -> int:
    number: int = await store.start(NOW)
    return number


@pytest.mark.asyncio
async def test_closing_a_storage_while_trials_run_loses_none_of_them() -> None:
    server = ToyServer()
    storage = ReplicatedStorage(server.backend)
    study = await aio.create_study(storage=storage, study_name="study")

    async def objective(trial: Any) -> float:
        await asyncio.sleep(0)
        return float(trial.suggest_float("x", 0, 1))

    run = asyncio.create_task(study.optimize(objective, n_trials=200, n_jobs=10))
    while not run.done():
        await storage.aclose()
    await run
    states = Counter(trial.state for trial in study.get_trials(deepcopy=False))
    assert states == {TrialState.COMPLETE: 200}
    await storage.aclose()


@pytest.mark.asyncio
async def test_attributes_are_at_once_what_others_will_read() -> None:
    storage = ReplicatedStorage(ToyServer().backend)
    store = await storage.create_study("study", [MINIMIZE])
    number = await store.start(NOW)
    value = {1: (1, 2)}
    store.record(UserAttrSet(number, "k", value))
    store.record(StudyUserAttrSet("k", value))
    value.clear()
    assert store.history.record(number).user_attrs == {"k": {"1": [1, 2]}}
    assert store.history.user_attrs == {"k": {"1": [1, 2]}}
    await storage.aclose()


def test_to_tell_a_trial_that_somebody_else_has_finished_meanwhile() -> None:
    server = ToyServer()
    one, other = (ReplicatedStorage(server.backend) for _ in range(2))
    study = ahpo.create_study(storage=one, study_name="study")
    trial = study.ask()
    ahpo.load_study(study_name="study", storage=other).tell(trial.number, 1.0)
    assert study.tell(trial, 2.0, skip_if_finished=True).value == 1.0
    later = study.ask()
    ahpo.load_study(study_name="study", storage=other).tell(later.number, 1.0)
    with pytest.raises(ValueError, match="Cannot tell a COMPLETE trial"):
        study.tell(later, 2.0)
    drive(one.aclose())
    drive(other.aclose())
