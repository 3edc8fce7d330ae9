"""A journal in Redis is shared with Optuna, and outlives broken connections."""

from __future__ import annotations

import asyncio
import json
import pickle
import subprocess
import sys
import uuid
import warnings
from collections.abc import AsyncIterator
from typing import Any

import optuna
import pytest
import pytest_asyncio

from ahpo.exceptions import StorageInternalError
from ahpo.history.facts import TrialFinished, UserAttrSet
from ahpo.states import TrialState
from ahpo.storages.exchange import Start, StorageUnavailable
from ahpo.storages.journal import (
    JournalBackend,
    JournalRedisBackend,
    JournalRedisStorage,
)
from ahpo.storages.journal import (
    redis as journal_redis,
)
from tests.storages.journal.conftest import Journal
from tests.storages.journal.store import MINIMIZE, NOW, PLAIN, WAITING, TellingStore, told
from tests.storages.journal.test_interop import run_one

_OPTUNA = """
import sys
import optuna
from optuna.storages.journal import JournalRedisBackend
optuna.logging.set_verbosity(optuna.logging.ERROR)
url, prefix = sys.argv[1:]
storage = optuna.storages.JournalStorage(JournalRedisBackend(url, prefix=prefix))
study = optuna.load_study(
    study_name="study", storage=storage, sampler=optuna.samplers.RandomSampler()
)

def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    trial.report(x, 1)
    trial.set_user_attr("by", "optuna")
    return x

study.optimize(objective, n_trials=60)
numbers = [trial.number for trial in study.trials]
assert numbers == list(range(len(numbers))), numbers
"""


class Prefixed(Journal):
    def __init__(self, url: str, use_cluster: bool = False) -> None:
        self.url, self.prefix = url, str(uuid.uuid4())
        super().__init__(lambda: JournalRedisBackend(url, use_cluster, self.prefix))


@pytest_asyncio.fixture(params=[False, True])
async def journal(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Prefixed]:
    journal = Prefixed(redis_url, request.param)
    yield journal
    await journal.aclose()


async def created(journal: Journal) -> TellingStore:
    return TellingStore(await journal.backend().create_study("study", MINIMIZE))


async def opened(journal: Journal) -> TellingStore:
    return TellingStore(await journal.backend().open_study("study"))


def run_optuna(journal: Prefixed) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _OPTUNA, journal.url, journal.prefix]
    )


def optunas_study(journal: Prefixed) -> optuna.Study:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is experimental, says Optuna
        backend = optuna.storages.journal.JournalRedisBackend(journal.url, prefix=journal.prefix)
        return optuna.load_study(
            study_name="study", storage=optuna.storages.JournalStorage(backend)
        )


def keys(journal: Prefixed) -> dict[str, Any]:
    client = JournalRedisBackend(journal.url)._connected()
    names = sorted(name.decode() for name in client.keys(f"{journal.prefix}*"))
    return {name.removeprefix(journal.prefix): client.get(name) for name in names}


def set_key(journal: Prefixed, name: str, value: Any) -> None:
    JournalRedisBackend(journal.url)._connected().set(journal.prefix + name, value)


@pytest.mark.asyncio
async def test_workers_of_optuna_and_ours_share_a_study_at_the_same_time(
    journal: Prefixed,
) -> None:
    store = await created(journal)
    await store.create(*[WAITING] * 5)
    other = await opened(journal)
    workers = [run_optuna(journal) for _ in range(2)]
    numbers, ours = [await store.start(lease=True), await other.start()], 0
    while any(worker.poll() is None for worker in workers):
        numbers = [await run_one(store, numbers[0]), await run_one(other, numbers[1])]
        ours += 2
    assert [worker.wait() for worker in workers] == [0, 0]
    trials = await store.refresh()
    by = [trial.user_attrs.get("by") for trial in trials]
    assert (by.count("optuna"), by.count("us"), by.count(None)) == (120, ours, 2)
    assert told(await other.refresh()) == told(trials)
    assert told(await (await opened(journal)).refresh()) == told(trials)
    seen = optunas_study(journal).trials
    assert [trial.state.name for trial in seen] == [trial.state.name for trial in trials]


