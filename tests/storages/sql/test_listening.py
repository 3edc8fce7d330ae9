"""Who runs a trial that somebody else finishes, hears of it from PostgreSQL at once."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from ahpo import aio
from ahpo.samplers import RandomSampler
from ahpo.states import TrialState
from ahpo.storages import RDBStorage
from ahpo.storages.exchange import Reap
from ahpo.storages.leases import LEASES, Leases
from ahpo.storages.sql.listening import channel_of
from ahpo.storages.sql.url import backend_of
from tests.servers.queries import CONNECT
from tests.storages.sql.peer import NOW, created, opened
from tests.storages.test_replica import Turns

pytestmark = pytest.mark.asyncio

LIMIT = 20.0  # seconds for what is immediate, and would take a minute if nobody listened
CHANNEL = channel_of(1)  # of the first study of a database


class Handles:
    """Open one study in several places, as several processes do."""

    def __init__(self) -> None:
        self.storages: list[RDBStorage] = []

    def storage(self, url: str, leases: Leases = LEASES) -> RDBStorage:
        self.storages.append(RDBStorage(url))
        self.storages[-1].leases = leases
        return self.storages[-1]

    async def create(self, url: str, leases: Leases = LEASES) -> Any:
        return await aio.create_study(
            storage=self.storage(url, leases), study_name="study", sampler=RandomSampler(seed=0)
        )

    async def load(self, url: str) -> Any:
        return await aio.load_study(storage=self.storage(url), study_name="study")


@pytest_asyncio.fixture
async def handles() -> AsyncIterator[Handles]:
    handles = Handles()
    yield handles
    for storage in handles.storages:
        await storage.aclose()


@asynccontextmanager
async def running(study: Any) -> AsyncIterator[None]:
    """Run a trial that waits for ever and never looks; leave when it has been cancelled."""
    begun = asyncio.Event()

    async def objective(trial: Any) -> float:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError("nothing ends this wait")

    async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
        group.create_task(study.optimize(objective, n_trials=1))
        await begun.wait()
        await study.refresh()  # whatever it does of itself when a trial starts, is done
        yield


def ends(study: Any) -> list[tuple[TrialState, float | None]]:
    return [(trial.state, trial.value) for trial in study.trials]


@asynccontextmanager
async def observer(url: str) -> AsyncIterator[tuple[Any, Callable[[], Any]]]:
    """Give a connection of one's own, and what counts the notifications up to now."""
    connection = await CONNECT["postgresql"](url)
    heard: list[str] = []
    arrived = asyncio.Event()

    def hear(connection: Any, pid: int, channel: str, payload: str) -> None:
        heard.append(payload)
        if payload == "end":
            arrived.set()

    async def count() -> int:
        arrived.clear()
        await connection.execute(f"NOTIFY {CHANNEL}, 'end'")  # they arrive in their order
        await asyncio.wait_for(arrived.wait(), LIMIT)
        n = len(heard) - 1
        heard.clear()
        return n

    await connection.add_listener(CHANNEL, hear)
    try:
        yield connection, count
    finally:
        await connection.close()


async def test_coroutine_is_cancelled_as_soon_as_its_trial_is_told_elsewhere(
    postgresql_url: str, handles: Handles
) -> None:
    study = await handles.create(postgresql_url)
    there = await handles.load(postgresql_url)
    for number in range(2):
        async with running(study):
            await there.tell(number, 5.0)
    assert ends(study) == [(TrialState.COMPLETE, 5.0)] * 2


async def test_coroutine_is_cancelled_as_soon_as_its_trial_is_reaped(
    postgresql_url: str, handles: Handles
) -> None:
    study = await handles.create(postgresql_url)
    backend = backend_of(postgresql_url)
    peer = await opened(backend)
    async with running(study):
        assert await peer.reap(-3600.0) == [0]
    assert ends(study) == [(TrialState.FAIL, None)]
    await backend.aclose()


async def test_connection_that_listened_and_was_killed_is_made_again_at_the_next_renewal(
    postgresql_url: str, handles: Handles
) -> None:
    turns = Turns()
    study = await handles.create(postgresql_url, Leases(60.0, 120.0, turns))
    there = await handles.load(postgresql_url)
    async with observer(postgresql_url) as (connection, _), running(study):
        await asyncio.to_thread(turns.waiting.acquire)
        killed = await connection.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert killed
        await asyncio.to_thread(turns.next)
        await there.tell(0, 5.0)
    assert ends(study) == [(TrialState.COMPLETE, 5.0)]
    turns.last()


