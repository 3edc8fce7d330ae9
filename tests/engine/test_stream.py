"""`async for frozen in study.stream(...)`: order, errors, and every way of leaving early."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import aclosing
from typing import Any

import pytest

import ahpo
from ahpo.states import TrialState
from tests.engine.faults import WaitingStorage
from tests.engine.loops import LOOPS, run
from tests.engine.studies import assert_clean, async_study, reasons, states

COMPLETE, PRUNED, FAIL, RUNNING = (
    TrialState.COMPLETE,
    TrialState.PRUNED,
    TrialState.FAIL,
    TrialState.RUNNING,
)


async def quick(trial: Any) -> float:
    await asyncio.sleep(0)
    return float(trial.number)


async def slower_and_slower(trial: Any) -> float:
    await asyncio.sleep(trial.number * 3600)
    return float(trial.number)


@pytest.mark.parametrize("kind", LOOPS)
def test_all_trials_come(kind: str) -> None:
    """Each finished trial comes once, whatever its end, as it is in the study."""

    async def objective(trial: Any) -> float:
        await asyncio.sleep(0)
        if trial.number % 3 == 1:
            raise ahpo.TrialPruned
        if trial.number % 3 == 2:
            raise ValueError("bad")
        return 1.0

    async def main() -> None:
        study = async_study(storage=WaitingStorage())
        seen = [t async for t in study.stream(objective, n_trials=9, n_jobs=4, catch=ValueError)]
        assert sorted(t.number for t in seen) == list(range(9))
        assert {t.state for t in seen} == {COMPLETE, PRUNED, FAIL}
        assert all(study.trials[t.number] == t for t in seen)
        assert_clean(study)

    run(main, kind)


def test_trials_come_in_the_order_in_which_they_finish() -> None:
    """Not in that of their numbers, and each as soon as it has finished."""

    async def main() -> None:
        study = async_study()
        loop = asyncio.get_running_loop()

        async def objective(trial: Any) -> float:
            await asyncio.sleep((5 - trial.number) * 3600)
            return 1.0

        stream = study.stream(objective, n_trials=5, n_jobs=5)
        seen = [(frozen.number, loop.time() / 3600) async for frozen in stream]
        assert seen == [(4, 1.0), (3, 2.0), (2, 3.0), (1, 4.0), (0, 5.0)]

    run(main, "virtual")


def test_study_goes_on_while_the_consumer_waits() -> None:
    """A slow consumer does not hold the trials up."""

    async def main() -> None:
        study = async_study()
        n_finished = []
        async for _ in study.stream(quick, n_trials=20, n_jobs=2):
            await asyncio.sleep(3600)
            n_finished.append(len(study.trials))
        assert n_finished == [20] * 20

    run(main, "virtual")


def test_plain_objective_and_callbacks() -> None:
    """`def` objectives stream from threads; callbacks are called as in `optimize`."""

    async def main() -> None:
        study = async_study()
        called = []

        async def callback(_: Any, trial: Any) -> None:
            called.append(trial.number)

        threads = set()

        def objective(trial: Any) -> float:
            threads.add(threading.current_thread())
            return 1.0

        stream = study.stream(objective, n_trials=5, n_jobs=2, callbacks=[callback])
        seen = [trial.number async for trial in stream]
        assert sorted(seen) == sorted(called) == list(range(5))
        assert threading.current_thread() not in threads

    run(main)


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), SystemExit(1)], ids=repr)
def test_error_comes_at_the_end(error: BaseException) -> None:
    """What ends the study is raised after the trials that had finished before, as itself."""

    async def main() -> list[int]:
        study = async_study()
        seen = []

        async def objective(trial: Any) -> float:
            if trial.number == 5:
                raise error
            return await quick(trial)

        with pytest.raises(type(error)) as raised:
            async for frozen in study.stream(objective, n_trials=10):
                seen.append(frozen.number)
                await asyncio.sleep(0)
        assert raised.value is error
        assert states(study) == [COMPLETE] * 5 + [FAIL]
        assert_clean(study)
        return seen

    assert run(main) == [0, 1, 2, 3, 4]


def test_arguments_are_checked_at_once() -> None:
    """A wrong argument is refused by `stream` itself, before anything runs."""
    study = async_study()
    with pytest.raises(ValueError, match="`n_jobs`"):
        study.stream(quick, n_jobs=0)
    with pytest.raises(TypeError, match="`func`"):
        study.stream(None)  # type: ignore[arg-type]


def test_unused_stream_runs_nothing() -> None:
    """A stream that nobody iterates does nothing and leaves nothing."""

    async def main() -> None:
        study = async_study()
        unused = study.stream(quick, n_trials=5)
        await unused.aclose()
        assert [t async for t in unused] == []
        study.stream(quick, n_trials=5)
        await asyncio.sleep(0)
        assert study.trials == []

    run(main)


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
@pytest.mark.parametrize("storage", [None, WaitingStorage], ids=["memory", "waiting"])
def test_break_cancels_the_rest(storage: Any, kind: str) -> None:
    """After a `break`, whatever the study is awaited for next finds everything cleaned up."""

    async def objective(trial: Any) -> float:
        await asyncio.sleep(3600 if trial.number else 0)
        return 1.0

    async def main() -> None:
        study = async_study(storage=storage() if storage else None)
        async for frozen in study.stream(objective, n_jobs=5):
            assert frozen.number == 0
            break
        await study.refresh()
        assert_clean(study)
        assert states(study)[0] is COMPLETE
        assert set(reasons(study)) == {"cancelled"}
        n_before = len(study.trials)
        await study.optimize(quick, n_trials=2)
        assert states(study)[n_before:] == [COMPLETE] * 2

    run(main, kind)


NEXT = {
    "optimize": lambda study: study.optimize(quick, n_trials=1),
    "ask": lambda study: study.ask(),
    "refresh": lambda study: study.refresh(),
    "aclose": lambda study: study.aclose(),
}


@pytest.mark.parametrize("awaited", NEXT)
def test_first_await_after_a_break(awaited: str) -> None:
    """Each coroutine of the study waits for what was left, also if that takes a while to end."""

    async def main() -> None:
        study = async_study()
        ended = []

        async def objective(trial: Any) -> float:
            if trial.number == 0:
                return 1.0
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(5)
                ended.append(trial.number)
            return 1.0

        async for _ in study.stream(objective, n_jobs=3):
            await asyncio.sleep(1)
            break
        assert RUNNING in states(study)
        await NEXT[awaited](study)
        assert sorted(ended) == [1, 2, 3]
        assert_clean(study, running=[4] if awaited == "ask" else [])

    run(main, "virtual")


def test_break_of_a_stream_that_is_kept() -> None:
    """The loop that is left ends the stream, even if the stream itself is still in a variable."""

    async def main() -> None:
        study = async_study()
        stream = study.stream(slower_and_slower, n_jobs=3)
        async for _ in stream:
            break
        await study.refresh()
        assert_clean(study)
        assert [t async for t in stream] == []

    run(main, "virtual")


def test_two_streams_left_one_after_the_other() -> None:
    """None of the two is forgotten."""

    async def main() -> None:
        study = async_study()

        async def objective(trial: Any) -> float:
            if trial.number % 3 == 0:
                return 1.0
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(10)
            return 1.0

        for _ in range(2):
            async for _ in study.stream(objective, n_jobs=3):
                break
        await study.refresh()
        assert_clean(study)
        assert not study._session.leaving

    run(main, "virtual")


def test_waiting_for_what_was_left_may_be_cancelled() -> None:
    """It is not forgotten then: the next one to come waits again."""

    async def main() -> None:
        study = async_study()

        async def objective(trial: Any) -> float:
            if trial.number == 0:
                return 1.0
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(100)
            return 1.0

        async for _ in study.stream(objective, n_jobs=2):
            await asyncio.sleep(1)
            break
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(study.refresh(), 10)
        assert RUNNING in states(study)
        await study.refresh()
        assert_clean(study)

    run(main, "virtual")


def test_aclosing_waits() -> None:
    """With `aclosing` everything is cleaned up when the block is left."""

    async def main() -> None:
        study = async_study()
        async with aclosing(study.stream(slower_and_slower, n_jobs=4)) as stream:
            async for frozen in stream:
                if frozen.number == 2:
                    break
        assert_clean(study)
        assert states(study)[:3] == [COMPLETE] * 3
        assert set(reasons(study)) == {"cancelled"}
        await stream.aclose()  # once more does nothing

    run(main, "virtual")


def test_error_in_the_body_of_the_loop() -> None:
    """An exception of the consumer's leaves as itself, and the rest is cancelled."""

    async def main() -> None:
        study = async_study()
        with pytest.raises(KeyError, match="mine"):
            async for _ in study.stream(slower_and_slower, n_jobs=4):
                raise KeyError("mine")
        await study.refresh()
        assert_clean(study)
        with pytest.raises(KeyError, match="mine"):
            async with aclosing(study.stream(slower_and_slower, n_jobs=4)) as stream:
                async for _ in stream:
                    raise KeyError("mine")
        assert_clean(study)

    run(main, "virtual")


