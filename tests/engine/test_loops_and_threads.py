"""Where a study may be used: inside a running loop, in several loops, in any thread."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import ahpo
from ahpo import aio
from ahpo.engine.loop_place import OnLoop
from ahpo.states import TrialState
from tests.engine.faults import WaitingStorage
from tests.engine.loops import LOOPS, run
from tests.engine.studies import assert_clean, async_study, new_session, states, sync_study
from tests.engine.ways import ON_LOOP, THREADED, WAYS, Way

COMPLETE, FAIL = TrialState.COMPLETE, TrialState.FAIL


def plain(trial: Any) -> float:
    x: float = trial.suggest_float("x", 0, 1)
    return x


async def coroutine(trial: Any) -> float:
    x: float = trial.suggest_float("x", 0, 1)
    await asyncio.sleep(0)
    return x


# -- inside a running loop, as in a notebook ----------------------------------------------------


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize(
    ("objective", "n_jobs"), [(plain, 1), (plain, 4), (coroutine, 1), (coroutine, 4)]
)
def test_plain_face_inside_a_running_loop(objective: Any, n_jobs: int, kind: str) -> None:
    """The plain face works in a cell of a notebook, whose loop runs already."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        study = sync_study()
        study.optimize(objective, n_trials=5, n_jobs=n_jobs)
        trial = study.ask()
        study.tell(trial, plain(trial))
        assert_clean(study)
        assert states(study) == [COMPLETE] * 6
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(0)  # it goes on
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    run(main, kind)


def test_both_faces_inside_one_loop() -> None:
    """A notebook may use the one and the other on the same study in turn."""

    async def main() -> None:
        study, other = async_study(), None
        await study.optimize(coroutine, n_trials=2)
        other = sync_study(study._session)
        other.optimize(coroutine, n_trials=2)
        other.optimize(plain, n_trials=2)
        await study.optimize(plain, n_trials=2, n_jobs=2)
        assert_clean(study)
        assert len(other.trials) == 8

    run(main)


def test_errors_inside_a_running_loop() -> None:
    """An error leaves the plain face as itself there too."""

    async def main() -> None:
        for objective, n_jobs in ((plain, 1), (plain, 3), (coroutine, 3)):
            study = sync_study()
            with pytest.raises(ValueError, match="`low`|low"):
                study.optimize(
                    functools.partial(_fails, objective) if objective is plain else _fails_async,
                    n_trials=3,
                    n_jobs=n_jobs,
                )
            assert_clean(study)
            assert FAIL in states(study)

    run(main)


def _fails(objective: Any, trial: Any) -> float:
    return float(trial.suggest_float("x", 1, 0))


async def _fails_async(trial: Any) -> float:
    return float(trial.suggest_float("x", 1, 0))


# -- several loops ------------------------------------------------------------------------------


def test_several_loops_one_after_the_other() -> None:
    """A study may be used in one event loop after the other, of any kind."""
    study = async_study()
    for kind in ("asyncio", "uvloop", "virtual", "asyncio"):
        run(lambda: study.optimize(coroutine, n_trials=3, n_jobs=2), kind)
        run(lambda: study.optimize(plain, n_trials=3, n_jobs=2), kind)
    assert_clean(study)
    assert len(study.trials) == 24


def test_study_created_in_another_loop() -> None:
    """It may be created, used and closed in different ones."""

    async def create() -> Any:
        return await aio.create_study(sampler=ahpo.samplers.RandomSampler(seed=0))

    study = asyncio.run(create())
    asyncio.run(study.optimize(coroutine, n_trials=2))

    async def ask() -> Any:
        return await study.ask()

    trial = asyncio.run(ask())
    asyncio.run(study.tell(trial, 1.0))
    asyncio.run(study.aclose())
    assert_clean(study)
    assert len(study.trials) == 3


def test_one_study_in_two_loops_at_once() -> None:
    """Two threads, each with its own loop, may work at the same study."""
    study = async_study()

    def work(kind: str) -> None:
        run(lambda: study.optimize(coroutine, n_trials=100, n_jobs=5), kind)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, LOOPS))
    assert_clean(study)
    assert states(study) == [COMPLETE] * 200


