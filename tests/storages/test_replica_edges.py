"""What comes at the worst of moments: interruptions, closing, refusals that nobody waits for."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ahpo
from ahpo import aio
from ahpo.distributions import CategoricalDistribution, FloatDistribution
from ahpo.engine.drive import drive
from ahpo.history.facts import ParamSet, StudyUserAttrSet, TrialFinished, UserAttrSet
from ahpo.states import StudyDirection, TrialState
from ahpo.storages import JournalFileBackend, JournalStorage, RDBStorage
from ahpo.storages.exchange import Seen, StorageUnavailable
from ahpo.storages.patience import Patience
from ahpo.storages.pending import Pending
from ahpo.storages.replicated import ReplicatedStorage
from ahpo.storages.sql import exchange
from ahpo.storages.sql.at_once import _is_welcome
from ahpo.storages.sql.checking import Kinds
from ahpo.storages.thread import StorageThread, storage_thread
from tests.storages.toy_backend import ToyServer

FLOAT, KINDS = FloatDistribution(0, 1), CategoricalDistribution(["p", "q"])
MINIMIZE, NOW = StudyDirection.MINIMIZE, 10**15


@pytest.mark.parametrize("when", ["before", "after"])
def test_ctrl_c_as_the_storages_are_woken_does_not_stall_them(
    when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = ReplicatedStorage(ToyServer().backend)
    store = drive(storage.create_study("study", [MINIMIZE]))
    soon = StorageThread.soon
    interrupted: list[bool] = []

    def interrupted_soon(self: StorageThread, *args: Any) -> None:
        if when == "after" or interrupted:
            soon(self, *args)
        if not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt

    monkeypatch.setattr(StorageThread, "soon", interrupted_soon)
    with pytest.raises(KeyboardInterrupt):
        drive(store.refresh())
    assert asyncio.run(asyncio.wait_for(_started(store), 10.0)) == 0
    drive(storage.aclose())


def _hanging(server: ToyServer) -> tuple[ReplicatedStorage, threading.Event, threading.Event]:
    """Return a storage that is not there for its next exchange until the second event is set."""
    hangs, comes_back = threading.Event(), threading.Event()

    async def sleep(seconds: float) -> None:
        hangs.set()
        await asyncio.to_thread(comes_back.wait, 10.0)

    storage = ReplicatedStorage(server.backend, patience=Patience(10.0, 0.1, 0.1, sleep))
    return storage, hangs, comes_back


@pytest.mark.parametrize("n_times", [1, 2])
def test_ctrl_c_while_the_storage_hangs(n_times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One waits until it is known what has become of the trial; two do not."""
    server = ToyServer()
    storage, hangs, comes_back = _hanging(server)
    store = drive(storage.create_study("study", [MINIMIZE]))
    server.fail_before = [StorageUnavailable("down")]
    block, left = Pending.block, [None] * n_times

    def interrupted(self: Pending[Any], timeout: float = -1) -> bool:
        if left:
            assert hangs.wait(10.0)
            left.pop()
            if not left and n_times == 1:
                comes_back.set()
            raise KeyboardInterrupt
        return block(self, timeout)

    monkeypatch.setattr(Pending, "block", interrupted)
    with pytest.raises(KeyboardInterrupt):
        drive(store.start(NOW))
    assert comes_back.is_set() is (n_times == 1)
    comes_back.set()
    if n_times == 1:
        record = store.history.record(0)
        assert record.state is TrialState.FAIL
        assert record.system_attrs == {"fail_reason": "cancelled"}
    drive(storage.aclose())


async def _started(store: Any) -> int:
    number: int = await store.start(NOW)
    return number


@pytest.mark.asyncio
async def test_a_link_is_not_closed_in_the_middle_of_an_exchange() -> None:
    server = ToyServer()
    storage = ReplicatedStorage(server.backend)
    store: Any = await storage.create_study("study", [MINIMIZE])
    number = await store.start(NOW)

    class Closing(list[Any]):
        def append(self, request: Any) -> None:
            super().append(request)
            storage_thread().spawn(store._unlink())

    server.requests = Closing()
    await store.finish(TrialFinished(number, TrialState.COMPLETE, (1.0,), NOW))
    assert store.history.record(number).state is TrialState.COMPLETE
    await storage.aclose()


@pytest.mark.asyncio
async def test_closing_a_storage_while_trials_run_loses_none_of_them() -> None:
    server = ToyServer()
    storage = ReplicatedStorage(server.backend)
    study = await aio.create_study(storage=storage, study_name="study")

    async def objective(trial: Any) -> float:
        await asyncio.sleep(0)
        return float(trial.suggest_float("x", 0, 1))

    run = asyncio.create_task(study.optimize(objective, n_trials=200, n_jobs=10))
    while not run.done():
        await storage.aclose()
    await run
    states = Counter(trial.state for trial in study.get_trials(deepcopy=False))
    assert states == {TrialState.COMPLETE: 200}
    await storage.aclose()


@pytest.mark.asyncio
async def test_attributes_are_at_once_what_others_will_read() -> None:
    storage = ReplicatedStorage(ToyServer().backend)
    store = await storage.create_study("study", [MINIMIZE])
    number = await store.start(NOW)
    value = {1: (1, 2)}
    store.record(UserAttrSet(number, "k", value))
    store.record(StudyUserAttrSet("k", value))
    value.clear()
    assert store.history.record(number).user_attrs == {"k": {"1": [1, 2]}}
    assert store.history.user_attrs == {"k": {"1": [1, 2]}}
    await storage.aclose()