@pytest.mark.parametrize("closes", [True, False])
def test_consumer_is_cancelled(closes: bool) -> None:
    """Cancelled while it waits for a trial, the consumer ends when all trials have."""

    async def main() -> None:
        study = async_study()

        async def consume() -> None:
            stream = study.stream(slower_and_slower, n_jobs=4)
            if closes:
                async with aclosing(stream):
                    async for _ in stream:
                        pass
            else:
                async for _ in stream:
                    pass

        task = asyncio.ensure_future(consume())
        await asyncio.sleep(4000)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert_clean(study)
        assert states(study)[:2] == [COMPLETE] * 2

    run(main, "virtual")


def test_aclose_that_is_cancelled_says_so() -> None:
    """Who closes a stream and is cancelled meanwhile is cancelled, after the trials have ended."""

    async def main() -> None:
        study = async_study()

        async def objective(trial: Any) -> float:
            if trial.number == 0:
                return 1.0
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(100)
            return 1.0

        stream = study.stream(objective, n_jobs=2)
        assert (await anext(stream)).number == 0
        await asyncio.sleep(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await stream.aclose()
        assert_clean(study)

    run(main, "virtual")


def test_error_that_nobody_waits_for_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The study may fail after the consumer has left: the log has it."""

    async def main() -> None:
        study = async_study()

        async def callback(_: Any, trial: Any) -> None:
            if trial.number == 1:
                raise ValueError("too late")

        stream = study.stream(quick, n_trials=5, callbacks=[callback])
        async for _ in stream:
            await asyncio.sleep(3600)  # it fails now
            break
        await study.refresh()
        assert_clean(study)

    run(main, "virtual")
    [record] = [r for r in caplog.records if r.levelname == "ERROR"]
    assert "ValueError('too late')" in record.getMessage()


def test_exit_after_the_consumer_has_left() -> None:
    """SystemExit is not an error to be logged: it ends the program, as it does from any task."""
    study = async_study()

    async def main() -> None:
        async def exits(trial: Any) -> float:
            if trial.number == 0:
                return 1.0
            try:
                await asyncio.sleep(3600)
            finally:
                raise SystemExit(7)

        async for _ in study.stream(exits, n_jobs=2):
            await asyncio.sleep(0)
            break
        await study.refresh()
        pytest.fail("it went on")

    with pytest.raises(SystemExit) as raised:
        asyncio.run(main())
    assert raised.value.code == 7
    assert_clean(study)


def test_stream_that_is_garbage() -> None:
    """A stream that is dropped in the middle, without a loop, is cancelled too."""

    async def main() -> None:
        study = async_study()
        stream = study.stream(slower_and_slower, n_jobs=3)
        await anext(stream)
        del stream
        gc.collect()
        await study.refresh()
        assert_clean(study)

    run(main, "virtual")


def test_loop_that_ends_under_a_stream() -> None:
    """`asyncio.run` that ends while a stream is open cancels it as it does any task."""
    study = async_study()
    kept = []

    async def main() -> None:
        kept.append(study.stream(slower_and_slower, n_jobs=3))
        await anext(kept[0])

    asyncio.run(main())
    assert_clean(study)
    kept.clear()
    gc.collect()
    asyncio.run(study.optimize(quick, n_trials=1))
    assert states(study)[-1] is COMPLETE


def test_one_iteration_inside_another_task() -> None:
    """A stream may be iterated from another task than the one that made it."""

    async def main() -> None:
        study = async_study()
        stream = study.stream(quick, n_trials=6, n_jobs=2)
        first = await asyncio.ensure_future(anext(stream))
        rest = [trial async for trial in stream]
        assert sorted([first.number, *(t.number for t in rest)]) == list(range(6))

    run(main)