def test_loop_that_runs_for_ever() -> None:
    """In a loop that no `asyncio.run` ends, as a notebook's, no thread is left after `optimize`."""
    loop = asyncio.new_event_loop()
    runner = threading.Thread(target=loop.run_forever, name="a loop that runs for ever")
    runner.start()
    before = set(threading.enumerate())
    try:
        study = async_study()
        for objective in (plain, coroutine):
            work = study.optimize(objective, n_trials=6, n_jobs=3, callbacks=[lambda s, t: None])
            asyncio.run_coroutine_threadsafe(work, loop).result(60)
        assert states(study) == [COMPLETE] * 12
        for thread in set(threading.enumerate()) - before:
            thread.join(10)
            assert not thread.is_alive()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        runner.join()
        loop.close()


def test_cancelled_before_it_begins() -> None:
    """A task that is cancelled before its first step runs nothing, and the study is as it was."""

    async def main() -> None:
        study = async_study()
        for work in (study.optimize(coroutine, n_trials=3), study.ask(), study.refresh()):
            task = asyncio.ensure_future(work)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert study.trials == []
        assert not study._session.runs

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio has no eager tasks yet")
@pytest.mark.parametrize("fails", [False, True])
def test_eager_tasks(fails: bool) -> None:
    """Tasks that begin where they are made, before `optimize` goes on, change nothing."""

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        study = async_study()

        async def objective(trial: Any) -> float:
            if trial.number == 3:
                if fails:
                    raise ValueError("bad")
                return 1.0
            await asyncio.sleep(3600 if fails else 0)
            return 1.0

        if fails:
            with pytest.raises(ValueError, match="bad"):
                await study.optimize(objective, n_trials=8, n_jobs=5)
        else:
            await study.optimize(objective, n_trials=8, n_jobs=5)
            assert states(study) == [COMPLETE] * 8
        assert_clean(study)

    run(main)


# -- threads ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", sorted(WAYS))
def test_in_another_thread(way: str) -> None:
    """Each way works in a thread that is not the main one, where no signal can be handled."""
    session = new_session()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            WAYS[way](session, plain, n_trials=5, n_jobs=2)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert errors == []
    assert states(sync_study(session)) == [COMPLETE] * 5


@pytest.mark.parametrize("main_thread", [True, False])
def test_plain_objective_runs_in_the_callers_thread(main_thread: bool) -> None:
    """With one job, the objective and its callbacks run where `optimize` was called."""
    seen = set()

    def note(*_: Any) -> float:
        seen.add(threading.current_thread())
        return 1.0

    study = sync_study()
    if main_thread:
        study.optimize(note, n_trials=3, callbacks=[note])
        assert seen == {threading.current_thread()}
        return
    thread = threading.Thread(target=study.optimize, args=(note, 3), kwargs={"callbacks": [note]})
    thread.start()
    thread.join(60)
    assert seen == {thread}


@pytest.mark.parametrize("n_jobs", [1, 4])
def test_plain_objective_is_never_on_a_loop(n_jobs: int) -> None:
    """In the asynchronous face a `def` objective runs in other threads, even with one job."""

    async def main() -> None:
        study, seen = async_study(), set()

        def note(trial: Any) -> float:
            seen.add(threading.current_thread())
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()
            return 1.0

        await study.optimize(note, n_trials=8, n_jobs=n_jobs)
        assert threading.current_thread() not in seen
        assert 1 <= len(seen) <= n_jobs + 1

    run(main)


def test_loop_goes_on_while_a_plain_objective_works() -> None:
    """The event loop is free meanwhile."""

    async def main() -> None:
        study, released = async_study(), threading.Event()

        def waits(trial: Any) -> float:
            assert released.wait(30)
            return 1.0

        async def release() -> None:
            await asyncio.sleep(0)
            released.set()

        await asyncio.gather(study.optimize(waits, n_trials=1), release())
        assert states(study) == [COMPLETE]

    run(main)


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


def test_context_variables(way: Way) -> None:
    """What the caller has set in its context is there in objectives and callbacks."""
    seen = []

    def note(*_: Any) -> float:
        seen.append(VARIABLE.get())
        return 1.0

    async def note_async(study: Any, trial: Any) -> None:
        note()

    token = VARIABLE.set("by the caller")
    try:
        way(new_session(), note, n_trials=4, n_jobs=2, callbacks=[note, note_async])
    finally:
        VARIABLE.reset(token)
    assert seen == ["by the caller"] * 12


@pytest.mark.parametrize("way", [*ON_LOOP, *THREADED])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_context_variables_that_an_objective_sets_are_its_own(way: str, n_jobs: int) -> None:
    """The next trial of the same runner, or thread, does not see them; the trial itself does."""
    seen = []

    def body(trial: Any) -> float:
        seen.append(VARIABLE.get())
        VARIABLE.set(f"by trial {trial.number}")
        assert VARIABLE.get() == f"by trial {trial.number}"
        return 1.0

    WAYS[way](new_session(), body, n_trials=6, n_jobs=n_jobs)
    assert seen == ["unset"] * 6


