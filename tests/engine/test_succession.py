"""The end of a trial and the start of the next one share an exchange with the storage."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import ahpo
from ahpo import aio
from ahpo.engine.drive import drive
from ahpo.history.facts import TrialFinished
from ahpo.samplers import RandomSampler
from ahpo.states import TrialState
from ahpo.storages.exchange import Request, Start, Write
from ahpo.storages.replicated import ReplicatedStorage
from tests.storages.toy_backend import ToyServer

COMPLETE, FAIL = TrialState.COMPLETE, TrialState.FAIL


@pytest.fixture
def server() -> ToyServer:
    return ToyServer()


@pytest.fixture
def storage(server: ToyServer) -> Iterator[ReplicatedStorage]:
    storage = ReplicatedStorage(server.backend)
    yield storage
    drive(storage.aclose())


def _study(storage: ReplicatedStorage) -> ahpo.Study:
    return ahpo.create_study(storage=storage, study_name="study", sampler=RandomSampler(seed=0))


def _states(study: Any) -> list[TrialState]:
    return [trial.state for trial in study.trials]


def _kinds(request: Request) -> str:
    """Return an E for each end and an S for each start."""
    kinds = ""
    for op in request.ops:
        if isinstance(op, Start):
            kinds += "S"
        elif isinstance(op, Write) and isinstance(op.fact, TrialFinished):
            kinds += "E"
    return kinds


def _exchanges(server: ToyServer) -> list[str]:
    return [kinds for request in server.requests if (kinds := _kinds(request))]


def test_a_trial_begins_with_the_end_of_the_one_before(
    server: ToyServer, storage: ReplicatedStorage
) -> None:
    study = _study(storage)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=4)
    assert _exchanges(server) == ["S", "ES", "ES", "ES", "E"]
    assert _states(study) == [COMPLETE] * 4


@pytest.mark.asyncio
async def test_a_coroutine_begins_with_the_end_of_the_one_before(
    server: ToyServer, storage: ReplicatedStorage
) -> None:
    study = await aio.create_study(storage=storage, study_name="study")

    async def objective(trial: aio.Trial) -> float:
        await asyncio.sleep(0)
        return trial.suggest_float("x", 0, 1)

    await study.optimize(objective, n_trials=4, n_jobs=1)
    assert _exchanges(server) == ["S", "ES", "ES", "ES", "E"]


def test_a_callback_comes_between_them(server: ToyServer, storage: ReplicatedStorage) -> None:
    study = _study(storage)

    def stop(study: ahpo.Study, trial: ahpo.trial.FrozenTrial) -> None:
        if trial.number == 1:
            study.stop()

    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=4, callbacks=[stop])
    assert _exchanges(server) == ["S", "E", "S", "E"]


def test_an_objective_that_stops_the_study_is_the_last(
    server: ToyServer, storage: ReplicatedStorage
) -> None:
    study = _study(storage)

    def objective(trial: ahpo.Trial) -> float:
        if trial.number == 1:
            study.stop()
        return 1.0

    study.optimize(objective, n_trials=4)
    assert _exchanges(server) == ["S", "ES", "E"]


def test_a_sampler_that_stops_the_study_is_heard(
    server: ToyServer, storage: ReplicatedStorage
) -> None:
    class Stopping(RandomSampler):
        def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
            study.stop()

    study = _study(storage)
    study.sampler = Stopping(seed=0)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=4)
    assert _exchanges(server) == ["S", "E"]


def test_an_error_that_ends_the_study_starts_nothing(
    server: ToyServer, storage: ReplicatedStorage
) -> None:
    study = _study(storage)

    def objective(trial: ahpo.Trial) -> float:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        study.optimize(objective, n_trials=4)
    assert _exchanges(server) == ["S", "E"]
    study.optimize(objective, n_trials=2, catch=ValueError)
    assert _states(study) == [FAIL] * 3
    assert _exchanges(server)[2:] == ["S", "ES", "E"]


def test_the_next_trial_runs_when_somebody_else_has_ended_this_one(
    server: ToyServer, storage: ReplicatedStorage
) -> None:
    study = _study(storage)
    there = ReplicatedStorage(server.backend)

    def objective(trial: ahpo.Trial) -> float:
        if trial.number == 1:
            other = drive(there.open_study("study"))
            drive(other.finish(TrialFinished(1, FAIL, None, 10**15)))
        return float(trial.number)

    study.optimize(objective, n_trials=4)
    drive(there.aclose())
    assert _states(study) == [COMPLETE, FAIL, COMPLETE, COMPLETE]
    assert _exchanges(server).count("ES") == 3


def test_an_end_that_is_refused_leaves_no_trial_running(
    server: ToyServer, storage: ReplicatedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = _study(storage)
    store = study._session.store
    finish_and_start = store.finish_and_start

    async def refused(fact: TrialFinished, at: int) -> Any:
        started = await finish_and_start(fact._replace(values=(1.0,)), at)
        return started._replace(refused=ValueError("not like this"))

    monkeypatch.setattr(store, "finish_and_start", refused)
    with pytest.raises(ValueError, match="not like this"):
        study.optimize(lambda trial: 1.0, n_trials=4)
    assert _states(study) == [COMPLETE, FAIL]


def test_ctrl_c_while_both_are_written_ends_the_trial_that_has_begun(
    server: ToyServer, storage: ReplicatedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    study = _study(storage)
    store = study._session.store
    finish_and_start = store.finish_and_start

    async def interrupted(fact: TrialFinished, at: int) -> Any:
        started = await finish_and_start(fact, at)
        signal.raise_signal(signal.SIGINT)
        return started

    monkeypatch.setattr(store, "finish_and_start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        study.optimize(lambda trial: 1.0, n_trials=4)
    assert _states(study) == [COMPLETE, FAIL]


@pytest.mark.asyncio
async def test_cancelled_while_both_are_written_it_leaves_no_trial_running(
    server: ToyServer, storage: ReplicatedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = await aio.create_study(storage=storage, study_name="study")
    store = study._session.store
    finish_and_start = store.finish_and_start
    task: asyncio.Task[None]

    async def objective(trial: aio.Trial) -> float:
        return 1.0

    async def cancelled(fact: TrialFinished, at: int) -> Any:
        task.cancel()
        return await finish_and_start(fact, at)

    monkeypatch.setattr(store, "finish_and_start", cancelled)
    task = asyncio.create_task(study.optimize(objective, n_trials=4))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _states(study) == [COMPLETE, FAIL]
