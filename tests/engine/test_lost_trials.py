"""A trial that another worker has finished: its objective ends, and the study goes on."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import ahpo
from ahpo import aio
from ahpo.engine.drive import drive
from ahpo.exceptions import UpdateFinishedTrialError
from ahpo.history.facts import TrialFinished
from ahpo.samplers import RandomSampler
from ahpo.states import TrialState
from ahpo.storages.replicated import ReplicatedStorage
from tests.storages.toy_backend import ToyServer

FAIL, COMPLETE = TrialState.FAIL, TrialState.COMPLETE


class Elsewhere:
    """Be another process that works on the same study."""

    def __init__(self) -> None:
        self.server = ToyServer()
        self.here = ReplicatedStorage(self.server.backend)
        self._there = ReplicatedStorage(self.server.backend)

    def fail(self, number: int) -> None:
        """Finish a trial, as one does who finds its lease expired."""
        store = drive(self._there.open_study("study"))
        drive(store.finish(TrialFinished(number, FAIL, None, 10**15)))

    def close(self) -> None:
        drive(self.here.aclose())
        drive(self._there.aclose())


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    place = Elsewhere()
    yield place
    place.close()


def _states(study: Any) -> list[TrialState]:
    return [trial.state for trial in study.trials]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_plain_objective_is_told_at_its_checkpoint(elsewhere: Elsewhere, n_jobs: int) -> None:
    study = ahpo.create_study(
        storage=elsewhere.here, study_name="study", sampler=RandomSampler(seed=0)
    )
    went_on: list[int] = []

    def objective(trial: ahpo.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.report(x, 1)
        if trial.number == 1:
            elsewhere.fail(1)
        trial.should_prune()
        went_on.append(trial.number)
        return x

    study.optimize(objective, n_trials=4, n_jobs=n_jobs)
    assert sorted(went_on) == [0, 2, 3]
    assert _states(study) == [COMPLETE, FAIL, COMPLETE, COMPLETE]
    known = elsewhere.server.studies["study"].history.record(1)
    assert study.trials[1].intermediate_values == known.intermediate_values


@pytest.mark.asyncio
async def test_a_coroutine_is_cancelled_where_it_waits(
    elsewhere: Elsewhere, caplog: pytest.LogCaptureFixture
) -> None:
    """Another trial's checkpoint is enough to learn of it; nothing is overwritten."""
    study = await aio.create_study(
        storage=elsewhere.here, study_name="study", sampler=RandomSampler(seed=0)
    )
    ended: list[str] = []
    waits = asyncio.Event()

    async def objective(trial: ahpo.AsyncTrial) -> float:
        if trial.number == 0:
            try:
                waits.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise
            finally:
                await asyncio.sleep(0)  # it is cancelled once
                ended.append("cleaned up")
        await waits.wait()
        if trial.number == 1:
            await asyncio.to_thread(elsewhere.fail, 0)
            await trial.should_prune()
        return 1.0

    ahpo.logging.enable_propagation()
    with caplog.at_level(logging.WARNING, "ahpo"):
        async with asyncio.timeout(20.0):
            await study.optimize(objective, n_trials=4, n_jobs=2)
    ahpo.logging.disable_propagation()
    assert ended == ["cancelled", "cleaned up"]
    assert _states(study) == [FAIL, COMPLETE, COMPLETE, COMPLETE]
    assert "Trial 0 ended as FAIL, but it had already been finished from elsewhere" in caplog.text
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0


@pytest.mark.asyncio
async def test_a_result_that_comes_too_late_is_dropped(elsewhere: Elsewhere) -> None:
    study = await aio.create_study(storage=elsewhere.here, study_name="study")
    seen: list[tuple[int, TrialState]] = []

    async def objective(trial: ahpo.AsyncTrial) -> float:
        if trial.number == 0:
            await asyncio.to_thread(elsewhere.fail, 0)
        return 5.0

    def callback(study: ahpo.Study, trial: Any) -> None:
        seen.append((trial.number, trial.state))

    await study.optimize(objective, n_trials=2, callbacks=[callback])
    assert _states(study) == [FAIL, COMPLETE]
    assert study.trials[0].values is None
    assert seen == [(0, FAIL), (1, COMPLETE)]


