"""`timeout` and `trial_timeout` of hours, in no time: clock and loop are told the time."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

import ahpo
from ahpo.engine.budget import Budget
from ahpo.engine.clock import SystemClock
from ahpo.states import TrialState
from tests.engine.loops import EPOCH, VirtualClock, VirtualTimeLoop, run
from tests.engine.studies import assert_clean, async_study, new_session, reasons, states, sync_study
from tests.engine.ways import WAYS

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
HOUR = 3600.0
TIMED_OUT = "trial_timeout: the trial took longer than 3600.0 s"


async def on_virtual_time(**parts: Any) -> Any:
    """Return a study whose clock is the time of the running loop."""
    return async_study(clock=VirtualClock(asyncio.get_running_loop()), **parts)


def virtual_loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop


async def an_hour(trial: Any) -> float:
    await asyncio.sleep(HOUR)
    return 1.0


@pytest.mark.parametrize(("n_jobs", "n_expected"), [(1, 3), (4, 12)])
def test_timeout_starts_no_trial_after_it(n_jobs: int, n_expected: int) -> None:
    """After `timeout` nothing starts; what runs goes on to its end."""

    async def main() -> None:
        study = await on_virtual_time()
        await study.optimize(an_hour, timeout=2.5 * HOUR, n_jobs=n_jobs)
        assert asyncio.get_running_loop().time() == pytest.approx(3 * HOUR)
        assert states(study) == [COMPLETE] * n_expected
        assert_clean(study)

    run(main, "virtual")


@pytest.mark.parametrize(("timeout", "n_expected"), [(0, 0), (HOUR, 1), (HOUR + 1, 2)])
def test_timeout_to_the_second(timeout: float, n_expected: int) -> None:
    """At the very end of `timeout` no trial starts any more."""

    async def main() -> None:
        study = await on_virtual_time()
        await study.optimize(an_hour, timeout=timeout)
        assert len(study.trials) == n_expected

    run(main, "virtual")


def test_timeout_and_n_trials() -> None:
    """Whichever is reached first ends the study."""

    async def main() -> None:
        study = await on_virtual_time()
        await study.optimize(an_hour, n_trials=2, timeout=10 * HOUR)
        assert len(study.trials) == 2
        await study.optimize(an_hour, n_trials=10, timeout=2.5 * HOUR)
        assert len(study.trials) == 5

    run(main, "virtual")


def test_timeout_in_place() -> None:
    """In the caller's thread the same clock counts."""
    clock = VirtualClock()
    study = sync_study(clock=clock)

    def objective(trial: Any) -> float:
        clock.passed += HOUR
        return 1.0

    study.optimize(objective, timeout=2.5 * HOUR)
    assert len(study.trials) == 3


def test_times_of_trials_are_those_of_the_clock() -> None:
    """When a trial began and ended is told by the injected clock."""

    async def main() -> None:
        study = await on_virtual_time()
        await study.optimize(an_hour, n_trials=2)
        second = study.trials[1]
        assert second.duration.total_seconds() == HOUR
        begun = datetime.fromtimestamp(EPOCH / 1e6 + HOUR, UTC)
        assert second.datetime_start.astimezone(UTC) == begun

    run(main, "virtual")


def test_trial_timeout_cancels_a_coroutine() -> None:
    """A trial past its time is cancelled and fails; it is no error, and the study goes on."""

    async def main() -> None:
        study = await on_virtual_time()
        cleaned = []

        async def objective(trial: Any) -> float:
            trial.report(0.5, 0)
            try:
                await asyncio.sleep(10 * HOUR if trial.number % 2 else HOUR / 2)
            except asyncio.CancelledError:
                await asyncio.sleep(60)  # a last minute to clean up in
                cleaned.append(trial.number)
                raise
            return 1.0

        await study.optimize(objective, n_trials=4, n_jobs=2, trial_timeout=HOUR)
        assert states(study) == [COMPLETE, FAIL, COMPLETE, FAIL]
        assert reasons(study) == [TIMED_OUT] * 2
        assert cleaned == [1, 3]
        assert study.trials[1].duration.total_seconds() == HOUR + 60
        assert study.trials[1].value is None
        assert study.trials[1].intermediate_values == {0: 0.5}
        assert_clean(study)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    run(main, "virtual")