def test_context_of_a_coroutine_objective() -> None:
    """One context for all of its steps and tasks, also for a lambda that begins it."""

    async def main() -> None:
        async def reads() -> str:
            return VARIABLE.get()

        async def objective(trial: Any, begun: str) -> float:
            assert VARIABLE.get() == begun
            VARIABLE.set("later")
            await asyncio.sleep(0)
            assert VARIABLE.get() == "later"
            async with asyncio.timeout(60):
                assert await asyncio.ensure_future(reads()) == "later"
            return 1.0

        def begins(trial: Any) -> Any:
            VARIABLE.set("by the lambda")
            return objective(trial, "by the lambda")

        study = async_study()
        await study.optimize(begins, n_trials=3)
        assert VARIABLE.get() == "unset"
        assert states(study) == [COMPLETE] * 3

    run(main)


# -- kinds of objectives ------------------------------------------------------------------------


class CallableObject:
    async def __call__(self, trial: Any) -> float:
        return await coroutine(trial)


class PlainCallable:
    def __call__(self, trial: Any) -> float:
        return plain(trial)


async def with_argument(trial: Any, high: float) -> float:
    await asyncio.sleep(0)
    return float(trial.suggest_float("x", 0, high))


class Awaitable:
    """Be something to await that is neither a coroutine nor a future."""

    def __init__(self, trial: Any) -> None:
        self._trial = trial

    def __await__(self) -> Any:
        return coroutine(self._trial).__await__()


KINDS: dict[str, Any] = {
    "async def": coroutine,
    "lambda": lambda trial: coroutine(trial),
    "partial": functools.partial(with_argument, high=2.0),
    "partial of a lambda": functools.partial(
        lambda trial, high: with_argument(trial, high), high=2
    ),
    "object": CallableObject(),
    "method": CallableObject().__call__,
    "plain object": PlainCallable(),
    "awaitable": Awaitable,
    "suggests first": lambda trial: (trial.suggest_float("x", 0, 1), coroutine(trial))[1],
    "sometimes": lambda trial: coroutine(trial) if trial.number % 2 else 0.5,
}


@pytest.mark.parametrize("face", ["sync", "asyncio", "uvloop"])
@pytest.mark.parametrize("n_jobs", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_objectives(kind: str, n_jobs: int, face: str) -> None:
    """Whatever is callable and gives a value, or something to await, is an objective."""
    study = sync_study()
    if face == "sync":
        study.optimize(KINDS[kind], n_trials=8, n_jobs=n_jobs)
    else:
        other = async_study(study._session)
        run(lambda: other.optimize(KINDS[kind], n_trials=8, n_jobs=n_jobs), face)
    assert_clean(study)
    assert states(study) == [COMPLETE] * 8


def test_objective_that_makes_a_task() -> None:
    """A plain function that starts a task on the loop is taken for what it is."""

    async def main() -> None:
        study = async_study()

        async def objective(trial: Any) -> float:
            return await asyncio.ensure_future(coroutine(trial))

        await study.optimize(objective, n_trials=3)
        assert states(study) == [COMPLETE] * 3

    run(main)


def test_plain_face_of_a_storage_that_waits() -> None:
    """What can not be had without an event loop is refused clearly, and changes nothing."""
    study = sync_study(storage=WaitingStorage())
    with pytest.raises(RuntimeError, match="needs an event loop"):
        study.ask()
    with pytest.raises(RuntimeError, match="needs an event loop"):
        _ = study.trials
    assert study._session.store.history.n_trials == 0


# -- computing beside the loop ------------------------------------------------------------------


def test_long_computations_take_turns_in_threads() -> None:
    """Short work is done at once; once it is long, the next ones go to a thread, one at a time."""

    async def main() -> None:
        place = OnLoop()
        where: list[threading.Thread] = []
        at_once = threading.Lock()

        def compute(iterations: int) -> int:
            assert at_once.acquire(blocking=False)
            where.append(threading.current_thread())
            total = sum(range(iterations))
            at_once.release()
            return total

        main_thread = threading.current_thread()
        assert await place.compute(compute, 1) == 0
        assert await place.compute(compute, 500_000) == sum(range(500_000))
        results = await asyncio.gather(*(place.compute(compute, n) for n in (2, 3, 4)))
        assert results == [1, 3, 6]
        assert where[:2] == [main_thread] * 2
        assert main_thread not in where[2:3]

    run(main)
