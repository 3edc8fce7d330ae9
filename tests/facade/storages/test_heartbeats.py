"""Workers that die: others notice, fail their trials, and try again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import ahpo
from ahpo import aio
from ahpo.storages import (
    JournalFileBackend,
    JournalStorage,
    RDBStorage,
    RetryFailedTrialCallback,
    RetryHeartbeatStaleTrialCallback,
    fail_stale_trials,
)
from ahpo.storages.leases import Leases
from ahpo.trial import TrialState
from tests.facade.storages.places import KINDS, Place
from tests.faults.program import Program

_WORKER = """
import asyncio, sys, threading, ahpo
from ahpo import aio
from tests.facade.storages.places import Place
kind, address, way, interval, grace = sys.argv[1:]
ahpo.logging.set_verbosity(ahpo.logging.ERROR)
times = {"heartbeat_interval": float(interval), "grace_period": float(grace)}
storage = Place(kind, address).storage(**times)

def objective(trial):
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr("a", 1)
    trial.report(0.5, 0)
    trial.should_prune()
    print("running")
    threading.Event().wait()

study = ahpo.load_study(study_name="study", storage=storage)
if way == "optimize":
    study.optimize(objective)
else:
    objective(study.ask())
"""


def killed_worker(place: Place, way: str, interval: float, grace: float) -> None:
    """Let a worker start a trial, and kill it."""
    with Program(_WORKER, place.kind, place.address, way, interval, grace) as program:
        assert program.line() == "running"
        program.kill()


@pytest.mark.parametrize(("kind", "way"), [(k, "optimize") for k in KINDS] + [("sqlite", "ask")])
def test_the_trial_of_a_killed_worker_is_tried_again(
    kind: str, way: str, place_of: Callable[[str], Place]
) -> None:
    """Another worker, busy with one trial all the time, fails it and enqueues it again."""
    place = place_of(kind)
    ahpo.create_study(study_name="study", storage=place.storage())
    noticed = threading.Event()
    retry = RetryHeartbeatStaleTrialCallback(max_retry=3)

    def callback(study: Any, trial: Any) -> None:
        retry(study, trial)
        noticed.set()

    # MySQL keeps whole seconds.
    interval, grace = (1.0, 2.5) if kind == "mysql" else (0.4, 1.2)
    storage = place.storage(
        heartbeat_interval=interval, grace_period=grace, heartbeat_stale_trial_callback=callback
    )
    study = ahpo.load_study(study_name="study", storage=storage)
    retried: list[Any] = []

    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        if trial.number == 0:
            killed_worker(place, way, interval, grace)
            assert noticed.wait(20.0)
        else:
            retried.append(trial)
        return x

    study.optimize(objective, n_trials=2)

    trials = study.trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert "lease expired" in trials[1].system_attrs["fail_reason"]
    assert (trials[1].user_attrs, trials[1].intermediate_values) == ({"a": 1}, {0: 0.5})
    assert (trials[2].params, trials[2].user_attrs) == (trials[1].params, {"a": 1})
    assert retry.retry_history(trials[2]) == [1]
    assert retry.retried_trial_number(trials[2]) == 1
    assert [trial.number for trial in retried] == [2]
    assert trials == place.load().trials


async def never(seconds: float) -> None:
    """Sleep between two heartbeats for ever."""
    await asyncio.Event().wait()


def silent_storage(place: Place) -> Any:
    """Return a storage whose heartbeats never come, so that its trials are stale at once."""
    storage = place.storage()
    storage.leases = Leases(1.0, 1e-9, never)
    return storage


def fail_stale(study: Any) -> None:
    """Fail stale trials by either face, twice: a journal is told of no times, it sees them pass."""
    for _ in range(2):
        if isinstance(study, ahpo.Study):
            fail_stale_trials(study)
        else:
            study._runner.run(fail_stale_trials(study._of))


def test_attempts_are_counted(place: Place, face: Any) -> None:
    """A trial that kills each of its workers is given up in the end."""
    silent = ahpo.create_study(study_name="study", storage=silent_storage(place))
    callback = RetryHeartbeatStaleTrialCallback(max_retry=2, inherit_intermediate_values=True)
    storage = place.storage(grace_period=1e-9, heartbeat_stale_trial_callback=callback)
    study = face.load_study(study_name="study", storage=storage)
    for attempt in range(3):
        trial = silent.ask()
        assert trial.number == attempt
        trial.suggest_float("x", 0, 1)
        trial.report(0.5, attempt)
        trial.should_prune()
        fail_stale(study)

    trials = place.load().trials
    assert [trial.state for trial in trials] == [TrialState.FAIL] * 3
    assert [callback.retry_history(trial) for trial in trials] == [[], [0], [0, 1]]
    assert {callback.retried_trial_number(trial) for trial in trials} == {None, 0}
    assert len({trial.params["x"] for trial in trials}) == 1
    assert trials[2].intermediate_values == {0: 0.5, 1: 0.5, 2: 0.5}


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", KINDS)
async def test_fail_stale_trials_is_awaited_for_an_async_study(
    kind: str, place_of: Callable[[str], Place]
) -> None:
    place = place_of(kind)
    async with aio.create_study(study_name="study", storage=silent_storage(place)) as silent:
        trial = await silent.ask()
        other = place.storage(grace_period=1e-9)
        async with aio.load_study(study_name="study", storage=other) as study:
            for _ in range(2):
                await fail_stale_trials(study)
            assert [t.state for t in study.trials] == [TrialState.FAIL]
        with pytest.raises(ValueError, match="Cannot tell a FAIL trial"):
            await silent.tell(trial, 1.0)


def test_live_trials_are_left_alone(place: Place, face: Any) -> None:
    study = face.create_study(study_name="study", storage=place.storage())
    study.ask()
    other = place.load()
    fail_stale(other)
    assert [trial.state for trial in other.trials] == [TrialState.RUNNING]


def test_old_names_of_the_callback() -> None:
    with pytest.warns(FutureWarning, match="RetryHeartbeatStaleTrialCallback"):
        callback = RetryFailedTrialCallback(max_retry=3)
    with pytest.warns(FutureWarning, match="heartbeat_stale_trial_callback"):
        storage = RDBStorage("sqlite://", failed_trial_callback=callback)
    assert isinstance(callback, RetryHeartbeatStaleTrialCallback)
    assert storage.on_stale_trial is callback


@pytest.mark.parametrize("name", ["heartbeat_interval", "grace_period"])
@pytest.mark.parametrize("value", [0, -1.5, float("nan")])
def test_times_that_make_no_sense(name: str, value: float, tmp_path: Any) -> None:
    backend = JournalFileBackend(str(tmp_path / "journal"))
    for make in (
        lambda **times: RDBStorage("sqlite://", **times),
        lambda **times: JournalStorage(backend, **times),
    ):
        with pytest.raises(
            ValueError, match=f"`{name}` must be above 0 or None, but it is {value}"
        ):
            make(**{name: value})
