"""What is special about SQLite: its one writer, its files, and what can be wrong with them."""

from __future__ import annotations

import asyncio
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ahpo.exceptions import StorageInternalError
from ahpo.history.facts import StudyUserAttrSet, UserAttrSet
from ahpo.states import TrialState
from ahpo.storages import RDBStorage
from ahpo.storages.exchange import Backend, Start, StorageUnavailable
from ahpo.storages.sql.schema import TABLES
from ahpo.storages.sql.sqlite import SQLiteBackend
from ahpo.testing.storage_handles import waiting
from tests.storages.sql.conftest import Another
from tests.storages.sql.peer import MINIMIZE, NOW, created, observed, opened

pytestmark = pytest.mark.asyncio


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "study.db")


@pytest.fixture
def url(path: str) -> str:
    return f"sqlite:///{path}"


async def test_writer_that_waits_too_long_for_another_is_told_to_try_again(path: str) -> None:
    backend = SQLiteBackend(path, {"timeout": 0.02})
    peer = await created(backend)
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable, match="busy"):
            await peer.start()
        assert await observed(backend) == []  # reading waits for nobody
        other.execute("ROLLBACK")
        assert await peer.start() == 0
    finally:
        other.close()
        await backend.aclose()


async def test_study_in_memory_lives_as_long_as_its_backend() -> None:
    backend = SQLiteBackend(":memory:")
    peer = await created(backend)
    await peer.start()
    assert len(await observed(backend)) == 1
    await backend.aclose()
    await backend.aclose()
    assert await backend.study_names() == []
    await backend.aclose()


async def test_backend_may_be_used_again_after_it_was_closed(path: str) -> None:
    backend = SQLiteBackend(path)
    peer = await created(backend)
    await peer.link.aclose()
    await peer.link.aclose()
    await backend.aclose()
    assert await peer.start() == 0
    await backend.aclose()
    assert sorted(os.listdir(os.path.dirname(path))) == ["study.db"]


async def test_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    backend = SQLiteBackend(f"{tmp_path}/no/study.db")
    with pytest.raises(StorageInternalError, match="The folder '.*/no' of the database"):
        await backend.study_names()


@pytest.fixture
def text_file(path: str) -> str:
    Path(path).write_text("not a database, but long enough to be taken for one" * 100)
    return path


async def test_file_that_is_no_database_is_said_to_be_none(text_file: str) -> None:
    backend = SQLiteBackend(text_file)
    with pytest.raises(StorageInternalError, match="its file is no database of SQLite") as caught:
        await backend.study_names()
    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)


async def test_full_disk_is_said_to_be_full_and_nothing_is_lost(path: str) -> None:
    backend = SQLiteBackend(path)
    peer = await created(backend)
    number = await peer.start()
    assert backend._connection is not None
    connection = backend._connection._conn
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageInternalError, match="its disk is full"):
        await peer.write(UserAttrSet(number, "k", "x" * 100_000))
    connection.execute("PRAGMA max_page_count = 1000000")
    await peer.write(UserAttrSet(number, "k", "y"))
    assert (await observed(backend))[0].user_attrs == {"k": "y"}
    await backend.aclose()


async def test_file_that_is_read_only_can_be_read(path: str) -> None:
    backend = SQLiteBackend(path)
    peer = await created(backend)
    await peer.start()
    await backend.aclose()
    reader = SQLiteBackend(f"file:{path}?mode=ro", {"uri": True})
    peer = await opened(reader)
    assert len(peer.trials) == 1
    with pytest.raises(StorageInternalError, match="it is read-only"):
        await peer.start()
    await reader.aclose()


async def test_relative_path_means_the_same_file_wherever_the_process_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    storage = RDBStorage("sqlite:///x.db")
    copied = pickle.dumps(storage)
    monkeypatch.chdir(tmp_path)
    store = await storage.create_study("study", [MINIMIZE])
    await store.start(NOW)
    await storage.aclose()
    await store.start(NOW)
    copy = pickle.loads(copied)
    assert await copy.study_names() == ["study"]
    for one in (storage, copy):
        await one.aclose()
    assert (os.listdir("here"), os.listdir(".")) == (["x.db"], ["here"])


@pytest.mark.parametrize("replaced", [False, True])
async def test_file_that_was_deleted_or_replaced_takes_no_more_trials(
    path: str, replaced: bool
) -> None:
    backend = SQLiteBackend(path)
    peer = await created(backend)
    await peer.start()
    if replaced:
        shutil.copy(path, f"{path}.other")
        os.replace(f"{path}.other", path)
    else:
        for one in os.listdir(os.path.dirname(path)):
            os.remove(f"{os.path.dirname(path)}/{one}")
    for _ in range(2):
        with pytest.raises(StorageInternalError, match="but it has been deleted or replaced"):
            await peer.start()
    await backend.aclose()


