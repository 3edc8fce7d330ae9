"""A journal in a file outlives whatever happens to those who write it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ahpo.storages.journal.file as journal_file
from ahpo.exceptions import StorageInternalError
from ahpo.history.facts import TrialFinished, UserAttrSet
from ahpo.states import TrialState
from ahpo.storages.exchange import Create, Start, StorageUnavailable
from ahpo.storages.journal import (
    BaseJournalFileLock,
    JournalBackend,
    JournalFileBackend,
    JournalFileOpenLock,
    JournalFileStorage,
)
from ahpo.storages.journal.session import Session
from tests.storages.journal.store import MINIMIZE, NOW, PLAIN, WAITING, TellingStore, told


class NoLock(BaseJournalFileLock):
    """A lock that is held by everybody."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.log"


def backend(path: Path) -> JournalBackend:
    return JournalBackend(JournalFileBackend(str(path)))


async def opened(path: Path) -> TellingStore:
    return TellingStore(await backend(path).open_study("study"))


async def created(path: Path) -> TellingStore:
    return TellingStore(await backend(path).create_study("study", MINIMIZE))


def content(path: Path) -> bytes:
    return path.read_bytes()


def overwrite(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def is_locked(path: Path) -> bool:
    return os.path.lexists(f"{path}.lock")


def run_writer(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WRITER.format(path=sys.path), str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def end(number: int) -> TrialFinished:
    return TrialFinished(number, TrialState.COMPLETE, (0.5,), NOW)


# -- torn ends ------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_append_that_is_cut_anywhere_loses_nothing_of_before(path: Path) -> None:
    store = await created(path)
    await store.start()
    await store.exchange(store.write(UserAttrSet(0, "k", "acknowledged")))
    before = content(path)
    expected = told(await store.refresh())
    await store.exchange(store.write(end(0)), Start(NOW, False), Create((PLAIN,)))
    added = content(path)[len(before) :]
    for length in range(len(added)):
        overwrite(path, before + added[:length])
        reader = await opened(path)
        await reader.refresh()
        lines = added[:length].count(b"\n")
        assert len(reader.trials) == [1, 1, 2][lines]
        assert reader.trials[0].user_attrs == {"k": "acknowledged"}
        if not lines:
            assert told(list(reader.trials.values())) == expected
        number = await reader.start()
        assert number == len(reader.trials) - 1
        assert content(path).startswith(before)
        json.loads(b"[" + b",".join(content(path).splitlines()) + b"]")
        assert told(await (await opened(path)).refresh()) == told(list(reader.trials.values()))


@pytest.mark.asyncio
@pytest.mark.parametrize("left", [b"\0" * 70, b'{"op_code":4{"op_code":4}\n', b"\xff\n", b"17\n"])
async def test_garbage_that_a_dead_writer_left_at_the_end_is_cut(path: Path, left: bytes) -> None:
    store = await created(path)
    await store.start()
    good = content(path)
    overwrite(path, good + left)
    assert len(await store.refresh()) == 1
    assert await store.start() == 1
    assert content(path).startswith(good)
    assert left not in content(path)
    assert len(await (await opened(path)).refresh()) == 2


@pytest.mark.asyncio
async def test_journal_is_read_in_pieces_wherever_they_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await created(path)
    await store.create(*[PLAIN._replace(user_attrs={"k": "x" * n}) for n in range(20)])
    expected, data = told(await store.refresh()), content(path)
    for torn in (b"", b"{\n", b"{"):
        overwrite(path, data + torn)
        for size in (1, 100, 300, len(data) - 1, len(data), len(data) + 1, len(data) + 2):
            monkeypatch.setattr(journal_file, "_CHUNK", size)
            assert told(await (await opened(path)).refresh()) == expected


@pytest.mark.asyncio
async def test_garbage_among_good_lines_is_not_cut(path: Path) -> None:
    store = await created(path)
    await store.start()
    good = content(path)
    last = good.splitlines(keepends=True)[-1]
    for garbage in (b"\0" * 70 + b"\n", b"{\n"):
        overwrite(path, good + garbage + last)
        with pytest.raises(StorageInternalError, match="none of a journal"):
            await (await opened(path)).start()
        assert content(path) == good + garbage + last


@pytest.mark.asyncio
async def test_journal_that_was_repaired_can_be_used_again(path: Path) -> None:
    reading = backend(path)
    store = TellingStore(await reading.create_study("study", MINIMIZE))
    await store.create(PLAIN, WAITING)
    late = TellingStore(await reading.open_study("study"))
    good = content(path)
    await store.create(PLAIN)
    added = content(path)[len(good) :]
    overwrite(path, good + added + b"{\n" + added)
    for attempt in (reading.study_names, late.refresh):
        with pytest.raises(StorageInternalError, match="none of a journal"):
            await attempt()
    overwrite(path, good + added)
    assert await reading.study_names() == ["study"]
    assert len(await late.refresh()) == 3
    assert await late.start() == 1
    assert told(await late.refresh()) == told(await (await opened(path)).refresh())
    other = TellingStore(await reading.create_study("other", MINIMIZE))
    await other.start()
    assert other.trials[0].trial_id == 3


@pytest.mark.asyncio
async def test_journal_that_has_become_shorter_is_an_error(path: Path) -> None:
    store = await created(path)
    await store.start()
    overwrite(path, content(path).splitlines(keepends=True)[0])
    with pytest.raises(StorageInternalError, match="shorter"):
        await store.refresh()


@pytest.mark.asyncio
async def test_journal_that_is_gone_is_an_error(path: Path) -> None:
    store = await created(path)
    os.unlink(path)
    for attempt in (store.start, store.refresh):
        with pytest.raises(StorageInternalError, match=path.name):
            await attempt()


_WRITER = """
import asyncio, sys
sys.path[:0] = {path!r}
from ahpo.history.facts import TrialFinished, UserAttrSet
from ahpo.states import TrialState
from ahpo.storages.exchange import Start
from ahpo.storages.journal import JournalBackend, JournalFileBackend
from ahpo.storages.journal.session import Session
from tests.storages.journal.store import NOW, TellingStore

async def main():
    backend = JournalBackend(JournalFileBackend(sys.argv[1]))
    store = TellingStore(await backend.open_study("study"))
    number = await store.start()
    while True:
        end = TrialFinished(number, TrialState.COMPLETE, (float(number),), NOW)
        attr = store.write(UserAttrSet(number, "k", "x" * 20_000))
        answers = await store.exchange(attr, store.write(end), Start(NOW, False))
        print(number, flush=True)
        number = answers[-1]

asyncio.run(main())
"""


@pytest.mark.asyncio
async def test_killed_writers_lose_nothing_that_was_acknowledged(path: Path) -> None:
    await created(path)
    acknowledged: list[int] = []
    for round_ in range(4):
        with run_writer(path) as writer:
            assert writer.stdout is not None
            acknowledged += (int(writer.stdout.readline()) for _ in range(3 * round_ + 1))
            writer.kill()
            acknowledged += map(int, writer.stdout.read().split())
        if is_locked(path):
            os.unlink(f"{path}.lock")  # what its grace period would do
        trials = {trial.number: trial for trial in await (await opened(path)).refresh()}
        assert [trials[number].values for number in acknowledged] == [
            (float(number),) for number in acknowledged
        ]
    assert await (await opened(path)).start() == len(trials)


@pytest.mark.asyncio
async def test_others_may_append_while_one_waits_for_the_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await created(path)
    await store.start()
    locked: list[bool] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        locked.append(is_locked(path))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    assert await store.exchange(store.write(end(0))) == [None]
    assert locked == [False]


# -- failing writes -------------------------------------------------------------------------


class FailingDisk:
    """Fail one write after so many bytes, as a full disk does, or the sync after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self.sync_fails = False
        self.synced = 0
        append, sync = journal_file._append, os.fsync

        def fsync(descriptor: int) -> None:
            if self.sync_fails:
                self.sync_fails = False
                raise OSError(5, "the disk is out of order")
            self.synced += 1
            sync(descriptor)

        def failing(file: Any, lines: list[str]) -> int:
            if self.room is None:
                return append(file, lines)
            file.write(("\n".join(lines) + "\n").encode()[: self.room])
            self.room = None
            raise OSError(28, "no space left")

        monkeypatch.setattr(journal_file, "_append", failing)
        monkeypatch.setattr(os, "fsync", fsync)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FailingDisk:
    return FailingDisk(monkeypatch)


@pytest.mark.asyncio
async def test_request_that_failed_half_way_is_finished_when_it_is_sent_again(
    path: Path, disk: FailingDisk
) -> None:
    """Wherever it broke off, nothing is there twice, and the answers are those of one request."""
    store = await created(path)
    await store.create(WAITING)
    await store.start(lease=True)
    start = content(path)
    trials, seen = dict(store.trials), set(store.own)
    ops = (
        store.write(UserAttrSet(0, "k", 1)),
        store.write(end(0)),
        Start(NOW, True),
        Create((PLAIN, PLAIN._replace(values=(2.0,)))),
        Start(NOW, False),
    )
    await store.exchange(*ops, beat=[0])
    whole = content(path)[len(start) :]
    for room in range(0, len(whole) + 1, 7):
        overwrite(path, start)
        again = await opened(path)
        again.trials, again.own = dict(trials), set(seen)
        request = again.request(*ops, beat=[0])
        disk.room = room
        with pytest.raises(StorageUnavailable, match="no space"):
            await again.link.exchange(request)
        response = await again.link.exchange(request._replace(repeated=True))
        assert again.learn(request, response) == [None, None, 1, [2, 3], 4]
        assert content(path).count(b"\n") == (start + whole).count(b"\n")
        expected = told(await (await opened(path)).refresh())
        assert told(await again.refresh()) == expected


@pytest.mark.asyncio
async def test_request_that_was_written_and_not_synced_is_not_written_again(
    path: Path, disk: FailingDisk
) -> None:
    store = await created(path)
    request = store.request(Start(NOW, False))
    disk.sync_fails = True
    with pytest.raises(StorageUnavailable, match="out of order"):
        await store.link.exchange(request)
    response = await store.link.exchange(request._replace(repeated=True))
    assert store.learn(request, response) == [0]
    assert len(await (await opened(path)).refresh()) == 1


@pytest.mark.asyncio
async def test_what_a_failed_request_did_is_news_to_the_next_one(
    path: Path, disk: FailingDisk
) -> None:
    store = await created(path)
    await store.start()
    disk.sync_fails = True
    with pytest.raises(StorageUnavailable):
        await store.exchange(store.write(end(0)), Start(NOW, False))
    assert told(await store.refresh()) == told(await (await opened(path)).refresh())


@pytest.mark.asyncio
async def test_durable_exchange_is_synced_once_and_others_are_not(
    path: Path, disk: FailingDisk
) -> None:
    store = await created(path)
    synced, disk.synced = disk.synced, 0
    assert synced == 2  # the folder, and the study
    number = await store.start()
    assert disk.synced == 1
    await store.exchange(store.write(UserAttrSet(number, "k", 1)), durable=False)
    await store.refresh()
    assert disk.synced == 1
    await store.exchange(store.write(end(number)), *[Start(NOW, False)] * 5)
    assert disk.synced == 2


# -- the lock -------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_reading_needs_no_lock(path: Path) -> None:
    store = await created(path)
    await store.start()
    os.symlink(path, f"{path}.lock")
    assert len(await (await opened(path)).refresh()) == 1
    assert await backend(path).study_names() == ["study"]
    await store.refresh()
    assert is_locked(path)


@pytest.mark.asyncio
async def test_exchange_that_waits_for_the_lock_can_be_cancelled_and_holds_up_nobody(
    path: Path,
) -> None:
    store = await created(path)
    await store.create(PLAIN)
    lock = JournalFileOpenLock(str(path))
    lock.acquire()
    waiting = asyncio.ensure_future(store.start())
    late = await opened(path)
    assert len(await late.refresh()) == 1
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    going_on = asyncio.ensure_future(store.refresh())  # that will be after what goes on
    assert len(await late.refresh()) == 1
    assert not going_on.done()
    lock.release()
    assert len(await going_on) == 2
    assert told(await store.refresh()) == told(await late.refresh())


@pytest.mark.asyncio
async def test_journal_that_may_only_be_read_can_be_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await created(path)).create(PLAIN)
    opened_for, really = [], os.open

    def reading_only(name: Any, mode: int, *more: Any) -> int:
        opened_for.append(mode & os.O_ACCMODE)
        return really(name, mode, *more)

    monkeypatch.setattr(os, "open", reading_only)
    assert len(await (await opened(path)).refresh()) == 1
    assert set(opened_for) == {os.O_RDONLY}


@pytest.mark.asyncio
async def test_lock_is_free_after_each_exchange(path: Path) -> None:
    store = await created(path)
    for answer in (await store.start(), await store.one(store.write(end(0)))):
        assert answer in (0, None)
        assert sorted(os.listdir(path.parent)) == [path.name]


@pytest.mark.asyncio
async def test_who_appends_in_spite_of_the_lock_does_no_harm(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped for longer than the grace period goes on as if it held it."""
    await (await created(path)).create(WAITING)
    store = await opened(path)
    await store.refresh()
    plan, late = Session.plan, JournalFileBackend(str(path), NoLock())
    claim = {"op_code": 6, "worker_id": "late", "trial_id": 0, "state": 0, "values": None}
    claims = [claim | {"datetime_start": "2026-11-21T22:37:51.798840"}]

    def plan_and_wait(session: Session) -> list[str]:
        lines = plan(session)
        while claims:
            late.append_logs([claims.pop()])
        return lines

    monkeypatch.setattr(Session, "plan", plan_and_wait)
    assert await store.start() == 1  # the other one has the waiting trial
    assert told(await store.refresh()) == told(await (await opened(path)).refresh())


# -- what users call ------------------------------------------------------------------------


def test_logs_are_read_and_appended_by_number(path: Path) -> None:
    one, two = (JournalFileBackend(str(path)) for _ in range(2))
    one.append_logs([{"n": number} for number in range(5)])
    assert [log["n"] for log in one.read_logs(2)] == [2, 3, 4]
    two.append_logs([{"n": 5}])
    assert [log["n"] for log in one.read_logs(5)] == [5]
    assert list(one.read_logs(6)) == []
    assert [log["n"] for log in one.read_logs(0)] == list(range(6))
    assert [log["n"] for log in two.read_logs(4)] == [4, 5]


def test_logs_are_appended_after_the_last_whole_line(path: Path) -> None:
    storage = JournalFileBackend(str(path))
    for long in ("x", "x" * 200_000):
        for torn in (b"{", b'{"op', b"{\n", b""):
            storage.append_logs([{"n": long}])
            with open(path, "ab") as file:
                file.write(torn)
            before = len(list(storage.read_logs(0)))
            storage.append_logs([{"n": 1}])
            assert len(list(storage.read_logs(0))) == before + 1
    for torn in (b"{", b"{\n"):
        overwrite(path, torn)
        storage.append_logs([{"n": 1}])
        assert content(path) == b'{"n":1}\n'


def test_old_name_warns(path: Path) -> None:
    with pytest.warns(FutureWarning, match="JournalFileBackend"):
        storage = JournalFileStorage(str(path))
    storage.append_logs([{"n": 1}])
    assert [log["n"] for log in JournalFileBackend(str(path)).read_logs(0)] == [1]


@pytest.mark.parametrize("lock", [JournalFileOpenLock, None])
def test_threads_append_one_after_the_other(
    path: Path, lock: Callable[[str], BaseJournalFileLock] | None
) -> None:
    def append(thread: int) -> None:
        storage = JournalFileBackend(str(path), None if lock is None else lock(str(path)))
        for number in range(10):
            storage.append_logs([{"t": thread, "n": number, "x": "x" * 10_000}])

    threads = [threading.Thread(target=append, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logs = list(JournalFileBackend(str(path)).read_logs(0))
    assert len(logs) == 40
    for number in range(4):
        assert [log["n"] for log in logs if log["t"] == number] == list(range(10))


def test_journal_may_be_reached_by_a_path_or_a_name_relative_to_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    JournalFileBackend("folder/j.log").append_logs([{"n": 1}])
    monkeypatch.chdir("/")
    storage = JournalFileBackend(tmp_path / "folder" / "j.log")  # type: ignore[arg-type]
    assert [log["n"] for log in storage.read_logs(0)] == [1]
