"""What an objective raises when its time is up ends its trial as timed out, and not the study."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import ahpo
from ahpo.states import TrialState
from tests.engine.loops import VirtualClock, run
from tests.engine.studies import assert_clean, async_study, reasons, states, sync_study

PRUNED, FAIL = TrialState.PRUNED, TrialState.FAIL
HOUR = 3600.0
TIMED_OUT = "trial_timeout: the trial took longer than 3600.0 s"


class Translated(Exception):
    """Be what an objective makes of its interruption."""


@pytest.mark.parametrize("kind", ["async def", "lambda"])
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_cancellation_that_a_coroutine_translates(kind: str, n_jobs: int) -> None:
    """`except CancelledError: raise MyError` at `trial_timeout` does not end the study."""

    async def main() -> None:
        study = async_study(clock=VirtualClock(asyncio.get_running_loop()))

        async def objective(trial: Any) -> float:
            try:
                await asyncio.sleep(10 * HOUR)
            except asyncio.CancelledError:
                raise Translated("too slow") from None
            return 1.0

        called = objective if kind == "async def" else lambda trial: objective(trial)
        await study.optimize(called, n_trials=3, n_jobs=n_jobs, trial_timeout=HOUR)
        assert reasons(study) == [TIMED_OUT] * 3
        assert_clean(study)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    run(main, "virtual")


def test_group_of_errors_after_the_timeout() -> None:
    """A task group of the objective may fail in more than one way while it is cancelled."""

    async def main() -> None:
        study = async_study(clock=VirtualClock(asyncio.get_running_loop()))

        async def fails() -> None:
            try:
                await asyncio.sleep(10 * HOUR)
            finally:
                raise Translated

        async def objective(trial: Any) -> float:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
                group.create_task(fails())
            return 1.0

        await study.optimize(objective, n_trials=2, trial_timeout=HOUR)
        assert reasons(study) == [TIMED_OUT] * 2

    run(main, "virtual")


def test_error_before_the_timeout_is_an_error() -> None:
    """With a `trial_timeout` that is not reached, errors leave as ever."""

    async def main() -> None:
        study = async_study(clock=VirtualClock(asyncio.get_running_loop()))

        async def objective(trial: Any) -> float:
            raise Translated

        with pytest.raises(Translated):
            await study.optimize(objective, n_trials=2, trial_timeout=HOUR)
        assert reasons(study) == ["Translated()"]

    run(main, "virtual")


@pytest.mark.parametrize(
    ("error", "state"),
    [(Translated(), FAIL), (ahpo.TrialPruned(), PRUNED)],
    ids=["error", "pruned"],
)
@pytest.mark.parametrize("notices", [True, False])
def test_interruption_that_plain_code_translates(
    error: Exception, state: TrialState, notices: bool
) -> None:
    """In place, an error that comes after the time is too late, whether it comes of that or not."""
    clock = VirtualClock()
    study = sync_study(clock=clock)

    def objective(trial: Any) -> float:
        clock.passed += 2 * HOUR
        try:
            if notices:
                trial.report(1.0, 0)
        except ahpo.TrialInterrupted:
            raise error from None
        raise error

    study.optimize(objective, n_trials=2, trial_timeout=HOUR)
    assert states(study) == [state] * 2
    assert reasons(study) == ([TIMED_OUT] * 2 if state is FAIL else [])


def test_interruption_that_a_thread_translates() -> None:
    """A thread whose trial has timed out may raise what it likes."""

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        study = async_study(clock=VirtualClock(loop))
        loop.hold()
        both = threading.Barrier(2, action=lambda: loop.call_soon_threadsafe(loop.hold, False))

        def objective(trial: Any) -> float:
            both.wait(10)
            try:
                for step in range(10**9):
                    trial.report(step, step)
            except ahpo.TrialInterrupted:
                raise Translated from None
            return 1.0

        await study.optimize(objective, n_trials=2, n_jobs=2, trial_timeout=HOUR)
        assert reasons(study) == [TIMED_OUT] * 2
        assert_clean(study)

    run(main, "virtual")


def test_log_shows_what_came_of_the_timeout(caplog: pytest.LogCaptureFixture) -> None:
    """The trial has timed out; the error is there to be found in the log."""
    clock = VirtualClock()
    study = sync_study(clock=clock)

    def objective(trial: Any) -> float:
        clock.passed += 2 * HOUR
        raise Translated("while cleaning up")

    ahpo.logging.set_verbosity(ahpo.logging.WARNING)
    study.optimize(objective, n_trials=1, trial_timeout=HOUR)
    assert "trial_timeout" in caplog.records[0].message
    assert "Translated: while cleaning up" in caplog.text
