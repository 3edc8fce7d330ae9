"""Exceptions that Python itself uses in coroutines and loops, and ones that can not be shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ahpo
from ahpo.engine.session import Session
from ahpo.samplers import RandomSampler
from ahpo.states import TrialState
from tests.engine.loops import run
from tests.engine.studies import assert_clean, async_study, new_session, reasons, states, sync_study
from tests.engine.ways import ON_LOOP, WAYS, Way

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def fine(trial: Any) -> float:
    x: float = trial.suggest_float("x", 0, 1)
    return x


def raises(error: BaseException) -> Callable[[Any], Any]:
    def body(trial: Any) -> Any:
        raise error

    return body


def assert_can_go_on(way: Way, session: Session) -> None:
    study = sync_study(session)
    assert_clean(study)
    assert not session.runs
    n_before = len(study.trials)
    way(session, fine, n_trials=2)
    assert states(study)[n_before:] == [COMPLETE] * 2


# -- StopIteration, which a coroutine can not raise ---------------------------------------------


@pytest.mark.parametrize("way", ["in place", "threads"])
def test_stop_iteration_leaves_plain_code_as_itself(way: str) -> None:
    """`next(...)` of an empty iterator is an exception as any other."""
    session, error = new_session(), StopIteration("no more")
    with pytest.raises(StopIteration) as raised:
        WAYS[way](session, raises(error), n_trials=3)
    assert raised.value is error
    assert [entry.name for entry in raised.traceback][-1] == "body"
    assert error.__cause__ is None
    assert reasons(sync_study(session)) == [repr(error)]
    assert_can_go_on(WAYS[way], session)


@pytest.mark.parametrize("way", [*ON_LOOP, "asyncio with threads"])
def test_stop_iteration_leaves_a_coroutine_as_python_has_it(way: str) -> None:
    """What Python makes of it in a coroutine is a RuntimeError from it."""
    session, error = new_session(), StopIteration("no more")
    with pytest.raises(RuntimeError, match="coroutine raised StopIteration") as raised:
        WAYS[way](session, raises(error), n_trials=3)
    assert raised.value.__cause__ is error
    is_plain = way == "asyncio with threads"
    expected = repr(error) if is_plain else "RuntimeError('coroutine raised StopIteration')"
    assert reasons(sync_study(session)) == [expected]
    assert_can_go_on(WAYS[way], session)


@pytest.mark.parametrize("way", ["in place", "threads", "asyncio with threads"])
def test_stop_iteration_can_be_caught(way: str) -> None:
    """`catch` knows it, wherever a plain objective runs."""
    session = new_session()
    WAYS[way](session, lambda trial: next(iter(())), n_trials=3, catch=(StopIteration,))
    assert reasons(sync_study(session)) == ["StopIteration()"] * 3


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_stop_iteration_before_the_coroutine_is_made(n_jobs: int) -> None:
    """A lambda around an async objective may raise it before there is a coroutine."""
    study = sync_study()

    async def objective(value: float) -> float:
        return value

    def begins(trial: Any) -> Any:
        return objective(next(iter([0.5] if trial.number < 2 else [])))

    study.optimize(begins, n_trials=4, n_jobs=n_jobs, catch=StopIteration)
    assert states(study) == [COMPLETE] * 2 + [FAIL] * 2
    with pytest.raises(StopIteration):
        study.optimize(begins, n_trials=1)


def test_stop_iteration_of_a_callback(way: Way) -> None:
    """It leaves plain code as itself from a plain callback, too."""
    session = new_session()
    with pytest.raises((StopIteration, RuntimeError)) as raised:
        way(session, fine, n_trials=3, callbacks=[lambda study, trial: next(iter(()))])
    is_plain = way in (WAYS["in place"], WAYS["threads"], WAYS["own loop"])
    assert isinstance(raised.value if is_plain else raised.value.__cause__, StopIteration)
    assert states(sync_study(session)) == [COMPLETE]
    assert_can_go_on(way, session)


def test_stop_async_iteration(way: Way) -> None:
    """StopAsyncIteration leaves as itself; a stream must not take it for its own end."""
    session, error = new_session(), StopAsyncIteration("no more")
    with pytest.raises((StopAsyncIteration, RuntimeError)) as raised:
        way(session, raises(error), n_trials=3)
    leaves = raised.value.__cause__ if way is WAYS["stream"] else raised.value
    assert leaves is error
    assert reasons(sync_study(session)) == [repr(error)]
    assert_can_go_on(way, session)


def test_stop_async_iteration_can_be_caught(way: Way) -> None:
    """`catch` knows it."""
    session = new_session()
    way(session, raises(StopAsyncIteration()), n_trials=3, catch=StopAsyncIteration)
    assert reasons(sync_study(session)) == ["StopAsyncIteration()"] * 3


# -- GeneratorExit, with which Python closes coroutines -----------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_generator_exit_leaves_as_itself(way: Way, n_jobs: int) -> None:
    """Raised by an objective it ends the study, in no group."""
    session, error = new_session(), GeneratorExit("mine")
    with pytest.raises(GeneratorExit) as raised:
        way(session, raises(error), n_trials=3, n_jobs=n_jobs)
    assert raised.value is error
    assert set(reasons(sync_study(session))) <= {repr(error), "cancelled"}
    assert sync_study(session).trials[0].state is FAIL
    assert_can_go_on(way, session)


# -- exceptions that can not be shown -----------------------------------------------------------


class Mute(Exception):
    def __repr__(self) -> str:
        raise ZeroDivisionError("while showing")

    __str__ = __repr__


class MutePruned(ahpo.TrialPruned):
    __str__ = Mute.__str__


class MuteValue:
    def __repr__(self) -> str:
        raise ZeroDivisionError("while showing")


@pytest.fixture
def loud() -> Iterator[None]:
    """Log everything, since the lines show the exceptions."""
    before = ahpo.logging.get_verbosity()
    ahpo.logging.set_verbosity(ahpo.logging.INFO)
    yield
    ahpo.logging.set_verbosity(before)


@pytest.mark.usefixtures("loud")
def test_exception_that_can_not_be_shown(way: Way) -> None:
    """Its trial fails for its sake, with its type as the reason."""
    session = new_session()
    way(session, raises(Mute()), n_trials=2, catch=Mute)
    assert [reason[:6] for reason in reasons(sync_study(session))] == ["<Mute,"] * 2


# `asyncio.run` in the main thread fails at such an exception itself: it must not come that far.
@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("way", ["in place", "threads", "own loop"])
def test_exception_that_can_not_be_shown_leaves_as_itself(way: str) -> None:
    """It reaches the caller."""
    session, error = new_session(), Mute()
    with pytest.raises(Mute) as raised:
        WAYS[way](session, raises(error), n_trials=2)
    assert raised.value is error
    assert_can_go_on(WAYS[way], session)


@pytest.mark.usefixtures("loud")
def test_pruning_that_can_not_be_shown(way: Way) -> None:
    """A pruned trial is pruned, whatever its exception looks like."""
    session = new_session()
    way(session, raises(MutePruned()), n_trials=2)
    assert states(sync_study(session)) == [PRUNED] * 2


@pytest.mark.usefixtures("loud")
def test_value_that_can_not_be_shown(way: Way) -> None:
    """A value that is none fails its trial, and no more than that."""
    session = new_session()
    way(session, lambda trial: MuteValue(), n_trials=2)
    assert ["MuteValue" in reason for reason in reasons(sync_study(session))] == [True] * 2


@pytest.mark.parametrize("way", ["in place", "threads", "own loop"])
def test_sampler_error_that_can_not_be_shown(way: str) -> None:
    """The trial that a sampler could not begin is not left running."""

    class Failing(RandomSampler):
        def propose(self, view: Any, number: int) -> dict[str, float]:
            raise Mute

    session = new_session(sampler=Failing())
    with pytest.raises(Mute):
        WAYS[way](session, fine, n_trials=2)
    assert_clean(sync_study(session))


@pytest.mark.usefixtures("loud")
def test_dropped_error_that_can_not_be_shown() -> None:
    """Errors that come up while the study ends are logged, shown or not."""

    async def main() -> None:
        study = async_study()

        async def fails(trial: Any) -> float:
            try:
                await asyncio.sleep(0 if trial.number == 0 else 3600)
            finally:
                raise Mute if trial.number else ValueError("first")

        with pytest.raises(ValueError, match="first"):
            await study.optimize(fails, n_trials=3, n_jobs=3)
        assert_clean(study)

    run(main)
