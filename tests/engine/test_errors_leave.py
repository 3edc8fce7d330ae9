"""What happens to the other trials when one ends the study, and when `optimize` is cancelled."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import anyio
import pytest

import ahpo
from ahpo.states import TrialState
from tests.engine.loops import LOOPS, run
from tests.engine.studies import assert_clean, async_study, new_session, reasons, states, sync_study
from tests.engine.ways import WAYS, Way

COMPLETE, FAIL = TrialState.COMPLETE, TrialState.FAIL


class AllRunning:
    """Let objectives wait until so many of them run."""

    def __init__(self, n: int) -> None:
        self._missing = n
        self.event = asyncio.Event()

    async def wait(self) -> None:
        self._missing -= 1
        if self._missing == 0:
            self.event.set()
        await self.event.wait()


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), SystemExit(2)], ids=repr)
def test_siblings_are_cancelled(error: BaseException, kind: str) -> None:
    """One coroutine that raises ends them all: the error leaves as itself, in no group."""
    study = async_study()

    async def main() -> None:
        running = AllRunning(50)

        async def objective(trial: Any) -> float:
            await running.wait()
            if trial.number == 17:
                raise error
            await asyncio.sleep(3600)
            return 1.0

        await study.optimize(objective, n_jobs=50)

    with pytest.raises(type(error)) as raised:
        run(main, kind)
    assert raised.value is error
    assert_clean(study)
    assert len(study.trials) == 50
    assert sorted(set(reasons(study))) == sorted({"cancelled", repr(error)})
    assert study.trials[17].system_attrs["fail_reason"] == repr(error)


@pytest.mark.parametrize("way", ["threads", "asyncio with threads"])
@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), SystemExit(2)], ids=repr)
def test_sibling_threads_are_told(way: str, error: BaseException) -> None:
    """A thread can not be cancelled: its next call on the trial raises, past `except Exception`."""
    session = new_session()
    barrier = threading.Barrier(4)
    told: list[BaseException] = []

    def objective(trial: Any) -> float:
        barrier.wait(10)
        if trial.number == 2:
            raise error
        try:
            while True:
                try:
                    trial.report(0.0, 0)
                except Exception:
                    pass  # a study must not hang on such an objective
        except BaseException as end:
            told.append(end)
            raise

    with pytest.raises(type(error)) as raised, pytest.warns(UserWarning, match="already reported"):
        WAYS[way](session, objective, n_jobs=4)
    assert raised.value is error
    study = sync_study(session)
    assert_clean(study)
    assert states(study) == [FAIL] * 4
    assert [type(end) for end in told] == [ahpo.TrialInterrupted] * 3
    assert study.trials[0].system_attrs["fail_reason"] == "cancelled"


def test_first_error_wins(way: Way) -> None:
    """However many fail at once, one error leaves."""
    session = new_session()

    def objective(trial: Any) -> float:
        raise ValueError(f"error {trial.number}")

    with pytest.raises(ValueError, match="error "):
        way(session, objective, n_trials=20, n_jobs=5)
    assert_clean(sync_study(session))
    assert 1 <= len(sync_study(session).trials) <= 5


async def _stop_by_task(work: Any) -> None:
    task = asyncio.ensure_future(work)
    await asyncio.sleep(100)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _stop_by_wait_for(work: Any) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(work, 100)


async def _stop_by_timeout(work: Any) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(100):
            await work


async def _stop_by_scope(work: Any) -> None:
    with anyio.move_on_after(100) as scope:
        await work
    assert scope.cancelled_caught


async def _stop_by_sibling(work: Any) -> None:
    async def fails() -> None:
        await asyncio.sleep(100)
        raise KeyError("mine")

    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.TaskGroup() as group:
            group.create_task(work)
            group.create_task(fails())
    assert raised.group_contains(KeyError)


STOPS = [_stop_by_task, _stop_by_wait_for, _stop_by_timeout, _stop_by_scope, _stop_by_sibling]


@pytest.mark.parametrize("stop", STOPS)
def test_optimize_is_cancelled(stop: Any) -> None:
    """`optimize` may be cancelled by each means that asyncio and anyio have."""

    async def main() -> None:
        study = async_study()
        cleaned = []

        async def objective(trial: Any) -> float:
            try:
                await asyncio.sleep(30 if trial.number < 5 else 3600)
            finally:
                await asyncio.sleep(1)  # a second's farewell to a remote service
                cleaned.append(trial.number)
            return 1.0

        await stop(study.optimize(objective, n_jobs=5))
        assert_clean(study)
        assert states(study) == [COMPLETE] * 5 + [FAIL] * 5
        assert reasons(study) == ["cancelled"] * 5
        assert sorted(cleaned) == list(range(10))
        await study.optimize(objective, n_trials=1)
        assert study.trials[10].state is COMPLETE

    run(main, "virtual")


def test_cancellation_that_the_objective_swallows() -> None:
    """An objective that takes no notice completes its trial; `optimize` ends as cancelled."""

    async def main() -> None:
        study = async_study()

        async def deaf(trial: Any) -> float:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                await asyncio.sleep(10)
            return 1.0

        task = asyncio.ensure_future(study.optimize(deaf, n_jobs=3))
        await asyncio.sleep(100)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert_clean(study)
        assert states(study) == [COMPLETE] * 3  # and no further one has started

    run(main, "virtual")


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_objective_cancels_its_own_task(waits: bool, n_jobs: int) -> None:
    """Nobody cancelled `optimize`, so it must not end as if it were through: that is an error."""

    async def main() -> None:
        study = async_study()

        async def objective(trial: Any) -> float:
            if trial.number == 3:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            if waits:
                await asyncio.sleep(0)
            return 1.0

        with pytest.raises(RuntimeError, match="cancelled") as raised:
            await study.optimize(objective, n_trials=10, n_jobs=n_jobs)
        assert isinstance(raised.value.__cause__, asyncio.CancelledError)
        assert_clean(study)
        assert study.trials[3].state is (FAIL if waits else COMPLETE)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    run(main)


def test_own_cancellation_can_be_caught() -> None:
    """After a caught one the runner goes on, with nothing of the cancellation left."""

    async def main() -> None:
        study = async_study()

        async def objective(trial: Any) -> float:
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            if trial.number % 2:
                task.cancel()
            async with asyncio.timeout(3600):
                await asyncio.sleep(1)
            return 1.0

        catch: Any = asyncio.CancelledError
        await study.optimize(objective, n_trials=10, n_jobs=2, catch=catch, trial_timeout=7200)
        assert_clean(study)
        assert states(study) == [COMPLETE, FAIL] * 5

    run(main, "virtual")


def test_what_the_objective_awaited_is_cancelled() -> None:
    """A future or a task that somebody else cancelled is an error of the objective."""

    async def main() -> None:
        study = async_study()

        async def objective(trial: Any) -> float:
            task = asyncio.ensure_future(asyncio.sleep(3600, 1.0))
            asyncio.get_running_loop().call_later(1, task.cancel)
            return await task

        with pytest.raises(RuntimeError, match="trial 0 was cancelled from within"):
            await study.optimize(objective, n_trials=3)
        assert_clean(study)

    run(main, "virtual")


def test_tasks_that_an_objective_leaves_are_its_own() -> None:
    """The engine ends its own tasks; those of an objective belong to the objective."""

    async def main() -> None:
        study = async_study()
        made = []

        async def objective(trial: Any) -> float:
            made.append(asyncio.ensure_future(asyncio.sleep(5)))
            return 1.0

        await study.optimize(objective, n_trials=2)
        assert not any(task.done() for task in made)
        await asyncio.gather(*made)

    run(main, "virtual")


def test_callback_thread_is_waited_for() -> None:
    """A `def` callback runs in a thread, which a cancellation can not end: it is waited for."""

    async def main() -> None:
        study = async_study()
        began, may_end, ended = asyncio.Event(), threading.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def callback(study: Any, trial: Any) -> None:
            loop.call_soon_threadsafe(began.set)
            may_end.wait(10)
            ended.set()

        async def objective(trial: Any) -> float:
            return 1.0

        task = loop.create_task(study.optimize(objective, callbacks=[callback]))
        await began.wait()
        task.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not task.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()
        assert states(study) == [COMPLETE]

    run(main)
