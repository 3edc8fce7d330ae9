"""An event loop that is closed under a study: its trials fail, and the study goes on."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ahpo.engine.session import Session
from ahpo.states import TrialState
from tests.engine.faults import WaitingStorage
from tests.engine.loops import LOOPS, new_loop, run
from tests.engine.studies import assert_clean, async_study, new_session, reasons, states, sync_study

COMPLETE, FAIL = TrialState.COMPLETE, TrialState.FAIL
CLOSED = "the event loop was closed"


@pytest.fixture(autouse=True)
def no_complaints() -> Iterator[None]:
    """Have asyncio say nothing of the tasks that were destroyed, and leave no handler behind."""
    logger = logging.getLogger("asyncio")
    logger.disabled = True
    yield
    gc.collect()
    logger.disabled = False
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def leave_running(
    session: Session, kind: str, way: str = "optimize", n_jobs: int = 3, awaits: bool = False
) -> Any:
    """Run endless trials on a loop, and close it; return the task that waited.

    :param awaits: whether the objective awaits something in its `finally`
    """
    loop, study = new_loop(kind), async_study(session)
    all_running, n_missing = asyncio.Event(), n_jobs

    async def endless(trial: Any) -> float:
        nonlocal n_missing
        n_missing -= 1
        if n_missing == 0:
            all_running.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            if awaits:
                await asyncio.sleep(0)  # which no closed loop does
        return 1.0

    async def iterates() -> None:
        async for _ in study.stream(endless, n_jobs=n_jobs):
            pass

    async def main() -> Any:
        work = study.optimize(endless, n_jobs=n_jobs) if way == "optimize" else iterates()
        task = asyncio.ensure_future(work)
        await all_running.wait()
        return task

    task = loop.run_until_complete(main())
    loop.close()
    return task


async def fine_async(trial: Any) -> float:
    x: float = trial.suggest_float("x", 0, 1)
    return x


def fine(trial: Any) -> float:
    x: float = trial.suggest_float("x", 0, 1)
    return x


async def ask_and_tell(session: Session) -> None:
    study = async_study(session)
    await study.tell(await study.ask(), 1.0)


async def one_block(session: Session) -> None:
    async with async_study(session).trial() as trial:
        trial.tell(1.0)


def sync_ask_and_tell(session: Session) -> None:
    study = sync_study(session)
    study.tell(study.ask(), 1.0)


USES: dict[str, Callable[[Session], Any]] = {
    "optimize": lambda s: run(lambda: async_study(s).optimize(fine_async, n_trials=1)),
    "optimize in threads": lambda s: run(lambda: async_study(s).optimize(fine, n_trials=1)),
    "ask": lambda s: run(lambda: ask_and_tell(s)),
    "block": lambda s: run(lambda: one_block(s)),
    "sync optimize": lambda s: sync_study(s).optimize(fine, n_trials=1),
    "sync optimize, async objective": lambda s: sync_study(s).optimize(fine_async, n_trials=1),
    "sync ask": sync_ask_and_tell,
}


@pytest.mark.parametrize("is_garbage", [True, False])
@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("use", USES)
def test_study_is_usable_after_its_loop_was_closed(use: str, kind: str, is_garbage: bool) -> None:
    """Whatever it is used for next finds the trials that were left."""
    session = new_session()
    task = leave_running(session, kind)
    if is_garbage:
        del task
        gc.collect()
    USES[use](session)
    study = sync_study(session)
    assert_clean(study)
    assert not session.runs
    assert states(study) == [FAIL] * 3 + [COMPLETE]
    assert reasons(study) == [CLOSED] * 3


def test_tasks_collected_after_the_study_went_on() -> None:
    """What is left of the old run changes nothing any more."""
    session = new_session()
    task = leave_running(session, "asyncio")
    study = sync_study(session)
    study.optimize(fine, n_trials=1)
    before = study.get_trials()
    del task
    gc.collect()
    assert study.get_trials() == before
    assert not session.runs
    study.optimize(fine, n_trials=1)
    assert_clean(study)


# asyncio's own queue complains that its loop is closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("is_garbage", [True, False])
def test_stream_whose_loop_was_closed(is_garbage: bool) -> None:
    """The same holds for a stream."""
    session = new_session()
    task = leave_running(session, "asyncio", "stream")
    if is_garbage:
        del task
        gc.collect()
    run(lambda: async_study(session).optimize(fine_async, n_trials=1))
    study = sync_study(session)
    assert_clean(study)
    assert reasons(study) == [CLOSED] * 3


@pytest.mark.parametrize("is_garbage", [True, False])
def test_storage_that_waits(is_garbage: bool) -> None:
    """The ends are written by whoever uses the study next, on another loop."""
    session = new_session(storage=WaitingStorage())
    task = leave_running(session, "asyncio")
    if is_garbage:
        del task
        gc.collect()
    run(lambda: async_study(session).optimize(fine_async, n_trials=1))
    study = async_study(session)
    assert_clean(study)
    assert reasons(study) == [CLOSED] * 3


def test_threads_of_a_closed_loop_are_told() -> None:
    """A plain objective whose loop is gone ends at its next call on its trial."""
    session = new_session()
    study = async_study(session)
    may_go_on, ended = threading.Event(), threading.Event()
    errors: list[BaseException] = []
    loop, began = asyncio.new_event_loop(), asyncio.Event()

    def objective(trial: Any) -> float:
        loop.call_soon_threadsafe(began.set)
        try:
            assert may_go_on.wait(30)
            trial.suggest_float("x", 0, 1)
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()
        return 1.0

    async def main() -> Any:
        task = asyncio.ensure_future(study.optimize(objective))
        await began.wait()
        return task

    task = loop.run_until_complete(main())
    loop.close()
    sync_study(session).optimize(fine, n_trials=1)
    may_go_on.set()
    assert ended.wait(30)
    assert len(errors) == 1
    del task
    gc.collect()
    assert_clean(study)
    assert states(study) == [FAIL, COMPLETE]
    assert reasons(study) == [CLOSED]
    assert not session.runs


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_objective_that_awaits_while_it_is_closed() -> None:
    """Python complains of such an objective; its trial fails as the others do."""
    session = new_session()
    task = leave_running(session, "asyncio", awaits=True)
    del task
    gc.collect()
    sync_study(session).optimize(fine, n_trials=1)
    assert_clean(sync_study(session))
    assert reasons(sync_study(session)) == [CLOSED] * 3


def test_stop_does_not_reach_a_dead_run() -> None:
    """The run that goes on is stopped, and nothing fails for the sake of the other."""
    session = new_session()
    task = leave_running(session, "asyncio")

    async def objective(trial: Any) -> float:
        trial.study.stop()
        return 1.0

    async_run = async_study(session)
    run(lambda: async_run.optimize(objective))
    assert states(async_run) == [FAIL] * 3 + [COMPLETE]
    del task


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("face", ["sync", "asyncio"])
def test_sigterm_after_a_loop_was_closed(face: str, kind: str) -> None:
    """SIGTERM ends the next run, though a closed loop may have left its handler."""
    task = leave_running(new_session(), kind)
    study = sync_study()

    def terminated(trial: Any) -> float:
        os.kill(os.getpid(), signal.SIGTERM)
        for step in range(10**6):
            trial.report(0.0, step)
        return 1.0

    with pytest.raises(SystemExit):
        if face == "sync":
            study.optimize(terminated)
        else:
            run(lambda: async_study(study._session).optimize(terminated), debug=False)
    assert_clean(study)
    assert reasons(study) == ["SIGTERM"]
    del task