@pytest.mark.asyncio
async def test_a_study_that_is_cancelled_meanwhile_is_cancelled(elsewhere: Elsewhere) -> None:
    """Losing a trial does not swallow the cancellation of `optimize`."""
    study = await aio.create_study(storage=elsewhere.here, study_name="study")
    started, cleaning = asyncio.Event(), asyncio.Event()

    async def objective(trial: ahpo.AsyncTrial) -> float:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await asyncio.sleep(0.01)
        return 1.0

    task = asyncio.create_task(study.optimize(objective, n_trials=3))
    await started.wait()
    await asyncio.to_thread(elsewhere.fail, 0)
    await study.refresh()
    await cleaning.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _states(study) == [FAIL]


@pytest.mark.asyncio
async def test_a_block_is_cancelled_and_says_why(elsewhere: Elsewhere) -> None:
    study = await aio.create_study(storage=elsewhere.here, study_name="study")
    with pytest.raises(UpdateFinishedTrialError, match="Trial 0 was finished from elsewhere"):
        async with study.trial() as trial:
            trial.suggest_float("x", 0, 1)
            await asyncio.to_thread(elsewhere.fail, 0)
            async with asyncio.timeout(20.0):
                await asyncio.gather(study.refresh(), asyncio.Event().wait())
    async with study.trial() as trial:
        trial.tell(1.0)
    assert _states(study) == [FAIL, COMPLETE]


def test_trial_of_a_loop_that_was_closed_is_lost_and_keeps_nobody_waiting(
    elsewhere: Elsewhere,
) -> None:
    study = ahpo.create_study(storage=elsewhere.here, study_name="study")
    blocks: list[Any] = []

    async def begin() -> None:
        loaded = await aio.load_study(study_name="study", storage=elsewhere.here)
        blocks.append(block := loaded.trial())
        await block.__aenter__()

    def on_a_loop() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(begin())
        loop.close()

    thread = threading.Thread(target=on_a_loop)
    thread.start()
    thread.join()
    elsewhere.fail(0)
    assert _states(study) == [FAIL]
    assert study.ask().number == 1


@pytest.mark.asyncio
async def test_who_asks_and_checks_learns_of_it(elsewhere: Elsewhere) -> None:
    study = await aio.create_study(storage=elsewhere.here, study_name="study")
    trial = await study.ask()
    await asyncio.to_thread(elsewhere.fail, 0)
    with pytest.raises(UpdateFinishedTrialError, match="finished from elsewhere"):
        await trial.should_prune()


def test_who_asks_and_tells_learns_of_it_at_the_next_call(elsewhere: Elsewhere) -> None:
    study = ahpo.create_study(storage=elsewhere.here, study_name="study")
    trial = study.ask()
    elsewhere.fail(0)
    assert _states(study) == [FAIL]
    with pytest.raises(UpdateFinishedTrialError):
        trial.report(1.0, 1)
    with pytest.raises(ValueError, match="FAIL"):
        study.tell(trial, 1.0)
    assert study.tell(trial, 1.0, skip_if_finished=True).state is FAIL


def test_stale_trials_are_failed_at_the_first_ask_and_called_back(elsewhere: Elsewhere) -> None:
    study = ahpo.create_study(storage=elsewhere.here, study_name="study")
    study.ask()
    called: list[tuple[ahpo.Study, int, threading.Thread]] = []
    other = ReplicatedStorage(elsewhere.server.backend)
    other.on_stale_trial = lambda study, trial: called.append(  # type: ignore[attr-defined]
        (study, trial.number, threading.current_thread())
    )
    elsewhere.server.time = 1000.0
    later = ahpo.load_study(study_name="study", storage=other)
    later.ask()
    assert called == [(later, 0, threading.current_thread())]
    assert _states(later) == [FAIL, TrialState.RUNNING]
    elsewhere.server.time = 2000.0
    ahpo.storages.fail_stale_trials(later)
    assert [number for _, number, _ in called] == [0, 1]
    drive(other.aclose())
