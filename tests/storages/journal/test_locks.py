"""Lock files exclude each other, ours and Optuna's, and those of the dead are taken away."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest

import ahpo.storages.journal.locks as locks
from ahpo.storages.journal import JournalFileOpenLock, JournalFileSymlinkLock

OURS = [JournalFileSymlinkLock, JournalFileOpenLock]
OPTUNAS = [
    optuna.storages.journal.JournalFileSymlinkLock,
    optuna.storages.journal.JournalFileOpenLock,
]


class HandTime:
    """Time that passes when somebody sleeps; what happens at which moment can be told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.naps = 0
        self.events: list[tuple[float, Callable[[], Any]]] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.naps += 1
        while self.events and self.events[0][0] <= self.now:
            self.events.pop(0)[1]()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> HandTime:
    time = HandTime()
    monkeypatch.setattr(locks, "time", time)
    return time


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = tmp_path / "journal.log"
    path.touch()
    return str(path)


@pytest.mark.parametrize("waiter", OURS)
@pytest.mark.parametrize("holder", [*OURS, *OPTUNAS])
def test_lock_is_waited_for(path: str, time: HandTime, holder: Any, waiter: Any) -> None:
    first, second = holder(path), waiter(path)
    first.acquire()
    time.events.append((5.0, first.release))
    assert second.acquire() is True
    assert 5.0 <= time.now < 5.5
    second.release()
    assert os.listdir(os.path.dirname(path)) == ["journal.log"]


@pytest.mark.parametrize("holder", OURS)
@pytest.mark.parametrize("waiter", OPTUNAS)
def test_optuna_waits_for_our_lock(
    path: str, monkeypatch: pytest.MonkeyPatch, holder: Any, waiter: Any
) -> None:
    import optuna.storages.journal._file as theirs

    time = HandTime()
    monkeypatch.setattr(theirs, "time", time)
    first, second = holder(path), waiter(path)
    first.acquire()
    time.events.append((5.0, first.release))
    second.acquire()
    assert time.now >= 5.0
    second.release()


def test_link_points_to_the_journal_from_wherever_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    lock = JournalFileSymlinkLock("folder/journal.log")
    lock.acquire()
    assert os.readlink("folder/journal.log.lock") == str(tmp_path / "folder" / "journal.log")
    lock.release()


@pytest.mark.parametrize("waiter", OURS)
@pytest.mark.parametrize("holder", [*OURS, *OPTUNAS])
def test_lock_of_a_dead_process_is_taken_away(
    path: str, time: HandTime, holder: Any, waiter: Any
) -> None:
    holder(path).acquire()
    lock = waiter(path, grace_period=30)
    assert lock.acquire()
    assert 30.0 < time.now < 31.0
    lock.release()
    assert os.listdir(os.path.dirname(path)) == ["journal.log"]


@pytest.mark.parametrize("waiter", OURS)
def test_link_that_leads_nowhere_is_taken_away_too(path: str, time: HandTime, waiter: Any) -> None:
    """Optuna leaves one when it was given a relative path in another folder."""
    os.symlink("nowhere/journal.log", path + ".lock")
    lock = waiter(path, grace_period=30)
    assert lock.acquire()
    assert time.naps < 1000  # it does not spin
    lock.release()


def test_holder_who_writes_keeps_the_lock(path: str, time: HandTime) -> None:
    holder, waiter = JournalFileSymlinkLock(path), JournalFileSymlinkLock(path, grace_period=30)
    holder.acquire()
    for moment in (20, 40, 60, 80):
        time.events.append((moment, partial(os.utime, path, (moment, moment))))
    time.events.append((100.0, holder.release))
    waiter.acquire()
    assert time.now >= 100.0
    waiter.release()


@pytest.mark.parametrize("kind", OURS)
def test_lock_is_never_taken_away_without_a_grace_period(
    path: str, time: HandTime, kind: Any
) -> None:
    holder, waiter = kind(path), kind(path, grace_period=None)
    holder.acquire()
    time.events.append((300.0, holder.release))
    waiter.acquire()
    assert time.now >= 300.0
    waiter.release()


@pytest.mark.parametrize("kind", OURS)
def test_who_lost_the_lock_does_not_release_that_of_another(
    path: str, time: HandTime, kind: Any
) -> None:
    slow, quick = kind(path), kind(path, grace_period=30)
    slow.acquire()
    os.utime(path + ".lock", (1, 1), follow_symlinks=False)  # long ago: no two look the same
    slow._held = slow._file()
    quick.acquire()
    with pytest.raises(RuntimeError, match="somebody else"):
        slow.release()
    assert os.path.lexists(path + ".lock")
    quick.release()
    with pytest.raises(RuntimeError, match="not held"):
        quick.release()


@pytest.mark.parametrize("kind", OURS)
def test_grace_period_is_checked(path: str, kind: Any) -> None:
    for grace_period in (0, -1):
        with pytest.raises(ValueError, match=str(grace_period)):
            kind(path, grace_period=grace_period)
    with pytest.warns(UserWarning, match="grace_period"):
        kind(path, grace_period=2)


@pytest.mark.parametrize("kind", OURS)
def test_lock_may_be_acquired_again(path: str, kind: Any) -> None:
    lock = kind(path)
    for _ in range(3):
        assert lock.acquire()
        assert os.path.lexists(path + ".lock")
        lock.release()


@pytest.mark.parametrize("kind", OURS)
def test_lock_that_another_waiter_has_just_got_is_not_taken_away(path: str, kind: Any) -> None:
    stale, quick = kind(path), kind(path)
    sighting = (1, 1, 1)  # of one that is gone
    quick.acquire()
    stale._remove(sighting)
    assert os.path.lexists(path + ".lock")
    quick.release()
    assert os.listdir(os.path.dirname(path)) == ["journal.log"]
