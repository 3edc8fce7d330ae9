"""Plain code carries out exchanges with files in its own thread, where nobody else is at it."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ahpo
from ahpo import aio
from ahpo.engine.drive import drive
from ahpo.samplers import RandomSampler
from ahpo.states import TrialState
from ahpo.storages import (
    JournalFileBackend,
    JournalFileSymlinkLock,
    JournalStorage,
    RDBStorage,
    replica,
)
from ahpo.storages.exchange import Request
from ahpo.storages.journal import file as journal_file
from ahpo.storages.journal import locks
from ahpo.storages.journal.link import JournalLink
from ahpo.storages.patience import Patience
from ahpo.storages.sql.sqlite import _SQLiteLink

LINKS: dict[str, type[Any]] = {"sqlite": _SQLiteLink, "journal": JournalLink}


class Watched:
    """Tell in which threads exchanges were carried out, and which were repeated."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type[Any]) -> None:
        self.threads: list[int] = []
        self.repeated: list[bool] = []
        self.before: Callable[[Request], object] = bool
        exchange = kind.exchange

        async def watched(link: Any, request: Request) -> Any:
            self.threads.append(threading.get_ident())
            self.repeated.append(request.repeated)
            self.before(request)
            return await exchange(link, request)

        monkeypatch.setattr(kind, "exchange", watched)


@pytest.fixture(params=LINKS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch, kind: str) -> Watched:
    monkeypatch.setattr(replica, "LINGER", 1000.0)
    return Watched(monkeypatch, LINKS[kind])


@pytest.fixture
def storage(kind: str, tmp_path: Path) -> Iterator[Any]:
    if kind == "sqlite":
        connect_args = {"connect_args": {"timeout": 0.01}}
        place: Any = RDBStorage(f"sqlite:///{tmp_path / 'study.db'}", engine_kwargs=connect_args)
    else:
        place = JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))
    yield place
    drive(place.aclose())


def _study(storage: Any) -> ahpo.Study:
    return ahpo.create_study(storage=storage, study_name="study", sampler=RandomSampler(seed=0))


def test_optimize_needs_no_other_thread(watched: Watched, storage: Any) -> None:
    study = _study(storage)

    def objective(trial: ahpo.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.report(x, 0)
        trial.should_prune()
        return x

    watched.threads.clear()
    study.optimize(objective, n_trials=3)
    assert watched.threads == [threading.get_ident()] * len(watched.threads)
    assert len(watched.threads) >= 7  # a start, three checkpoints, three ends
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3
    again = ahpo.load_study(storage=storage, study_name="study")
    assert [trial.intermediate_values for trial in again.trials] == [
        {0: trial.value} for trial in study.trials
    ]


def test_coroutines_leave_it_to_the_thread_of_the_storages(watched: Watched, storage: Any) -> None:
    async def main() -> None:
        async with aio.create_study(storage=storage, study_name="study") as study:
            await study.optimize(lambda trial: 1.0, n_trials=3)

    asyncio.run(main())
    assert watched.threads and threading.get_ident() not in watched.threads


def test_ctrl_c_is_raised_when_it_is_done(watched: Watched, storage: Any) -> None:
    study = _study(storage)
    study.tell(study.ask(), 1.0)

    def press(request: Request) -> None:
        watched.before = bool
        signal.raise_signal(signal.SIGINT)

    watched.before = press
    with pytest.raises(KeyboardInterrupt):
        study.ask()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    states = [trial.state for trial in ahpo.load_study(storage=storage, study_name="study").trials]
    assert states == [TrialState.COMPLETE, TrialState.FAIL]


def test_what_others_hold_is_waited_for_in_the_thread_of_the_storages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "study.log")
    study = _study(JournalStorage(JournalFileBackend(path)))
    holder = JournalFileSymlinkLock(path)
    holder.acquire()
    waiting: list[int] = []

    def sleep(seconds: float) -> None:
        waiting.append(threading.get_ident())
        if len(waiting) == 1:
            holder.release()

    clock = SimpleNamespace(sleep=sleep, monotonic=time.monotonic)
    monkeypatch.setattr(locks, "time", clock)
    study.tell(study.ask(), 1.0)
    assert waiting and threading.get_ident() not in waiting
    assert [trial.value for trial in study.trials] == [1.0]


@pytest.mark.parametrize("kind", ["sqlite"])
def test_what_fails_for_a_reason_that_may_pass_is_repeated_there(
    watched: Watched, storage: Any, tmp_path: Path
) -> None:
    study = _study(storage)
    trial = study.ask()
    with closing(
        sqlite3.connect(tmp_path / "study.db", isolation_level=None, check_same_thread=False)
    ) as holder:
        holder.execute("BEGIN IMMEDIATE")

        async def sleep(seconds: float) -> None:
            if holder.in_transaction:
                holder.execute("ROLLBACK")

        storage.patience = Patience(60.0, 0.001, 0.001, sleep=sleep)
        watched.threads.clear()
        watched.repeated.clear()
        study.tell(trial, 1.0)
    assert watched.repeated == [False, True, True]  # here, there, and when it is free
    assert [thread == threading.get_ident() for thread in watched.threads] == [True, False, False]
    assert [trial.value for trial in study.trials] == [1.0]


def test_the_disk_does_not_make_a_journal_slow_for_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is synced in place takes long, and what is read and written all the same does not."""
    ticks = [0.0]
    monkeypatch.setattr(journal_file, "time", SimpleNamespace(perf_counter=lambda: ticks[0]))
    fsync = os.fsync

    def slow(descriptor: int) -> None:
        ticks[0] += 1.0
        fsync(descriptor)

    study = _study(JournalStorage(JournalFileBackend(str(tmp_path / "study.log"))))
    monkeypatch.setattr(os, "fsync", slow)
    trial = study.ask()
    study.tell(trial, 1.0)
    assert ticks[0] >= 1.0
    store: Any = study._session.store
    assert store._link._place._swift