async def _returns() -> float:
    return 1.0


async def _prunes() -> float:
    raise ahpo.TrialPruned


async def _fails() -> float:
    raise ValueError("while cleaning up")


@pytest.mark.parametrize(
    ("then", "state"),
    [(_returns, FAIL), (_prunes, PRUNED), (_fails, FAIL)],
    ids=["returns", "prunes", "fails"],
)
def test_coroutine_that_swallows_its_timeout(then: Any, state: TrialState) -> None:
    """A value that comes too late does not count, nor does an error; pruning does."""

    async def main() -> None:
        study = await on_virtual_time()

        async def objective(trial: Any) -> Any:
            try:
                await asyncio.sleep(10 * HOUR)
            except asyncio.CancelledError:
                return await then()

        await study.optimize(objective, n_trials=2, trial_timeout=HOUR)
        assert states(study) == [state] * 2
        assert reasons(study) == ([] if then is _prunes else [TIMED_OUT] * 2)

    run(main, "virtual")


def test_own_timeouts_of_an_objective_are_its_own() -> None:
    """`asyncio.timeout` in an objective is not taken for `trial_timeout`."""

    async def main() -> None:
        study = await on_virtual_time()

        async def objective(trial: Any) -> float:
            try:
                async with asyncio.timeout(60):
                    await asyncio.sleep(HOUR)
            except TimeoutError:
                if trial.number == 1:
                    raise
                return 1.0
            return 2.0

        with pytest.raises(TimeoutError):
            await study.optimize(objective, n_trials=3, trial_timeout=HOUR)
        assert states(study) == [COMPLETE, FAIL]
        assert reasons(study) == ["TimeoutError()"]

    run(main, "virtual")