async def test_behind_a_pooler_the_next_renewal_is_what_tells(
    pgbouncer_url: str, handles: Handles
) -> None:
    turns = Turns()
    study = await handles.create(pgbouncer_url, Leases(60.0, 120.0, turns))
    there = await handles.load(pgbouncer_url)
    async with running(study):
        await asyncio.to_thread(turns.waiting.acquire)
        await there.tell(0, 5.0)
        await asyncio.to_thread(turns.next)
    assert ends(study) == [(TrialState.COMPLETE, 5.0)]
    turns.last()


async def test_server_that_can_not_be_listened_to_is_asked_at_each_renewal(
    postgresql_url: str, handles: Handles, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def add_listener(*args: object) -> None:
        refused.append(args)
        raise asyncpg.FeatureNotSupportedError("there is no LISTEN here")

    refused: list[object] = []
    monkeypatch.setattr(asyncpg.Connection, "add_listener", add_listener)
    turns = Turns()
    study = await handles.create(postgresql_url, Leases(60.0, 120.0, turns))
    there = await handles.load(postgresql_url)
    async with running(study):
        await asyncio.to_thread(turns.waiting.acquire)
        await there.tell(0, 5.0)
        await asyncio.to_thread(turns.next)
    assert ends(study) == [(TrialState.COMPLETE, 5.0)]
    assert len(refused) == 1
    turns.last()


async def test_only_the_end_of_a_running_trial_of_somebody_else_is_announced(
    postgresql_url: str, handles: Handles
) -> None:
    study = await handles.create(postgresql_url)
    async with observer(postgresql_url) as (_, count):

        async def objective(trial: Any) -> float:
            trial.report(1.0, 1)
            await trial.should_prune()
            return float(trial.suggest_float("x", 0.0, 1.0))

        await study.enqueue_trial({"x": 0.5})
        await study.optimize(objective, n_trials=20, n_jobs=5)
        assert await count() == 0
        mine = await study.ask()
        there = await handles.load(postgresql_url)
        await there.tell(mine.number, 1.0)
        assert await count() == 1
        backend = backend_of(postgresql_url)
        peer = await opened(backend)
        await study.ask()
        await peer.ask(Reap(3600.0, NOW, "gone"))  # nothing to reap
        assert await count() == 0
        await peer.ask(Reap(-3600.0, NOW, "gone"))
        assert await count() == 1
        await backend.aclose()


async def test_connection_listens_while_it_is_wanted_and_no_longer(postgresql_url: str) -> None:
    backend: Any = backend_of(postgresql_url)
    one, two = await created(backend, "one"), await created(backend, "two")
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def channels() -> set[str]:
        (connection,) = backend._idle  # listening takes no connection of its own
        return {row[0] for row in await connection.fetch("SELECT pg_listening_channels()")}

    names = [channel_of(peer.link.study_id) for peer in (one, two)]
    assert one.link.listen(lambda: heard.put_nowait("one"))
    assert two.link.listen(lambda: heard.put_nowait("two"))
    assert await channels() == set()
    await one.ask()
    assert await channels() == set(names)
    async with observer(postgresql_url) as (connection, _):
        await connection.execute(f"NOTIFY {names[1]}")
        await connection.execute(f"NOTIFY {names[0]}")
    async with asyncio.timeout(LIMIT):
        assert [await heard.get(), await heard.get()] == ["two", "one"]
    await one.link.aclose()
    await two.ask()
    assert await channels() == {names[1]}
    del two
    gc.collect()  # who is gone hears nothing
    await one.ask()
    assert await channels() == set()
    await backend.aclose()


async def test_nothing_listens_when_no_trial_has_run_for_a_while(
    postgresql_url: str, handles: Handles
) -> None:
    turns = Turns()
    study = await handles.create(postgresql_url, Leases(60.0, 120.0, turns))
    trial = await study.ask()
    await study.refresh()
    await asyncio.to_thread(turns.waiting.acquire)
    backend: Any = handles.storages[0]._backend
    assert list(backend._ears._listening) == [CHANNEL]
    await asyncio.to_thread(turns.next)
    assert list(backend._ears._listening) == [CHANNEL]
    await study.tell(trial, 1.0)
    await asyncio.to_thread(turns.next)
    assert not backend._ears._listening
    await study.ask()
    await study.refresh()
    assert list(backend._ears._listening) == [CHANNEL]
    await study.aclose()
    assert not backend._ears._wanted
    turns.last()
