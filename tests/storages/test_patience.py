"""How long a storage is waited for: not at all where none has ever answered."""

from __future__ import annotations

import asyncio
import contextvars
import gc

import pytest

from ahpo.exceptions import StorageInternalError
from ahpo.states import StudyDirection
from ahpo.storages.exchange import StorageUnavailable, StorageUnreachable
from ahpo.storages.patience import Patience, patiently
from ahpo.storages.replicated import ReplicatedStorage
from ahpo.storages.thread import storage_thread
from tests.storages.toy_backend import ToyServer

MINIMIZE = StudyDirection.MINIMIZE


class Time:
    """Be a clock, and a sleep by which it goes on at once."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def failing(time: Time, error: Exception, n_times: int, took: float = 0.0):
    """Return work that fails so many times, and what it was called with."""
    calls: list[bool] = []

    async def work(repeated: bool) -> str:
        calls.append(repeated)
        time.now += took
        if len(calls) <= n_times:
            raise error
        return "done"

    return work, calls


@pytest.mark.asyncio
@pytest.mark.parametrize("was_there", [False, True])
async def test_where_nothing_has_ever_answered_nothing_is_waited_for(was_there: bool) -> None:
    time = Time()
    patience = Patience(10.0, 0.5, 2.0, time.sleep, time)
    work, calls = failing(time, StorageUnreachable("nothing answers"), 3)

    if was_there:
        assert await patiently(work, patience, was_there) == "done"
        assert calls == [False, True, True, True]
    else:
        with pytest.raises(StorageInternalError, match="^nothing answers$"):
            await patiently(work, patience, was_there)
        assert (calls, time.now) == ([False], 0.0)


@pytest.mark.asyncio
async def test_a_place_that_is_busy_at_first_is_waited_for() -> None:
    time = Time()
    work, calls = failing(time, StorageUnavailable("busy"), 3)

    assert await patiently(work, Patience(10.0, 0.5, 2.0, time.sleep, time), False) == "done"
    assert calls == [False, True, True, True]


@pytest.mark.asyncio
async def test_the_time_that_attempts_take_counts_but_for_the_first() -> None:
    """The first one may have waited, long enough for all, on a connection that was dead."""
    time = Time()
    patience = Patience(60.0, 0.5, 2.0, time.sleep, time)
    work, calls = failing(time, StorageUnavailable("no answer"), 1, took=120.0)
    assert await patiently(work, patience) == "done"

    work, calls = failing(time, StorageUnavailable("no answer"), 100, took=29.0)
    with pytest.raises(StorageInternalError, match="could not be reached for 90 s: no answer"):
        await patiently(work, patience)
    assert len(calls) == 4


@pytest.mark.asyncio
async def test_a_storage_that_was_there_is_waited_for() -> None:
    server, time = ToyServer(), Time()
    storage = ReplicatedStorage(server.backend, patience=Patience(10.0, 0.5, 2.0, time.sleep, time))
    store = await storage.create_study("study", [MINIMIZE])
    server.fail_before = [StorageUnreachable("restarting")] * 3
    await store.start(0)
    assert time.now == 3.5
    await storage.aclose()


@pytest.mark.asyncio
async def test_a_storage_that_nobody_has_any_more_is_closed() -> None:
    """Plain code closes nothing, so this is how its connections end."""
    closed = asyncio.Event()
    here, server = asyncio.get_running_loop(), ToyServer()

    def make_backend():
        backend = server.backend()
        backend.aclose = aclose  # type: ignore[method-assign]
        return backend

    async def aclose() -> None:
        here.call_soon_threadsafe(closed.set)

    storage = ReplicatedStorage(make_backend)
    store = await storage.create_study("study", [MINIMIZE])
    await store.start(0)
    key = id(storage)
    assert key in storage_thread()._farewells

    del storage, store
    async with asyncio.timeout(10.0):
        while not closed.is_set():  # the storages' thread may just be putting its work away
            gc.collect()
            await asyncio.sleep(0)
    assert key not in storage_thread()._farewells


def test_what_storages_do_keeps_nothing_of_the_context_of_who_asked() -> None:
    """It goes on for long, with leases to be renewed, when what was asked for is done."""
    held: contextvars.ContextVar[str] = contextvars.ContextVar("held")

    async def look() -> str | None:
        return held.get(None)

    def ask() -> str | None:
        held.set("by who asked")
        return storage_thread().run(look).result()

    assert contextvars.copy_context().run(ask) is None
