"""A request whose response was lost is sent again, and finds what it has done."""

from __future__ import annotations

import pytest

from ahpo.storages.exchange import Backend, Create, Op, Request, Start
from ahpo.storages.sql.mysql import MySQLBackend
from ahpo.testing.storage_handles import complete, waiting
from tests.storages.sql.conftest import Another
from tests.storages.sql.peer import NOW, UNIT, created, observed, opened

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("lease", [False, True])
async def test_repeated_request_adds_and_starts_nothing_that_it_has_added_and_started_before(
    backend: Backend, another: Another, lease: bool
) -> None:
    if isinstance(backend, MySQLBackend):  # which keeps no fractions of a second
        starts: tuple[Start, ...] = ()
    else:
        starts = (Start(NOW + 1, lease), Start(NOW + 2, lease), Start(NOW + 3, lease))
    peer = await created(backend)
    await peer.create(waiting())
    enqueued = waiting(system_attrs={"fixed_params": {"x": (1, 2.5), "y": None}})
    added = complete(params={"x": 0.5}, distributions={"x": UNIT}, user_attrs={"b": 1, "a": {}})
    ops: tuple[Op, ...]
    ops = (Create((enqueued, enqueued)), *starts[:2], Create((enqueued, added)), *starts[2:])
    response = await peer.link.exchange(Request(ops, peer.seen))  # and is lost
    other = await opened(another())
    await other.start()
    await other.create(waiting())
    before = await observed(another())
    assert await peer.ask(*ops, repeated=True) == response.answers
    assert await observed(another()) == before == list(peer.trials.values())
    # What had not been done before, is done.
    (number,) = await peer.ask(Start(NOW + 9 * 10**6, lease), repeated=True)
    assert (await observed(another()))[number].started == NOW + 9 * 10**6
