"""Any exchange of a study fails, is slow or breaks: nothing hangs, and nothing is lost."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

import ahpo
from ahpo.exceptions import StorageInternalError
from ahpo.states import TrialState
from ahpo.storages.exchange import StorageUnavailable
from ahpo.storages.patience import Patience
from ahpo.storages.replicated import ReplicatedStorage
from tests.outages.checking import BRIEF, Told, assert_whole, created, opened, place_of
from tests.outages.faulty_backend import Fault, with_faults
from tests.storages.toy_backend import ToyServer

pytestmark = pytest.mark.asyncio

N = 8
SOON = Patience(total=0.05, first=0.0005, longest=0.001)
FOR_EVER = 10**6


def _away() -> Exception:
    return StorageUnavailable("the server is away")


class Defect(Exception):
    """Be an error that no storage expects."""


async def _run(url: str, fault: Fault) -> tuple[Told, BaseException | None]:
    """Run a study through the fault; return what was told, and how `optimize` ended."""
    storage, told, error = with_faults(place_of(url), fault), Told(), None
    storage.patience = SOON if fault.last == FOR_EVER else BRIEF
    told.go_on.set()
    study = await created(storage)
    try:
        async with asyncio.timeout(20.0):
            await study.optimize(told.objective(0), n_trials=N, n_jobs=3, callbacks=[told.note])
    except (StorageInternalError, Defect) as raised:
        error = raised
    fault.first = fault.last = 0
    await study.optimize(told.objective(0), n_trials=1, callbacks=[told.note])
    await storage.aclose()
    return told, error


async def _resume(url: str, told: Told) -> None:
    """Somebody else goes on: whatever was left running is failed, since its lease has expired."""
    later = place_of(url, grace_period=1e-6)
    study = await opened(later)
    await study.optimize(told.objective(0), n_trials=1, callbacks=[told.note])
    await later.aclose()
    await assert_whole(url, told.values)


@pytest.mark.parametrize("kind", ["sqlite:///", "journal:"])
@pytest.mark.parametrize("after", [False, True], ids=["refused", "answer lost"])
async def test_exchange_that_fails_once_is_not_noticed(
    kind: str, after: bool, tmp_path: Path
) -> None:
    n, reached = 1, True
    while reached:
        url, fault = f"{kind}{tmp_path}/{n}", Fault(n, n, _away, after)
        told, error = await _run(url, fault)
        assert error is None
        assert len(told.values) == N + 1
        await _resume(url, told)
        reached, n = fault.count >= n, n + 1
    assert n > N


@pytest.mark.parametrize("kind", ["sqlite:///", "journal:"])
@pytest.mark.parametrize("after", [False, True], ids=["refused", "answer lost"])
@pytest.mark.parametrize("error", [_away, Defect], ids=["away for ever", "defect"])
async def test_exchange_that_fails_for_good_is_one_clear_error_and_the_study_resumes(
    kind: str, after: bool, error: Any, tmp_path: Path
) -> None:
    for n in range(2, 10):
        url = f"{kind}{tmp_path}/{n}"
        told, raised = await _run(url, Fault(n, FOR_EVER, error, after))
        if error is Defect:
            assert isinstance(raised, Defect)
        else:
            assert isinstance(raised, StorageInternalError)
            assert "could not be reached for 0 s: the server is away" in str(raised)
        await _resume(url, told)


async def test_slow_storage_makes_larger_batches_and_loses_nothing(tmp_path: Path) -> None:
    url, fault, told = f"sqlite:///{tmp_path}/file.db", Fault(seconds=0.05), Told()
    storage = with_faults(place_of(url), fault)
    study = await created(storage)
    told.go_on.set()
    await study.optimize(told.objective(0), n_trials=300, n_jobs=100, callbacks=[told.note])
    assert fault.count < 60
    await storage.aclose()
    assert len(await assert_whole(url, told.values)) == 300


async def test_all_who_wait_for_a_storage_that_is_away_are_told_the_same() -> None:
    fault = Fault()
    storage = with_faults(ReplicatedStorage(ToyServer().backend), fault)
    storage.patience = SOON
    study = await created(storage)
    trials = [await study.ask() for _ in range(20)]
    fault.first, fault.last, fault.error = 1, FOR_EVER, _away
    async with asyncio.timeout(20.0):
        told = await asyncio.gather(
            *(study.tell(trial, 1.0) for trial in trials),
            *(study.ask() for _ in range(20)),
            return_exceptions=True,
        )
    assert {(type(error), str(error)) for error in told} == {
        (
            StorageInternalError,
            "The storage could not be reached for 0 s: the server is away",
        )
    }
    fault.last = 0
    for trial in trials:
        await study.tell(trial, 1.0)
    await storage.aclose()


async def test_who_has_waited_in_vain_does_not_wait_again_until_the_storage_answers() -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    fault = Fault()
    storage = with_faults(ReplicatedStorage(ToyServer().backend), fault)
    storage.patience = Patience(10.0, 1.0, 1.0, pause)
    study = await created(storage)
    fault.first, fault.last, fault.error = 1, FOR_EVER, _away
    for n_pauses in (10, 10):
        with pytest.raises(StorageInternalError, match="could not be reached for 10 s"):
            await study.ask()
        assert len(pauses) == n_pauses
    fault.last = 0
    await study.ask()
    fault.last = FOR_EVER
    with pytest.raises(StorageInternalError, match="could not be reached for 10 s"):
        await study.ask()
    assert len(pauses) == 20
    fault.last = 0
    await storage.aclose()


async def test_attempts_that_hang_count_as_waiting() -> None:
    now = [0.0]

    def hung() -> Exception:
        now[0] += 30.0
        return _away()

    fault = Fault()
    storage = with_faults(ReplicatedStorage(ToyServer().backend), fault)
    study = await created(storage)
    fault.first, fault.last, fault.error, fault.count = 1, FOR_EVER, hung, 0
    storage.patience = Patience(60.0, 0.001, 0.001, clock=lambda: now[0])
    with pytest.raises(StorageInternalError, match="for 60 s"):
        await study.ask()
    assert fault.count == 3  # the first one may have waited for a connection that was dead
    fault.last = 0
    await storage.aclose()


class Careless:
    """Be a watcher with a defect."""

    def lost(self, numbers: Any) -> None:
        raise Defect(f"{numbers} are lost")

    def stale(self, *numbers: Any) -> None:
        raise Defect(f"{numbers} are stale")


async def test_defect_of_who_is_told_of_lost_trials_leaves_nobody_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = ToyServer()
    here, there = (ReplicatedStorage(server.backend) for _ in range(2))
    study = await created(here)
    careless = Careless()
    store = await here.open_study("study")
    store.watch(careless)
    trial = await study.ask()
    await (await opened(there)).tell(trial.number, 1.0)
    with caplog.at_level(logging.ERROR):
        async with asyncio.timeout(20.0):
            for n in (20, 1):  # who asks while it goes wrong may be told
                await asyncio.gather(*(study.refresh() for _ in range(n)), return_exceptions=True)
            await study.refresh()
    assert "Defect: [0] are lost" in caplog.text
    assert study.trials[0].state is TrialState.COMPLETE
    assert (await study.ask()).number == 1
    await here.aclose()
    await there.aclose()


async def test_callback_for_stale_trials_that_fails_is_said_and_leases_are_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = ToyServer()
    here, there = (ReplicatedStorage(server.backend) for _ in range(2))
    here.on_stale_trial = Careless().stale  # type: ignore[attr-defined]
    study = await created(here)
    stale = await (await opened(there)).ask()
    mine = await study.ask()
    server.time = 1000.0
    store: Any = study._session.store
    ahpo.logging.enable_propagation()
    with caplog.at_level(logging.ERROR, "ahpo"):
        await store.renew()
    ahpo.logging.disable_propagation()
    assert "The callback for trials whose leases have expired failed" in caplog.text
    states = [trial.state for trial in study.trials]
    assert (states[stale.number], states[mine.number]) == (TrialState.FAIL, TrialState.RUNNING)
    await here.aclose()
    await there.aclose()
