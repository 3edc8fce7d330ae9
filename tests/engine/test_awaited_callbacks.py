"""Callbacks that return something to await: a lambda around an `async def` one, say."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ahpo.states import TrialState
from ahpo.study import Study
from tests.engine.studies import assert_clean, new_session, states, sync_study
from tests.engine.ways import WAYS, Way

COMPLETE = TrialState.COMPLETE
Noted = list[tuple[str, int]]


def fine(trial: Any) -> float:
    x: float = trial.suggest_float("x", 0, 1)
    return x


class Awaitable:
    """Be something to await that is no coroutine."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __await__(self) -> Any:
        return self._make().__await__()


def in_disguise(kind: str, callback: Callable[[Any, Any], Any]) -> Any:
    """Return a callable that does not look async, and is."""
    if kind == "lambda":
        return lambda study, trial: callback(study, trial)
    if kind == "partial of a lambda":
        return functools.partial(lambda _, study, trial: callback(study, trial), None)
    return lambda study, trial: Awaitable(lambda: callback(study, trial))


KINDS = ("lambda", "partial of a lambda", "awaitable")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_what_a_callback_returns_is_awaited(way: Way, n_jobs: int, kind: str) -> None:
    """It is called once for each trial and awaited to its end, in its turn among the others."""
    session, noted = new_session(), Noted()
    faces = set()

    async def coroutine(study: Any, trial: Any) -> None:
        faces.add(type(study))
        noted.append(("began", trial.number))
        await asyncio.sleep(0)
        noted.append(("ended", trial.number))

    def plain(name: str) -> Callable[[Any, Any], None]:
        return lambda study, trial: noted.append((name, trial.number))

    callbacks = [plain("before"), in_disguise(kind, coroutine), plain("after")]
    way(session, fine, n_trials=6, n_jobs=n_jobs, callbacks=callbacks)
    assert_clean(sync_study(session))
    assert states(sync_study(session)) == [COMPLETE] * 6
    assert faces == {Study}  # it is called as the plain callable that it looks like
    for number in range(6):
        turns = [name for name, trial in noted if trial == number]
        assert turns == ["before", "began", "ended", "after"]
    if n_jobs == 1:
        assert [number for _, number in noted] == [n for n in range(6) for _ in range(4)]


def test_error_of_what_a_callback_returns(way: Way) -> None:
    """It ends the study as the error of any callback does."""
    session, error = new_session(), ValueError("a fault of mine")

    async def coroutine(trial: Any) -> None:
        await asyncio.sleep(0)
        if trial.number == 2:
            raise error

    with pytest.raises(ValueError, match="a fault of mine") as raised:
        way(session, fine, n_trials=9, callbacks=[lambda study, trial: coroutine(trial)])
    assert raised.value is error
    assert states(sync_study(session)) == [COMPLETE] * 3
    assert not session.runs
    way(session, fine, n_trials=2)
    assert_clean(sync_study(session))


def test_stop_in_what_a_callback_returns(way: Way) -> None:
    """It may stop the study."""
    session = new_session()

    async def coroutine(study: Any, trial: Any) -> None:
        await asyncio.sleep(0)
        if trial.number == 3:
            study.stop()

    way(session, fine, n_trials=9, callbacks=[lambda study, trial: coroutine(study, trial)])
    assert len(sync_study(session).trials) == 4


def test_callback_that_is_async_for_some_trials(way: Way) -> None:
    """It need not always return something to await."""
    session, ended = new_session(), []

    async def coroutine(number: int) -> None:
        await asyncio.sleep(0)
        ended.append(number)

    def callback(study: Any, trial: Any) -> Any:
        return coroutine(trial.number) if trial.number % 3 == 1 else trial.number

    way(session, fine, n_trials=8, callbacks=[callback])
    assert ended == [1, 4, 7]


def test_plain_objective_stays_off_the_loop() -> None:
    """What has begun in the caller's thread goes on in others, and never on a loop."""
    study = sync_study()

    async def coroutine() -> None:
        await asyncio.sleep(0)

    def objective(trial: Any) -> float:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return 1.0

    before = set(threading.enumerate())
    study.optimize(objective, n_trials=4, callbacks=[lambda study, trial: coroutine()])
    assert states(study) == [COMPLETE] * 4
    assert set(threading.enumerate()) <= before


def test_objective_and_callback_in_disguise() -> None:
    """Both may turn out to be async, one after the other."""
    study, ended = sync_study(), []

    async def coroutine(number: int) -> float:
        await asyncio.sleep(0)
        ended.append(number)
        return 1.0

    study.optimize(
        lambda trial: coroutine(100) if trial.number > 1 else 1.0,
        n_trials=4,
        callbacks=[lambda study, trial: coroutine(trial.number)],
    )
    assert states(study) == [COMPLETE] * 4
    assert ended == [0, 1, 100, 2, 100, 3]


def test_progress_bar_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    """The one bar counts the trials of both places."""

    async def coroutine() -> None:
        await asyncio.sleep(0)

    sync_study().optimize(
        fine,
        n_trials=5,
        callbacks=[lambda study, trial: coroutine() if trial.number > 1 else None],
        show_progress_bar=True,
    )
    shown = capsys.readouterr().err
    assert "5/5" in shown
    assert shown.count("\n") == 1


VARIABLE: contextvars.ContextVar[int] = contextvars.ContextVar("VARIABLE", default=-1)


@pytest.mark.parametrize("way", ["own loop", "asyncio", "uvloop", "stream"])
@pytest.mark.parametrize("kind", ["async def", "lambda"])
def test_context_variables_of_a_callback_are_its_own(way: str, kind: str) -> None:
    """What an async callback sets is not there for the trials and callbacks that follow."""
    seen = []

    async def callback(study: Any, trial: Any) -> None:
        seen.append(VARIABLE.get())
        VARIABLE.set(trial.number)
        await asyncio.sleep(0)
        assert VARIABLE.get() == trial.number

    def objective(trial: Any) -> float:
        seen.append(VARIABLE.get())
        return 1.0

    callbacks = [callback if kind == "async def" else in_disguise("lambda", callback)]
    WAYS[way](new_session(), objective, n_trials=3, callbacks=callbacks)
    assert seen == [-1] * 6
