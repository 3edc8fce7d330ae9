"""Facts that nobody waits for: one look at what lingers is enough for all of them."""

from __future__ import annotations

from typing import Any

import pytest

from ahpo.history.facts import ValueReported
from ahpo.storages import replica
from ahpo.storages.exchange import Write
from ahpo.storages.replica import ReplicaStore
from ahpo.storages.replicated import ReplicatedStorage
from ahpo.storages.thread import storage_thread
from ahpo.testing.storage_handles import MINIMIZE, NOW
from tests.storages.toy_backend import ToyServer

pytestmark = pytest.mark.asyncio


def steps_written(server: ToyServer) -> list[int]:
    ops: list[Any] = [op for request in server.requests for op in request.ops]
    facts = [op.fact for op in ops if isinstance(op, Write)]
    return [fact.step for fact in facts if isinstance(fact, ValueReported)]


async def test_facts_share_the_look_that_the_first_of_them_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replica, "LINGER", 1000.0)
    server = ToyServer()
    storage = ReplicatedStorage(server.backend)
    store = await storage.create_study("study", [MINIMIZE])
    assert isinstance(store, ReplicaStore)
    number = await store.start(NOW)
    thread = storage_thread()
    looks: list[object] = []

    async def watch_looks() -> None:
        call_later = thread.loop.call_later

        def counted(delay: float, callback: Any, *args: Any) -> object:
            if delay == replica.LINGER:
                looks.append(callback)
            return call_later(delay, callback, *args)

        monkeypatch.setattr(thread.loop, "call_later", counted)

    async def look() -> None:
        store._begin_unasked()

    async def nothing() -> None:
        """End when the thread has done what it was told before."""

    await thread.run(watch_looks)
    for step in range(3):
        store.record(ValueReported(number, step, 1.0))
        await store.sync()
        await thread.run(nothing)
    store.record(ValueReported(number, 3, 1.0))
    await thread.run(look)  # as it does after its time
    await store.sync()
    await thread.run(nothing)
    assert steps_written(server) == [0, 1, 2, 3]
    assert len(looks) == 1
    store.record(ValueReported(number, 4, 1.0))
    await store.sync()
    assert len(looks) == 2
    await storage.aclose()