async def test_storage_whose_file_is_gone_closes_all_the_same(path: str) -> None:
    storage = RDBStorage(f"sqlite:///{path}")
    stores = [await storage.create_study(name, [MINIMIZE]) for name in ("a", "b")]
    os.remove(path)
    with pytest.raises(StorageInternalError, match="deleted or replaced"):
        await storage.aclose()
    assert storage._backend is None
    assert len(stores) == 2


async def test_unknown_connect_argument_is_refused() -> None:
    with pytest.raises(ValueError, match="'isolation_level' is among them"):
        SQLiteBackend(":memory:", {"isolation_level": None, "check_same_thread": False})


async def test_cancelled_exchange_happens_as_a_whole_or_not_at_all(
    backend: Backend, another: Another
) -> None:
    peer = await created(backend)
    await peer.create(*[waiting()] * 5)
    for turns in range(5):
        task = asyncio.create_task(peer.ask(*[Start(NOW, False)] * 2, repeated=True))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        found = await observed(backend)
        assert sum(trial.state is TrialState.RUNNING for trial in found) % 2 == 0
        await peer.ask(repeated=True)
    assert await observed(another()) == list(peer.trials.values())


async def test_news_are_not_read_where_nobody_has_written(
    backend: Backend, another: Another
) -> None:
    peer = await created(backend)
    await peer.create(*[waiting()] * 3)
    assert isinstance(backend, SQLiteBackend)
    assert backend._connection is not None
    statements: list[str] = []
    await backend._connection.set_trace_callback(statements.append)
    await peer.ask()
    assert [one for one in statements if "FROM trials" in one] == []
    beside = await opened(backend)  # the same connection
    await beside.start()
    statements.clear()
    await peer.ask()
    assert peer.trials[0].state is TrialState.RUNNING
    other = await opened(another())
    await other.write(StudyUserAttrSet("k", 1))
    await peer.ask()
    assert peer.user_attrs == {"k": 1}


async def test_write_that_need_not_survive_the_power_is_not_synced(backend: Backend) -> None:
    peer = await created(backend)
    assert isinstance(backend, SQLiteBackend)
    connection = backend._connection
    assert connection is not None
    for durable, level in ((False, 1), (True, 2), (False, 1)):
        await peer.ask(Start(NOW, False), durable=durable)
        async with connection.execute("PRAGMA synchronous") as cursor:
            assert await cursor.fetchone() == (level,)
    async with connection.execute("PRAGMA journal_mode") as cursor:
        assert await cursor.fetchone() == ("wal",)


_OPEN = """
import asyncio, sys
from ahpo.storages.sql.sqlite import SQLiteBackend

async def main():
    backend = SQLiteBackend(sys.argv[1])
    sys.stdin.readline()
    await backend.study_names()
    await backend.aclose()

print("ready", flush=True)
asyncio.run(main())
"""


async def test_processes_that_open_an_empty_file_at_once_all_succeed(path: str) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", _OPEN, path, **pipes)  # type: ignore[arg-type]
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    done = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0] * 4, done
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert {row[0] for row in rows} == TABLES.keys()
    for table in ("version_info", "alembic_version"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)
    connection.close()


_FORGET = """
import asyncio, sys
from ahpo.storages.sql.sqlite import SQLiteBackend

asyncio.run(SQLiteBackend(sys.argv[1]).study_names())
"""


async def test_process_that_forgets_to_close_a_storage_ends_all_the_same(path: str) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _FORGET, path)
    assert await asyncio.wait_for(process.wait(), 60) == 0


async def test_opening_a_file_drops_no_lock_that_this_process_holds(path: str) -> None:
    """POSIX drops them all when any descriptor of the file is closed."""
    first, second = SQLiteBackend(path), SQLiteBackend(path)
    await first.create_study("study", [MINIMIZE])
    await second.open_study("study")
    visit = (
        f"import sqlite3; c = sqlite3.connect({path!r}); "
        "c.execute('SELECT count(*) FROM studies').fetchall(); c.close()"
    )
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", visit], check=True)
    # Who believes to be the last one to close the file, removes its log.
    assert await asyncio.to_thread(os.path.exists, f"{path}-wal")
    await first.aclose()
    await second.aclose()
