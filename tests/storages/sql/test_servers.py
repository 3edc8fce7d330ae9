"""Backends of database servers keep their promises when the server or the network fails."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ahpo.exceptions import StorageInternalError, UpdateFinishedTrialError
from ahpo.history.facts import Fact, ParamSet, UserAttrSet, ValueReported
from ahpo.states import TrialState
from ahpo.storages.exchange import Op, Request, Seen, Start, StorageUnavailable
from ahpo.storages.sql.address import parse_url
from ahpo.storages.sql.server import ServerBackend
from ahpo.storages.sql.url import backend_of
from ahpo.testing.cancelling import attempt
from ahpo.testing.storage_handles import complete, waiting
from tests.faults.proxy import Proxy
from tests.storages.sql.conftest import Another
from tests.storages.sql.peer import NOW, UNIT, Peer, completed, created, observed, opened
from tests.storages.sql.trips import trips_of

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=["postgresql", "mysql"])
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def url(request: pytest.FixtureRequest, kind: str) -> str:
    url: str = request.getfixturevalue(f"{kind}_url")
    return url


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    with Proxy(url) as proxy:
        yield proxy


async def _finished(peer: Peer, *ops: Any, **rest: Any) -> list[Any]:
    """Ask as a store does: again, for as long as the storage is not available."""
    for _ in range(200):
        try:
            return await peer.ask(*ops, **rest)
        except StorageUnavailable:
            rest["repeated"] = True
            await asyncio.sleep(0.05)
    raise AssertionError("the storage did not come back")


@pytest.mark.parametrize("n", range(1, 40, 3))
async def test_exchange_that_is_cancelled_at_any_point_happens_whole_or_not_at_all(
    another: Another, n: int
) -> None:
    backend = another()
    peer = await created(backend)
    await peer.create(*[waiting()] * 2)
    number = await peer.start()
    ops: list[Op] = [*peer.writes([UserAttrSet(number, "k", 1), completed(number)])]
    ops += [Start(NOW, False)] * 2
    await attempt(peer.ask(*ops), n)
    found = await observed(another())
    states = [trial.state for trial in found]
    before = [TrialState.RUNNING, TrialState.WAITING]
    after = [TrialState.COMPLETE, TrialState.RUNNING, TrialState.RUNNING]
    assert states in (before, after)
    assert found[0].user_attrs == ({} if states == before else {"k": 1})
    await peer.ask(repeated=True)
    assert await peer.start() == (1 if states == before else 3)


async def test_lost_connection_is_made_anew(proxy: Proxy) -> None:
    backend = backend_of(proxy.url)
    peer = await created(backend)
    await peer.start()
    proxy.cut()
    await _finished(peer, Start(NOW, False))
    numbers = [trial.number for trial in await observed(backend)]
    assert numbers == list(range(len(numbers)))
    await backend.aclose()


async def test_server_that_refuses_connections_is_not_available(proxy: Proxy) -> None:
    backend = backend_of(proxy.url)
    peer = await created(backend)
    proxy.refuse()
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match="is not available|Nothing answers"):
            await peer.start()
    proxy.heal()
    assert await peer.start() == 0
    await backend.aclose()


async def test_server_that_has_gone_deaf_is_not_available(proxy: Proxy, kind: str) -> None:
    timeout = {"postgresql": "command_timeout", "mysql": "read_timeout"}[kind]
    backend = backend_of(proxy.url, {"connect_args": {timeout: 0.3, "timeout": 0.3}})
    peer = await created(backend)
    proxy.go_deaf()
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match="is not available|Nothing answers"):
            await peer.start()
    proxy.heal()
    await _finished(peer, Start(NOW, False))
    await backend.aclose()


@pytest.mark.parametrize("new_param", [True, False])
async def test_answer_that_was_lost_is_made_up_for_by_repeating(
    proxy: Proxy, kind: str, new_param: bool
) -> None:
    backend = backend_of(proxy.url)
    peer = await created(backend)
    number = await peer.start()
    facts: list[Fact] = [UserAttrSet(number, "the key", 1), completed(number)]
    if new_param:  # it has to be compared with those of others: that is not done at once
        facts.insert(0, ParamSet(number, "x", 0.5, UNIT))
    ops = peer.writes(facts)
    proxy.lose_answer(b"COMMIT" if new_param or kind == "mysql" else b"the key")
    with pytest.raises(StorageUnavailable):
        await peer.ask(*ops)
    assert await peer.ask(*ops, repeated=True) == [None] * len(ops)
    (trial,) = await observed(backend)
    assert (trial.state, trial.user_attrs) == (TrialState.COMPLETE, {"the key": 1})
    await backend.aclose()


async def test_what_a_running_trial_does_takes_one_round_trip(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = backend_of(url)
    peer = await created(backend)
    number = await peer.start()
    peer.names |= {"w": UNIT, "x": UNIT}
    # The driver asks for types when it first meets them.
    await peer.ask(*peer.writes([ParamSet(number, "w", 0.5, UNIT), ValueReported(number, 0, 0.5)]))
    trips = trips_of(backend, monkeypatch)
    facts: list[Fact] = [ParamSet(number, "x", 0.5, UNIT), ValueReported(number, 1, 0.25)]
    await peer.ask(*peer.writes(facts))
    await asyncio.sleep(0)  # asyncpg tells afterwards
    assert len(trips) == 1
    (trial,) = await observed(backend)
    assert (trial.params, trial.intermediate_values) == ({"w": 0.5, "x": 0.5}, {0: 0.5, 1: 0.25})
    await backend.aclose()


@pytest.mark.parametrize("kind", ["postgresql"], indirect=False)
async def test_nothing_is_written_at_once_if_somebody_has_finished_one_of_the_trials(
    url: str,
) -> None:
    backend = backend_of(url)
    peer, other = await created(backend), await opened(backend)
    numbers = [await peer.start() for _ in range(2)]
    await other.ask()
    assert await other.ask(*other.writes([completed(numbers[0])])) == [None]
    facts: list[Fact] = [UserAttrSet(number, "k", 1) for number in numbers]
    refused, written = await peer.ask(*peer.writes(facts))
    assert isinstance(refused, UpdateFinishedTrialError)
    assert written is None
    assert [trial.user_attrs for trial in await observed(backend)] == [{}, {"k": 1}]
    await backend.aclose()


async def test_restarted_server_is_used_again(request: pytest.FixtureRequest, kind: str) -> None:
    server = request.getfixturevalue(f"own_{kind}")
    backend = backend_of(server.url)
    peer = await created(backend)
    await peer.start()
    await asyncio.to_thread(server.restart)
    assert await _finished(peer, Start(NOW, False)) == [1]
    await backend.aclose()


async def test_deadlock_may_be_tried_again(another: Another) -> None:
    """Two transactions lock two trials in opposite orders: one of them is told to try again."""
    backend = another()
    peer = await created(backend)
    await peer.create(waiting(), waiting())
    ids = [peer.trials[number].trial_id for number in range(2)]
    assert isinstance(backend, ServerBackend)
    barrier = asyncio.Barrier(2)

    async def lock(order: list[int]) -> None:
        sql = "SELECT trial_id FROM trials WHERE trial_id = ? FOR UPDATE"
        dialect = backend.dialect
        connection = await backend._take()
        try:
            await backend._begin(connection, True)
            await backend._run(connection, dialect.fetch(sql, order[0]))
            await barrier.wait()
            await backend._run(connection, dialect.fetch(sql, order[1]))
            await backend._end(connection, "COMMIT")
        except Exception as exc:
            raise backend._translated(exc) from exc
        finally:
            backend._drop(connection)

    assert isinstance(backend, ServerBackend)
    results = await asyncio.gather(lock(ids), lock(ids[::-1]), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["NoneType", "StorageUnavailable"]


async def test_many_exchanges_at_once_keep_to_the_limit_of_connections(url: str) -> None:
    backend = backend_of(url, {"pool_size": 2, "max_overflow": 1})
    assert isinstance(backend, ServerBackend)
    await created(backend)
    peers = [await opened(backend) for _ in range(12)]
    await asyncio.gather(*(peer.start() for peer in peers))
    assert 1 <= len(backend._idle) <= 3
    assert len(await observed(backend)) == 12
    await backend.aclose()
    assert backend._idle == []


async def test_wrong_password_or_database_is_said_plainly(url: str) -> None:
    parts = parse_url(url)
    wrong = url.replace(f"/{parts.database}", "/no_such_database")
    backend = backend_of(wrong)
    with pytest.raises(StorageInternalError, match="no_such_database") as caught:
        await backend.study_names()
    assert caught.value.__cause__ is not None


_OPEN = """
import asyncio, sys
from ahpo.storages.sql.url import backend_of