@pytest.mark.asyncio
async def test_keys_are_those_of_optuna(journal: Prefixed) -> None:
    store = await created(journal)
    await store.start()
    found = keys(journal)
    assert list(found) == [":log:0", ":log:1", ":log_number"]
    assert found[":log_number"] == b"1"
    assert json.loads(found[":log:0"])["study_name"] == "study"
    optunas_study(journal).ask()
    assert await store.start() == 2


@pytest.mark.asyncio
async def test_snapshot_is_never_read(journal: Prefixed) -> None:
    set_key(journal, ":snapshot", b"this is no pickle")
    store = await created(journal)
    assert await store.start() == 0
    assert len(await (await opened(journal)).refresh()) == 1
    assert keys(journal)[":snapshot"] == b"this is no pickle"


@pytest.mark.asyncio
async def test_many_logs_are_read_in_batches(
    journal: Prefixed, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await created(journal)
    await store.create(*[PLAIN] * 30)
    monkeypatch.setattr(journal_redis, "_BATCH", 7)
    assert len(await (await opened(journal)).refresh()) == 30
    assert len(journal.lines()) == 31


@pytest.mark.asyncio
async def test_append_goes_through_however_often_others_are_quicker(redis_url: str) -> None:
    journal = Prefixed(redis_url)
    store = await created(journal)
    await store.create(WAITING)

    class Hurried:
        """Let somebody else append something before each append."""

        def __init__(self, client: Any) -> None:
            self.client, self.appends = client, 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self.client, name)

        async def eval(self, *arguments: Any) -> Any:
            self.appends += 1
            journal.append({"op_code": 4, "study_id": 0, "datetime_start": None})
            return await self.client.eval(*arguments)

    place = store.link._place  # type: ignore[attr-defined]
    hurried = place._client = Hurried(place._connected())
    end = store.write(TrialFinished(0, TrialState.FAIL, None, NOW))
    answers = await store.exchange(Start(NOW, False), end, Start(NOW, False))
    n_appends = hurried.appends
    assert n_appends == 6
    assert answers == [0, None, 1 + n_appends]
    assert told(await store.refresh()) == told(await (await opened(journal)).refresh())
    assert len(store.trials) == 2 + n_appends
    await journal.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("after", [False, True])
