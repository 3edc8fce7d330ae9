"""What takes no time to speak of is done on the storages' event loop, and nothing else."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

import ahpo.storages.journal.file as journal_file
from ahpo.history.facts import ValueReported
from ahpo.storages.exchange import Response, Write
from ahpo.storages.journal import (
    JournalBackend,
    JournalFileBackend,
    JournalFileOpenLock,
    JournalFileSymlinkLock,
)
from ahpo.storages.journal.base import Transaction
from ahpo.storages.journal.file import FilePlace
from tests.storages.journal.store import MINIMIZE, PLAIN, TellingStore

pytestmark = pytest.mark.asyncio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.log"


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return, for each transaction that comes, whether it is carried out in another thread."""
    threads: list[bool] = []
    here = threading.get_ident()
    change, look = FilePlace._change, FilePlace._look

    def changing(place: FilePlace, file: object, transaction: Transaction) -> None:
        threads.append(threading.get_ident() != here)
        change(place, file, transaction)  # type: ignore[arg-type]

    def looking(place: FilePlace, transaction: Transaction) -> bool:
        threads.append(threading.get_ident() != here)
        return look(place, transaction)

    monkeypatch.setattr(FilePlace, "_change", changing)
    monkeypatch.setattr(FilePlace, "_look", looking)
    monkeypatch.setattr(journal_file, "_NO_TIME", 60.0)
    return threads


async def started(path: Path) -> TellingStore:
    backend = JournalBackend(JournalFileBackend(str(path)))
    store = TellingStore(await backend.create_study("study", MINIMIZE))
    await store.start()
    return store


async def report(store: TellingStore, step: int, *, durable: bool = False) -> Response:
    write = Write(ValueReported(0, step, 1.0), store.trials[0].trial_id)
    return await store.link.exchange(store.request(write, durable=durable))


async def test_what_is_not_durable_needs_no_other_thread(path: Path, threads: list[bool]) -> None:
    store = await started(path)
    threads.clear()
    await report(store, 1)
    await store.refresh()
    assert threads == [False, False]
    await report(store, 2, durable=True)
    assert threads == [False, False, True]


async def test_what_took_long_is_done_in_another_thread_next_time(
    path: Path, threads: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await started(path)
    threads.clear()
    monkeypatch.setattr(journal_file, "_NO_TIME", 0.0)
    for step in range(3):
        await report(store, step)
    assert threads == [False, True, True]
    monkeypatch.setattr(journal_file, "_NO_TIME", 60.0)
    for step in range(3):
        await report(store, step)
    assert threads == [False, True, True, True, False, False]


async def test_much_that_is_new_is_read_in_another_thread(path: Path, threads: list[bool]) -> None:
    store = await started(path)
    other = TellingStore(await JournalBackend(JournalFileBackend(str(path))).open_study("study"))
    await other.refresh()
    await other.create(*[PLAIN._replace(user_attrs={"text": "x" * 1000})] * 100)
    threads.clear()
    await store.refresh()
    await store.refresh()
    assert threads == [True, False]
    assert len(store.trials) == 101


@pytest.mark.parametrize("kind", [JournalFileSymlinkLock, JournalFileOpenLock])
async def test_lock_that_is_held_does_not_keep_the_event_loop(
    path: Path, kind: type[JournalFileSymlinkLock], threads: list[bool]
) -> None:
    store = await started(path)
    threads.clear()
    lock = kind(str(path))
    lock.acquire()
    assert not kind(str(path)).take()
    waiting = asyncio.create_task(report(store, 1))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting.done()
    lock.release()
    assert (await waiting).answers == [None]
    assert threads == [True]
    assert b'"step":1' in path.read_bytes()  # noqa: ASYNC240