def test_to_tell_a_trial_that_somebody_else_has_finished_meanwhile() -> None:
    server = ToyServer()
    one, other = (ReplicatedStorage(server.backend) for _ in range(2))
    study = ahpo.create_study(storage=one, study_name="study")
    trial = study.ask()
    ahpo.load_study(study_name="study", storage=other).tell(trial.number, 1.0)
    assert study.tell(trial, 2.0, skip_if_finished=True).value == 1.0
    later = study.ask()
    ahpo.load_study(study_name="study", storage=other).tell(later.number, 1.0)
    with pytest.raises(ValueError, match="Cannot tell a COMPLETE trial"):
        study.tell(later, 2.0)
    drive(one.aclose())
    drive(other.aclose())


class TestRefusals:
    """A parameter that another process has made of another kind."""

    @pytest.fixture(params=["toy", "sqlite", "journal"])
    def storages(self, request: pytest.FixtureRequest, tmp_path: Path) -> list[Any]:
        server = ToyServer()
        makers: dict[str, Callable[[], Any]] = {
            "toy": lambda: ReplicatedStorage(server.backend),
            "sqlite": lambda: RDBStorage(f"sqlite:///{tmp_path}/a.db"),
            "journal": lambda: JournalStorage(JournalFileBackend(str(tmp_path / "a.journal"))),
        }
        return [makers[request.param]() for _ in range(2)]

    @pytest.mark.asyncio
    async def test_the_end_of_a_trial_is_not_written_without_what_came_before(
        self, storages: list[Any]
    ) -> None:
        one, other = storages
        store = await one.create_study("study", [MINIMIZE])
        late = await other.open_study("study")
        numbers = [await store.start(NOW), await late.start(NOW)]
        store.record(ParamSet(numbers[0], "x", 0.5, FLOAT))
        await store.flush()
        late.record(ParamSet(numbers[1], "x", 1.0, KINDS))
        end = TrialFinished(numbers[1], TrialState.COMPLETE, (1.0,), NOW)
        with pytest.raises(ValueError, match="'x'"):
            await late.finish(end)
        assert late._known.refused == {}
        await store.refresh()
        assert store.history.state(numbers[1]) is TrialState.RUNNING
        await late.finish(end._replace(state=TrialState.FAIL, values=None))
        for storage in storages:
            await storage.aclose()

    @pytest.mark.asyncio
    async def test_it_keeps_the_kind_that_the_storage_knows(self, storages: list[Any]) -> None:
        one, other = storages
        store = await one.create_study("study", [MINIMIZE])
        late = await other.open_study("study")
        numbers = [await store.start(NOW), await late.start(NOW), await late.start(NOW)]
        store.record(ParamSet(numbers[0], "x", 0.5, FLOAT))
        await store.flush()
        late.record(ParamSet(numbers[1], "x", 1.0, KINDS))
        await late.refresh()
        with pytest.raises(ValueError, match="'x'"):
            late.record(ParamSet(numbers[2], "x", 1.0, KINDS))
        late.record(ParamSet(numbers[2], "x", 0.5, FLOAT))
        await late.finish(TrialFinished(numbers[2], TrialState.COMPLETE, (1.0,), NOW))
        for storage in storages:
            await storage.aclose()


@pytest.mark.asyncio
async def test_an_attribute_of_the_study_that_was_refused_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells_of_fact: Any = vars(exchange)["cells_of_fact"]

    def refusing(dialect: Any, fact: Any) -> Any:
        if getattr(fact, "key", "") == "refused":
            raise ValueError("refused")
        return cells_of_fact(dialect, fact)

    monkeypatch.setattr(exchange, "cells_of_fact", refusing)
    storage = RDBStorage(f"sqlite:///{tmp_path}/a.db")
    store = await storage.create_study("study", [MINIMIZE])
    store.record(StudyUserAttrSet("refused", 1))
    with pytest.raises(ValueError, match="refused"):
        await store.flush()
    await store.refresh()
    assert store.history.user_attrs == {}
    await storage.aclose()


@pytest.mark.parametrize("known", [FLOAT, KINDS])
def test_a_statement_at_once_writes_no_parameter_of_another_kind(known: Any) -> None:
    seen = Seen(0, 1, {0: 0}, {}, {}, {"x": known})
    writes = _is_welcome(ParamSet(0, "x", 0.5, FLOAT), seen)
    assert writes is (known is FLOAT)
    checked = Kinds(seen, {})
    if writes:
        checked.check("x", FLOAT)
    else:
        with pytest.raises(ValueError, match="'x'"):
            checked.check("x", FLOAT)


def test_threads_may_fork_at_once() -> None:
    storage = ReplicatedStorage(ToyServer().backend)
    stores = [drive(storage.create_study(f"study{n}", [MINIMIZE])) for n in range(4)]

    def fork() -> None:
        for _ in range(40):
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)

    threads = [threading.Thread(target=fork, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert not any(thread.is_alive() for thread in threads)
    assert [store.lock.locked() for store in stores] == [False] * 4  # type: ignore[attr-defined]
    drive(storage.aclose())
