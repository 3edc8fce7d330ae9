"""Each library leaves the live trials of the other alone, fails the dead ones, and retries them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import pytest
from sqlalchemy import text

import ahpo
from tests.faults.program import Program
from tests.interop.conftest import Place
from tests.servers.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

WORKER = Path(__file__).with_name("worker.py")
LONG_AGO = datetime(2020, 1, 1)


class Beats:
    """Be the heartbeats of a database."""

    def __init__(self, storage: Any) -> None:
        self._engine = storage.engine

    def last(self, trial: Any) -> datetime:
        with self._engine.begin() as connection:
            rows = connection.execute(
                text("SELECT heartbeat FROM trial_heartbeats WHERE trial_id = :id"),
                {"id": trial._trial_id},
            )
            (found,) = rows.one()
        return found if isinstance(found, datetime) else datetime.fromisoformat(found)

    def make_old(self, trial: Any) -> None:
        """Let the last sign of life of a trial be one of long ago."""
        with self._engine.begin() as connection:
            connection.execute(
                text("UPDATE trial_heartbeats SET heartbeat = :at WHERE trial_id = :id"),
                {"id": trial._trial_id, "at": LONG_AGO},
            )

    def renewed(self, trial: Any) -> bool:
        return self.last(trial) > LONG_AGO


def check_heeded(worker: Program, number: int, study: Any, api: Any, beats: Beats) -> Any:
    """Check that a study fails the trial of a worker if that is dead; return what retries it.

    :param api: the library of the study, which is not that of the worker
    """
    trial = study.trials[number]
    beats.make_old(trial)
    until(lambda: beats.renewed(trial), "a sign of life")
    api.storages.fail_stale_trials(study)
    assert study.trials[number].state is api.trial.TrialState.RUNNING
    worker.kill()
    api.storages.fail_stale_trials(study)
    assert study.trials[number].state is api.trial.TrialState.RUNNING
    beats.make_old(trial)
    api.storages.fail_stale_trials(study)
    failed, retry = study.trials[number], study.trials[-1]
    assert failed.state is api.trial.TrialState.FAIL
    assert failed.intermediate_values == {1: 0.5}
    assert retry.state is api.trial.TrialState.WAITING
    assert retry.params.keys() == {"x"}
    assert (retry.params, retry.user_attrs) == (failed.params, failed.user_attrs)
    return retry


def test_trials_of_the_other_are_failed_if_their_worker_is_dead(
    database: Place, tmp_path: Path
) -> None:
    callbacks = (
        ahpo.storages.RetryHeartbeatStaleTrialCallback,
        (optuna.storages.RetryHeartbeatStaleTrialCallback),
    )
    our_retry, their_retry = (callback() for callback in callbacks)
    storage = database.theirs(heartbeat_interval=60, heartbeat_stale_trial_callback=their_retry)
    theirs = optuna.create_study(storage=storage, study_name="study")
    ours = ahpo.load_study(
        study_name="study",
        storage=database.ours(heartbeat_interval=60, heartbeat_stale_trial_callback=our_retry),
    )
    beats, gate = Beats(storage), tmp_path / "gate"

    def worker(library: str) -> Program:
        return Program(WORKER, library, database.address, 1, gate, 1)

    with worker("ahpo") as one_of_ours, worker("optuna") as one_of_theirs:
        assert [one_of_ours.line(), one_of_theirs.line()] == ["ready", "ready"]
        gate.touch()
        number_of_ours, number_of_theirs = int(one_of_ours.line()), int(one_of_theirs.line())
        retries = [
            check_heeded(one_of_ours, number_of_ours, theirs, optuna, beats),
            check_heeded(one_of_theirs, number_of_theirs, ours, ahpo, beats),
        ]
    numbers = [number_of_ours, number_of_theirs]
    for retry in retries:
        for callback in callbacks:
            assert callback.retried_trial_number(retry) == numbers[0]
            assert callback.retry_history(retry) == [numbers[0]]
        numbers.reverse()
    # Each is run by the library that did not enqueue it.
    for study, retry in zip((ours, theirs), retries, strict=True):
        study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=1)
        assert study.trials[retry.number].values == [retry.params["x"]]


def test_trial_of_optuna_without_a_heartbeat_is_left_alone(place: Place) -> None:
    theirs = optuna.create_study(storage=place.theirs(), study_name="study")
    theirs.ask()
    ours = ahpo.load_study(study_name="study", storage=place.ours(grace_period=1e-9))
    ours.ask()
    ahpo.storages.fail_stale_trials(ours)
    assert [trial.state.name for trial in theirs.trials] == ["RUNNING", "FAIL"]
