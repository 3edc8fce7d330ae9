"""A second Ctrl-C does not wait for a storage that does not answer; its trials have leases."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import ahpo
from ahpo.engine import loop_thread
from ahpo.engine.drive import drive
from ahpo.engine.gate import Gate
from ahpo.states import TrialState
from ahpo.storages import pending
from ahpo.storages.exchange import StorageUnavailable
from ahpo.storages.leases import LEASE_EXPIRED
from ahpo.storages.patience import Patience
from ahpo.storages.replicated import ReplicatedStorage
from tests.storages.toy_backend import ToyServer


class Hanging:
    """Be a storage that stops to answer, and somebody who presses Ctrl-C twice when it does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = ToyServer()
        self.storage = ReplicatedStorage(self.server.backend)
        self.answers = threading.Event()
        self._heard = threading.Event()
        handle = Gate._handle

        def handled(gate: Gate, signum: int, frame: Any) -> None:
            try:
                handle(gate, signum, frame)
            finally:
                self._heard.set()

        monkeypatch.setattr(Gate, "_handle", handled)

    def stop(self) -> None:
        """Fail the next exchange, after which Ctrl-C is pressed."""
        self.server.fail_before.append(StorageUnavailable("it does not answer"))
        self.storage.patience = Patience(60.0, 0.001, 0.001, sleep=self._press)

    async def _press(self, seconds: float) -> None:
        await asyncio.to_thread(self._press_twice)
        await asyncio.to_thread(self.answers.wait)

    def _press_twice(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        self._heard.wait()
        os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    monkeypatch.setattr(pending, "OUTLASTING", 0.01)
    monkeypatch.setattr(loop_thread, "_PATIENCE", 0.01)
    hanging = Hanging(monkeypatch)
    yield hanging
    hanging.answers.set()
    drive(hanging.storage.aclose())


def _states(server: ToyServer) -> list[TrialState]:
    history = server.studies["study"].history
    return [history.state(number) for number in history.numbers()]


def _reap(hanging: Hanging) -> None:
    """Let a worker come by after all leases have expired."""
    hanging.server.time += 10**6
    other = ReplicatedStorage(hanging.server.backend)
    store = drive(other.open_study("study"))
    drive(store.reap())
    drive(other.aclose())


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_while_the_end_of_a_trial_is_written(hanging: Hanging, n_jobs: int) -> None:
    study = ahpo.create_study(storage=hanging.storage, study_name="study")

    def objective(trial: ahpo.Trial) -> float:
        if trial.number == 1:
            hanging.stop()
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective, n_trials=10, n_jobs=n_jobs)
    assert not hanging.answers.is_set()


def test_while_a_trial_is_started(hanging: Hanging) -> None:
    study = ahpo.create_study(storage=hanging.storage, study_name="study")

    def stop(study: ahpo.Study, trial: ahpo.trial.FrozenTrial) -> None:
        hanging.stop()

    with pytest.raises(KeyboardInterrupt):
        study.optimize(lambda trial: 1.0, n_trials=10, callbacks=[stop])
    assert _states(hanging.server) == [TrialState.COMPLETE]
    hanging.answers.set()
    study.trials  # noqa: B018  (the start was under way, and has come off by now)
    assert _states(hanging.server)[1:] in ([], [TrialState.RUNNING])
    _reap(hanging)
    history = hanging.server.studies["study"].history
    for number in list(history.numbers())[1:]:
        assert history.record(number).system_attrs["fail_reason"] == LEASE_EXPIRED


def test_the_study_goes_on_when_the_storage_answers_again(hanging: Hanging) -> None:
    study = ahpo.create_study(storage=hanging.storage, study_name="study")

    def objective(trial: ahpo.Trial) -> float:
        if trial.number == 1:
            hanging.stop()
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective, n_trials=10)
    hanging.answers.set()
    study.optimize(lambda trial: 2.0, n_trials=2)
    _reap(hanging)
    states = _states(hanging.server)
    assert TrialState.RUNNING not in states
    assert states[-2:] == [TrialState.COMPLETE] * 2