async def test_connection_that_breaks_costs_and_doubles_nothing(
    journal: Prefixed, after: bool
) -> None:
    """Before a command has arrived, or after it was carried out and before its answer."""
    store = await created(journal)
    await store.start()
    place = store.link._place  # type: ignore[attr-defined]
    client = place._connected()
    execute = client.execute_command
    for breaks_at in range(1, 12):
        calls = 0

        async def broken(*arguments: Any, at: int = breaks_at, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at and not after:
                raise ConnectionResetError
            answer = await execute(*arguments, **options)
            if calls == at:
                raise ConnectionResetError
            return answer

        client.execute_command = broken
        running = max(store.own)
        before = len(store.trials)
        end = TrialFinished(running, TrialState.COMPLETE, (1.0,), NOW + breaks_at)
        request = store.request(
            store.write(UserAttrSet(running, "k", breaks_at)), store.write(end), Start(NOW, False)
        )
        try:
            response = await store.link.exchange(request)
        except StorageUnavailable:
            client.execute_command = execute
            if journal.lines() and journal.log_storage()._use_cluster:  # type: ignore[attr-defined]
                fill_holes(journal)
            response = await store.link.exchange(request._replace(repeated=True))
        client.execute_command = execute
        answers = store.learn(request, response)
        expected = told(await (await opened(journal)).refresh())
        assert told(await store.refresh()) == expected
        if not journal.log_storage()._use_cluster:  # type: ignore[attr-defined]
            assert answers == [None, None, before]
            assert len(store.trials) == before + 1


def fill_holes(journal: Prefixed) -> None:
    """Do what an administrator of a cluster would: a number was taken, and nothing written."""
    found = keys(journal)
    for number in range(int(found[":log_number"]) + 1):
        if f":log:{number}" not in found:
            nothing = {"op_code": 10, "worker_id": "administrator"}
            set_key(journal, f":log:{number}", json.dumps(nothing))


@pytest.mark.asyncio
async def test_log_that_is_to_follow_is_waited_for(
    journal: Prefixed, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await created(journal)
    naps: list[float] = []
    line = {"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": None}
    set_key(journal, ":log_number", 1)

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            set_key(journal, ":log:1", json.dumps(line))

    monkeypatch.setattr(asyncio, "sleep", nap)
    assert await store.start() == 1
    assert len(naps) == 3
    set_key(journal, ":log_number", 3)
    for attempt in (store.start, store.refresh):
        with pytest.raises(StorageUnavailable, match="log:3"):
            await attempt()


@pytest.mark.asyncio
async def test_journal_that_was_emptied_is_an_error(journal: Prefixed) -> None:
    store = await created(journal)
    await store.start()
    set_key(journal, ":log_number", -1)
    with pytest.raises(StorageInternalError, match="shorter"):
        await store.refresh()


@pytest.mark.asyncio
async def test_server_that_is_not_there_may_be_tried_again() -> None:
    backend = JournalBackend(JournalRedisBackend("redis://127.0.0.1:1"))
    with pytest.raises(StorageUnavailable, match="out of reach"):
        await backend.study_names()
    await backend.aclose()


@pytest.mark.asyncio
async def test_key_that_is_something_else_is_an_error(journal: Prefixed) -> None:
    client = JournalRedisBackend(journal.url)._connected()
    client.lpush(journal.prefix + ":log_number", 1)
    with pytest.raises(StorageInternalError, match="Redis refuses"):
        await journal.backend().study_names()


@pytest.mark.asyncio
async def test_backend_may_be_used_again_after_it_was_closed(journal: Prefixed) -> None:
    backend = journal.backend()
    await backend.create_study("study", MINIMIZE)
    for _ in range(2):
        await backend.aclose()
        await backend.aclose()
        assert await backend.study_names() == ["study"]


def test_backend_may_be_used_on_one_loop_after_another(redis_url: str) -> None:
    storage = JournalRedisBackend(redis_url, prefix=str(uuid.uuid4()))
    backend = JournalBackend(storage)

    async def create(name: str) -> list[str]:
        await backend.create_study(name, MINIMIZE)
        names = await backend.study_names()
        await backend.aclose()
        return names

    assert asyncio.run(create("a")) == ["a"]
    assert asyncio.run(create("b")) == ["a", "b"]


def test_logs_are_read_and_appended_by_number(redis_url: str) -> None:
    prefix = str(uuid.uuid4())
    for use_cluster in (False, True):
        storage = JournalRedisBackend(redis_url, use_cluster, prefix + str(use_cluster))
        storage.append_logs([])
        assert list(storage.read_logs(0)) == []
        storage.append_logs([{"n": number} for number in range(5)])
        again = pickle.loads(pickle.dumps(storage))
        again.append_logs([{"n": 5}])
        assert [log["n"] for log in again.read_logs(0)] == list(range(6))
        assert [log["n"] for log in storage.read_logs(4)] == [4, 5]
        assert list(storage.read_logs(6)) == []


def test_what_is_shown_of_a_backend_has_no_password() -> None:
    storage = JournalRedisBackend("redis://:secret@localhost", prefix="p")
    assert repr(storage) == "JournalRedisBackend(prefix='p')"


def test_old_name_warns(redis_url: str) -> None:
    with pytest.warns(FutureWarning, match="JournalRedisBackend"):
        JournalRedisStorage(redis_url)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("redis", "redis.asyncio"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"ahpo\[redis\]"):
        JournalRedisBackend("redis://localhost")


@pytest.mark.asyncio
async def test_command_that_may_have_arrived_is_not_sent_again_behind_our_back() -> None:
    """Whether a log is there already, redis can not know."""
    commands = 0

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal commands
        data = await reader.read(1000)
        commands += bool(data)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        backend = JournalBackend(JournalRedisBackend(f"redis://127.0.0.1:{port}"))
        with pytest.raises(StorageUnavailable):
            await backend.study_names()
        await backend.aclose()
    assert commands == 1
