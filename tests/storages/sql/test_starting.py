"""Trials are started in one go where a database can do that, and as well as on the long way."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import optuna
import pytest

from ahpo.exceptions import StorageInternalError, UpdateFinishedTrialError
from ahpo.history.facts import Fact, SystemAttrSet, TrialFinished, UserAttrSet
from ahpo.states import TrialState
from ahpo.storages.exchange import Backend, Op, Request, Start, StorageUnavailable
from ahpo.storages.sql.server import ServerBackend
from ahpo.storages.sql.statements import Statement
from ahpo.storages.sql.url import backend_of
from ahpo.testing.storage_handles import complete, waiting
from tests.faults.proxy import Proxy
from tests.storages.sql.conftest import Another
from tests.storages.sql.peer import NOW, Peer, completed, created, observed, opened

pytestmark = pytest.mark.asyncio

COMPLETE, RUNNING, FAIL = TrialState.COMPLETE, TrialState.RUNNING, TrialState.FAIL


async def end_and_start(peer: Peer, *numbers: int, lease: bool = False, **rest: Any) -> list[Any]:
    """Finish these trials and start as many; return the answers to the ends, then to the starts."""
    ends = peer.writes(completed(number) for number in numbers)
    return await peer.ask(*ends, *[Start(NOW, lease)] * len(numbers), **rest)


async def run(backend: Backend, sql: str, *args: Any) -> list[Any]:
    assert isinstance(backend, ServerBackend)

    def plan() -> Any:
        return (yield Statement(sql, args))

    return list(await backend.transact(plan))


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_end_and_start_of_a_trial_take_two_round_trips_and_a_start_alone_as_well(
    backend: Backend,
) -> None:
    assert isinstance(backend, ServerBackend)
    peer = await created(backend)
    number = await peer.start(lease=True)
    await end_and_start(peer, number)  # the driver asks for types when it first meets them
    trips: list[str] = []
    (connection,) = backend._idle
    connection.add_query_logger(lambda record: trips.append(record.query))
    assert await end_and_start(peer, 1, lease=True) == [None, 2]
    await asyncio.sleep(0)  # asyncpg tells afterwards
    assert len(trips) == 2
    assert await peer.start(lease=True) == 3
    await asyncio.sleep(0)
    assert len(trips) == 4
    found = await observed(backend)
    assert [trial.state for trial in found] == [COMPLETE, COMPLETE, RUNNING, RUNNING]
    assert [peer.trials[number] for number in range(4)] == found
    assert await peer.reap(-60.0) == [2, 3]  # those with leases


async def test_numbers_stay_consecutive_while_optuna_starts_trials_as_well(
    backend: Backend, another: Another, optuna_url: str
) -> None:
    peers = [await created(backend), *[await opened(another()) for _ in range(3)]]
    storage = optuna.storages.RDBStorage(optuna_url)
    theirs: list[int] = []

    def work_of_optuna() -> None:
        study = optuna.load_study(study_name="study", storage=storage)
        for _ in range(8):
            trial = study.ask()
            theirs.append(trial.number)
            study.tell(trial, 0.5)

    async def work(peer: Peer) -> None:
        numbers = await peer.ask(Start(NOW, False), Start(NOW, True))
        for _ in range(6):
            answers = await end_and_start(peer, *numbers, durable=False)
            assert answers[:2] == [None, None]
            numbers = answers[2:]

    try:
        await asyncio.gather(asyncio.to_thread(work_of_optuna), *map(work, peers))
    finally:
        storage.engine.dispose()
    numbers = [*theirs, *(number for peer in peers for number in peer.own)]
    assert sorted(numbers) == list(range(8 + 4 * 14))
    found = await observed(another())
    assert [trial.number for trial in found] == list(range(8 + 4 * 14))
    assert [trial.trial_id for trial in found] == sorted(trial.trial_id for trial in found)


async def test_waiting_trial_that_appears_in_between_is_claimed(
    backend: Backend, another: Another
) -> None:
    peer = await created(backend)
    number = await peer.start()
    other = await opened(another())
    await other.create(complete(), waiting(user_attrs={"k": 1}))
    await other.start()
    await other.create(waiting(user_attrs={"k": 2}))
    assert await end_and_start(peer, number) == [None, 3]
    assert peer.trials[3].user_attrs == {"k": 2}
    assert await peer.start() == 4
    assert list(peer.trials.values()) == await observed(another())


async def test_end_that_is_refused_is_told_beside_the_trial_that_started(
    backend: Backend, another: Another
) -> None:
    peer = await created(backend)
    first, second = await peer.ask(Start(NOW, False), Start(NOW, False))
    other = await opened(another())
    await other.finish(first, 5.0)
    answers = await end_and_start(peer, first, second)
    assert isinstance(answers[0], UpdateFinishedTrialError)
    assert answers[1:] == [None, 2, 3]
    assert peer.trials[first].values == (5.0,)
    found = await observed(another())
    assert [trial.state for trial in found] == [COMPLETE, COMPLETE, RUNNING, RUNNING]
    assert list(peer.trials.values()) == found


async def test_start_in_a_study_that_was_deleted_writes_nothing(
    backend: Backend, another: Another
) -> None:
    peer = await created(backend)
    number = await peer.start()
    await another().delete_study("study")
    with pytest.raises(KeyError, match="no study of the name 'study'"):
        await end_and_start(peer, number)
    await created(backend)
    assert await observed(another()) == []


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("lost", [b"FOR UPDATE; ", b"the key"])
async def test_trial_whose_number_did_not_arrive_is_found_by_the_repeated_request(
    url: str, lost: bytes
) -> None:
    with Proxy(url) as proxy:
        backend = backend_of(proxy.url)
        peer = await created(backend)
        number = await peer.start()
        facts: list[Fact] = [UserAttrSet(number, "the key", 1), completed(number)]
        ops: list[Op] = [*peer.writes(facts), Start(NOW + 1, True)]
        proxy.lose_answer(lost)
        with pytest.raises(StorageUnavailable):
            await peer.ask(*ops)
        assert await peer.ask(*ops, repeated=True) == [None, None, 1]
        found = await observed(backend)
        assert [trial.state for trial in found] == [COMPLETE, RUNNING]
        assert found[0].user_attrs == {"the key": 1}
        await backend.aclose()


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_number_that_somebody_has_given_without_a_lock_is_an_error(backend: Backend) -> None:
    peer = await created(backend)
    await peer.start()
    sql = "INSERT INTO trials (number, study_id, state) VALUES (2, $1, 'RUNNING') RETURNING 1"
    await run(backend, sql, peer.link.study_id)
    with pytest.raises(StorageInternalError, match="without locking the row of the study"):
        await peer.ask(Start(NOW, False))


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_what_is_asked_of_a_large_study_does_not_look_at_all_of_its_trials(
    backend: Backend,
) -> None:
    peer = await created(backend)
    assert isinstance(backend, ServerBackend)
    await peer.create(*[complete()] * 2000)
    dialect: Any = backend.dialect
    later = dialect.text("SELECT number FROM trials WHERE study_id = ? AND trial_id > ?")
    queries = {
        f"later (int, int) AS {later}": "1, 1990",
        "ends (int[], text[], timestamp[], int[]) AS "
        + dialect.text(dialect.update_from("datetime_complete")): "'{7}', '{FAIL}', '{now}', '{7}'",
    }

    def plan(query: str, args: str) -> Any:
        yield Statement("SET LOCAL plan_cache_mode TO force_generic_plan", rows=False)
        yield Statement(f"PREPARE {query}", rows=False)
        return (yield Statement(f"EXPLAIN EXECUTE {query.split()[0]} ({args})"))

    for query, args in queries.items():
        lines = [row[0] for row in await backend.transact(partial(plan, query, args))]
        text = "\n".join(lines)
        assert "Seq Scan" not in text, text
        assert any("Index Cond" in line and "trial_id" in line for line in lines), text


async def test_facts_on_a_trial_of_another_one_go_with_a_start(
    backend: Backend, another: Another
) -> None:
    peer = await created(backend)
    other = await opened(another())
    number = await other.start()
    await peer.ask()
    facts: list[Fact] = [SystemAttrSet(number, "k", 1), TrialFinished(number, FAIL, None, NOW)]
    response = await peer.link.exchange(
        Request([*peer.writes(facts), Start(NOW, False)], peer.seen, read=False)
    )
    assert list(response.answers) == [None, None, 1]
    assert [trial.number for trial in response.trials][-1] == 1
    assert [trial.state for trial in await observed(backend)] == [FAIL, RUNNING]