async def main():
    backend = backend_of(sys.argv[1])
    sys.stdin.readline()
    await backend.study_names()
    await backend.aclose()

print("ready", flush=True)
asyncio.run(main())
"""


async def test_processes_that_open_an_empty_database_at_once_all_succeed(
    url: str, another: Another
) -> None:
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", _OPEN, url, stdin=pipe, stdout=pipe, stderr=pipe
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    done = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0] * 4, done
    backend = another()
    await created(backend)
    assert isinstance(backend, ServerBackend)
    for table in ("version_info", "alembic_version"):

        def plan(table: str = table) -> Any:
            return (yield backend.dialect.fetch(f"SELECT * FROM {table}"))

        assert len(await backend.transact(plan)) == 1


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_connection_of_a_loop_that_has_ended_is_not_used_again(url: str) -> None:
    backend = backend_of(url)
    assert isinstance(backend, ServerBackend)

    async def use() -> list[str]:
        return await backend.study_names()

    assert await asyncio.to_thread(asyncio.run, use()) == []
    assert await use() == []
    await backend.aclose()
    gc.collect()  # whose loop has ended, can not be closed: it warns, and may do so here


async def test_large_batches_are_written_whole(another: Another) -> None:
    backend = another()
    peer = await created(backend)
    trial = complete(
        params={"x": 0.5},
        distributions={"x": UNIT},
        user_attrs={"long": "é" * 5000},
        intermediate_values={step: 0.5 for step in range(5)},
    )
    await peer.create(*[trial] * 500)
    assert {len(one.user_attrs["long"]) for one in await observed(another())} == {5000}


async def test_exchange_of_an_unknown_study_is_refused_without_harm(another: Another) -> None:
    backend = another()
    peer = await created(backend)
    await backend.delete_study("study")
    with pytest.raises(KeyError):
        await peer.link.exchange(Request((Start(NOW, False),), Seen(-1, 0, {}, {}, {}, {})))
    assert isinstance(backend, ServerBackend)
    assert len(backend._idle) == 1  # the connection is as good as before
    assert await backend.study_names() == []
