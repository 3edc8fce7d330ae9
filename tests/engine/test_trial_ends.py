"""Every end of a trial, in every way of running it: the state, the reason, and what is raised."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import optuna
import pytest

import ahpo
from ahpo.states import StudyDirection, TrialState
from tests.engine.studies import assert_clean, new_session, reasons, states, sync_study
from tests.engine.ways import WAYS, Way

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
MIN, MAX = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE


def fine(trial: Any) -> float:
    x: float = trial.suggest_float("x", 0, 1)
    return x


def raises(error: BaseException) -> Callable[[Any], Any]:
    def body(trial: Any) -> Any:
        trial.suggest_float("x", 0, 1)
        raise error

    return body


def reports_then_raises(error: BaseException, *reported: float) -> Callable[[Any], Any]:
    def body(trial: Any) -> Any:
        for step, value in enumerate(reported):
            trial.report(value, step)
        raise error

    return body


def returns(value: Any) -> Callable[[Any], Any]:
    return lambda trial: value


@pytest.fixture
def goes_on(way: Way) -> Iterator[Callable[..., Any]]:
    """Return how to run one trial, and check afterwards that the study can go on."""
    checked = []

    def run_one(body: Any, directions: Any = (MIN,), **options: Any) -> Any:
        session = new_session(directions=directions)
        checked.append((session, len(directions)))
        way(session, body, n_trials=1, **options)
        return session

    def sessions() -> Any:
        return checked[0][0]

    run_one.session = sessions  # type: ignore[attr-defined]
    yield run_one
    [(session, n_objectives)] = checked
    study = sync_study(session)
    assert not session.runs
    assert len(study.trials) == 1
    assert_clean(study)
    way(session, lambda trial: [fine(trial)] * n_objectives, n_trials=3, n_jobs=2)
    assert_clean(study)
    assert states(study)[1:] == [COMPLETE] * 3


class Good(NamedTuple):
    returned: Any
    values: list[float]
    n_objectives: int = 1


@pytest.mark.parametrize(
    "good",
    [
        Good(1.5, [1.5]),
        Good(2, [2.0]),
        Good(True, [1.0]),
        Good(np.float32(0.5), [0.5]),
        Good(np.array(3.0), [3.0]),
        Good(math.inf, [math.inf]),
        Good([4.0], [4.0]),
        Good((1, 2.5), [1.0, 2.5], 2),
    ],
    ids=repr,
)
def test_value_completes(goes_on: Callable[..., Any], good: Good) -> None:
    """What a float can be made of, once for each objective, completes the trial."""
    session = goes_on(returns(good.returned), [MIN] * good.n_objectives)
    [trial] = sync_study(session).trials
    assert (trial.state, trial.values) == (COMPLETE, good.values)
    assert "fail_reason" not in trial.system_attrs


class Bad(NamedTuple):
    returned: Any
    reason: str
    n_objectives: int = 1


@pytest.mark.parametrize(
    "bad",
    [
        Bad(None, "None could not be cast to float"),
        Bad(math.nan, "nan is not acceptable"),
        Bad("1.0", "'1.0' could not be cast to float"),
        Bad([], "number of the values 0"),
        Bad([1.0, 2.0], "number of the values 2"),
        Bad([1.0], "number of the values 1", 2),
        Bad(1.0, "number of the values 1", 2),
        Bad([1.0, math.nan], "nan is not acceptable", 2),
        Bad(np.zeros(2), "could not be cast to float"),
    ],
    ids=repr,
)
def test_wrong_value_fails_and_raises_nothing(goes_on: Callable[..., Any], bad: Bad) -> None:
    """A wrong value fails its trial, says why, and lets the study go on."""
    session = goes_on(returns(bad.returned), [MIN] * bad.n_objectives)
    assert states(sync_study(session)) == [FAIL]
    assert bad.reason in reasons(sync_study(session))[0]


@pytest.mark.parametrize("pruned", [ahpo.TrialPruned, optuna.TrialPruned], ids=["ahpo", "optuna"])
@pytest.mark.parametrize(
    ("reported", "value"), [((), None), ((3.0, 2.0), 2.0), ((1.0, math.nan), None)]
)
def test_pruned(
    goes_on: Callable[..., Any], pruned: type[Exception], reported: Any, value: Any
) -> None:
    """`TrialPruned`, ours or Optuna's, prunes; the value is the last one reported, if it is one."""
    session = goes_on(reports_then_raises(pruned("enough"), *reported))
    [trial] = sync_study(session).trials
    assert (trial.state, trial.value) == (PRUNED, value)