def test_optimize_cancelled_just_as_a_trial_times_out() -> None:
    """Both at once: `optimize` is cancelled, and the trial has one of the two reasons."""

    async def main() -> None:
        study = await on_virtual_time()
        work = study.optimize(an_hour, n_trials=5, n_jobs=2, trial_timeout=HOUR / 2)
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().call_at(HOUR / 2, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert_clean(study)
        assert set(reasons(study)) <= {
            "cancelled",
            "trial_timeout: the trial took longer than 1800.0 s",
        }

    run(main, "virtual")


def test_callbacks_are_called_for_trials_that_timed_out() -> None:
    """A trial that timed out is a finished trial as any other."""

    async def main() -> None:
        study = await on_virtual_time()
        seen = []

        async def callback(_: Any, trial: Any) -> None:
            seen.append((trial.number, trial.state))

        await study.optimize(an_hour, n_trials=2, trial_timeout=60, callbacks=[callback])
        assert seen == [(0, FAIL), (1, FAIL)]

    run(main, "virtual")


def past_its_time(trial: Any) -> float:
    for step in range(10**9):
        trial.report(step, step)
    return 1.0


@pytest.mark.parametrize(
    "call",
    [
        lambda trial: trial.suggest_float("x", 0, 1),
        lambda trial: trial.report(1.0, 1),
        lambda trial: trial.should_prune(),
        lambda trial: trial.set_user_attr("key", 1),
        lambda trial: trial.set_constraint("c", 1.0),
    ],
    ids=["suggest", "report", "should_prune", "set_user_attr", "set_constraint"],
)
def test_trial_timeout_in_place(call: Any) -> None:
    """A plain objective is told at its next call on the trial, past `except Exception`."""
    clock = VirtualClock()
    study = sync_study(clock=clock)

    def objective(trial: Any) -> float:
        call(trial)
        clock.passed += 2 * HOUR
        with pytest.raises(ahpo.TrialInterrupted, match=f"Trial {trial.number} has been ended"):
            call(trial)
        try:
            call(trial)
        except Exception:
            return 1.0
        return 2.0

    study.optimize(objective, n_trials=2, trial_timeout=HOUR)
    assert states(study) == [FAIL] * 2
    assert reasons(study) == [TIMED_OUT] * 2


def test_plain_objective_that_makes_no_call_after_its_time() -> None:
    """Its value comes too late."""
    clock = VirtualClock()
    study = sync_study(clock=clock)

    def objective(trial: Any) -> float:
        clock.passed += 2 * HOUR if trial.number else 60
        return 1.0

    study.optimize(objective, n_trials=2, trial_timeout=HOUR)
    assert states(study) == [COMPLETE, FAIL]
    assert reasons(study) == [TIMED_OUT]


def test_trial_timeout_in_a_thread() -> None:
    """A thread is told at its next call, and nothing of it is left when `optimize` returns."""

    async def main() -> None:
        study = await on_virtual_time()
        loop, ended = virtual_loop(), set()
        loop.hold()

        def time_passes() -> None:
            loop.call_soon_threadsafe(loop.hold, False)

        both = threading.Barrier(2, action=time_passes)

        def objective(trial: Any) -> float:
            both.wait(10)
            try:
                return past_its_time(trial)
            finally:
                ended.add(trial.number)

        await study.optimize(objective, n_trials=2, n_jobs=2, trial_timeout=HOUR)
        assert ended == {0, 1}
        assert reasons(study) == [TIMED_OUT] * 2
        assert_clean(study)

    run(main, "virtual")


def test_thread_that_does_not_call_is_waited_for() -> None:
    """A thread that takes no notice of its end is waited for: it can not be ended."""
    may_end = threading.Event()

    async def main() -> None:
        study, loop = await on_virtual_time(), virtual_loop()
        loop.hold()

        def objective(trial: Any) -> float:
            loop.call_soon_threadsafe(loop.hold, False)
            assert may_end.wait(10)
            return 1.0

        task = loop.create_task(study.optimize(objective, n_trials=1, trial_timeout=HOUR))
        await asyncio.sleep(2 * HOUR)
        assert states(study) == [FAIL]
        assert not task.done()
        assert reasons(study) == [TIMED_OUT]
        may_end.set()
        await task

    run(main, "virtual")


@pytest.mark.parametrize(
    "way", ["threads", "asyncio with threads", "own loop", "asyncio", "in place"]
)
def test_trial_timeout_that_no_trial_can_meet(way: str) -> None:
    """A time too short for a thread even to begin makes failed trials, and no hang."""
    session = new_session()

    def objective(trial: Any) -> float:
        trial.suggest_float("x", 0, 1)
        return 1.0

    WAYS[way](session, objective, n_trials=5, n_jobs=1, trial_timeout=1e-9)
    assert set(states(sync_study(session))) <= {FAIL, COMPLETE}
    assert_clean(sync_study(session))


def test_system_clock() -> None:
    """The clock of every day tells the time of day, and seconds that do not go back."""
    clock = SystemClock()
    told = datetime.fromtimestamp(clock.now() / 1e6, UTC)
    assert abs((datetime.now(UTC) - told).total_seconds()) < 60
    assert clock.monotonic() <= clock.monotonic()


def test_budget() -> None:
    """The budget counts trials down, and looks at the time that it is told."""
    counted = Budget(2, None)
    assert [counted.take(0.0) for _ in range(3)] == [True, True, False]
    timed = Budget(None, 10.0)
    assert [timed.take(now) for now in (0.0, 9.9, 10.0, 5.0)] == [True, True, False, True]
    stopped = Budget(None, None)
    assert stopped.take(0.0)
    stopped.stop()
    assert not stopped.take(0.0)