def test_pruned_inside_a_task_group(goes_on: Callable[..., Any]) -> None:
    """A task group of the objective wraps `TrialPruned` up; it prunes nevertheless."""
    nested = ExceptionGroup("tasks", [ExceptionGroup("more", [ahpo.TrialPruned()])])
    session = goes_on(reports_then_raises(nested, 1.0))
    assert states(sync_study(session)) == [PRUNED]


def test_group_of_pruned_and_others_fails(goes_on: Callable[..., Any]) -> None:
    """With an error beside `TrialPruned`, the group is an error."""
    group = ExceptionGroup("tasks", [ahpo.TrialPruned(), ValueError("bad")])
    with pytest.raises(ExceptionGroup) as raised:
        goes_on(raises(group))
    assert raised.value is group
    assert states(sync_study(goes_on.session())) == [FAIL]  # type: ignore[attr-defined]


class Custom(Exception):
    def __init__(self, one: int, two: int) -> None:  # such exceptions do not survive copying
        super().__init__(f"{one} and {two}")


@pytest.mark.parametrize(
    "error",
    [ValueError("bad"), Custom(1, 2), TimeoutError("slow"), KeyboardInterrupt(), SystemExit(3)],
    ids=repr,
)
def test_exception_fails_the_trial_and_leaves_as_itself(
    goes_on: Callable[..., Any], error: BaseException
) -> None:
    """What an objective raises reaches the caller: the same object, with the line it came from."""
    with pytest.raises(type(error)) as raised:
        goes_on(raises(error))
    assert raised.value is error
    frames = [entry.name for entry in raised.traceback]
    assert frames[-1] == "body"
    study = sync_study(goes_on.session())  # type: ignore[attr-defined]
    assert states(study) == [FAIL]
    assert reasons(study) == [repr(error)]


@pytest.mark.parametrize("catch", [ValueError, (KeyError, ValueError), [Exception]], ids=repr)
def test_catch(way: Way, catch: Any) -> None:
    """A caught exception fails its trial, with the reason, and the study goes on."""
    session = new_session()
    way(session, raises(ValueError("bad")), n_trials=3, catch=catch)
    study = sync_study(session)
    assert_clean(study)
    assert reasons(study) == ["ValueError('bad')"] * 3


def test_catch_looks_at_the_exception_not_at_its_cause(goes_on: Callable[..., Any]) -> None:
    """An error raised from a caught one is another error."""

    def body(trial: Any) -> Any:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("outer") from inner

    with pytest.raises(ValueError, match="outer"):
        goes_on(body, catch=KeyError)


def test_cancelled_from_within_is_an_error(goes_on: Callable[..., Any]) -> None:
    """CancelledError without a cancellation must not end `optimize` in silence."""
    with pytest.raises(RuntimeError, match="trial 0 was cancelled from within") as raised:
        goes_on(raises(asyncio.CancelledError("mine")))
    assert isinstance(raised.value.__cause__, asyncio.CancelledError)
    assert "cancelled from within" in reasons(sync_study(goes_on.session()))[0]  # type: ignore[attr-defined]


def test_cancelled_from_within_can_be_caught(way: Way) -> None:
    """`catch` may name CancelledError."""
    session = new_session()
    catch: Any = asyncio.CancelledError
    way(session, raises(asyncio.CancelledError()), n_trials=3, catch=catch)
    assert states(sync_study(session)) == [FAIL] * 3


def test_told_inside_the_objective(goes_on: Callable[..., Any]) -> None:
    """A trial that was told while its objective ran keeps what it was told."""

    def body(trial: Any) -> float:
        sync_study(trial._session).tell(trial.number, 0.25)
        return 4.0

    session = goes_on(body)
    assert sync_study(session).trials[0].value == 0.25


def test_no_thread_is_left(way: Way) -> None:
    """When `optimize` returns, the threads that ran trials have been told to end."""
    before = set(threading.enumerate())
    way(new_session(), fine, n_trials=8, n_jobs=4)
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)
        assert not thread.is_alive()


class SlowToGo:
    """Take a while to be deleted, and with it the thread whose local variable it is."""

    def __del__(self) -> None:
        sum(range(2_000_000))


@pytest.mark.parametrize("way", ["threads", "own loop"])
def test_threads_have_ended_when_plain_code_goes_on(way: str) -> None:
    """In the synchronous face none is there any more, not even for a moment."""
    before = set(threading.enumerate())
    local, seen = threading.local(), set[threading.Thread]()

    def note(*_: Any) -> float:
        local.slow_to_go = SlowToGo()
        seen.add(threading.current_thread())
        return 1.0

    WAYS[way](new_session(), note, n_trials=4, n_jobs=4, callbacks=[note])
    assert seen
    assert not any(thread.is_alive() for thread in seen)
    assert set(threading.enumerate()) == before
