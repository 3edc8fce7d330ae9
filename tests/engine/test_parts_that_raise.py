"""A sampler, a pruner, a constraint function or a callback that raises, in every way of running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from ahpo import TrialPruned, logging
from ahpo.engine.session import Session
from ahpo.pruners.base import BasePruner
from ahpo.samplers import BaseSampler, RandomSampler, TPESampler
from ahpo.states import TrialState
from tests.engine.studies import assert_clean, async_study, new_session, reasons, states, sync_study
from tests.engine.ways import Way

COMPLETE, FAIL = TrialState.COMPLETE, TrialState.FAIL
ERROR = ValueError("a fault of mine")


class RaisingSampler(BaseSampler):
    """Raise in one of the documented methods, in the third trial."""

    def __init__(self, where: str) -> None:
        self._where = where

    def _perhaps_raise(self, where: str, trial: Any) -> None:
        if where == self._where and trial.number == 2:
            raise ERROR

    def before_trial(self, study: Any, trial: Any) -> None:
        self._perhaps_raise("before_trial", trial)

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        self._perhaps_raise("infer_relative_search_space", trial)
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        self._perhaps_raise("sample_relative", trial)
        return {"x": 1.0} if self._where == "unknown" and trial.number == 2 else {}

    def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
        self._perhaps_raise("sample_independent", trial)
        return 7.0 if self._where == "outside" and trial.number == 2 else 0.5

    def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
        self._perhaps_raise("after_trial", trial)


class RaisingPruner(BasePruner):
    def prune(self, study: Any, trial: Any) -> bool:
        if trial.number == 2:
            raise ERROR
        return False


def fine(trial: Any) -> float:
    x: float = trial.suggest_float("x", 0, 1)
    return x


def assert_can_go_on(way: Way, session: Session) -> None:
    """Replace what was wrong, and run some more."""
    study = sync_study(session)
    assert_clean(study)
    assert not session.runs
    study.sampler, n_before = RandomSampler(), len(study.trials)
    way(session, fine, n_trials=3, n_jobs=2)
    assert_clean(study)
    assert states(study)[n_before:] == [COMPLETE] * 3


@pytest.mark.parametrize("n_jobs", [1, 3])
@pytest.mark.parametrize(
    "where",
    ["before_trial", "infer_relative_search_space", "sample_relative", "sample_independent"],
)
def test_sampler_raises(way: Way, where: str, n_jobs: int) -> None:
    """What a sampler raises fails the trial that it was to sample for, and leaves as itself."""
    session = new_session(sampler=RaisingSampler(where))
    with pytest.raises(ValueError, match="a fault of mine") as raised:
        way(session, fine, n_trials=10, n_jobs=n_jobs)
    assert raised.value is ERROR
    study = sync_study(session)
    assert study.trials[2].state is FAIL
    assert study.trials[2].system_attrs["fail_reason"] == repr(ERROR)
    assert_can_go_on(way, session)


def test_sampler_raises_after_the_trial(way: Way) -> None:
    """A trial is recorded even if the sampler does not manage to learn from it."""
    session = new_session(sampler=RaisingSampler("after_trial"))
    with pytest.raises(ValueError, match="a fault of mine"):
        way(session, fine, n_trials=10)
    assert states(sync_study(session)) == [COMPLETE] * 3
    assert_can_go_on(way, session)


@pytest.mark.parametrize(
    ("ends", "line"),
    [
        (1.0, "Trial 2 finished with value: 1.0"),
        (TrialPruned(), "Trial 2 pruned."),
        (KeyError("mine"), "Trial 2 failed with parameters"),
    ],
    ids=["completes", "prunes", "fails"],
)
def test_end_is_logged_even_if_the_sampler_raises(
    way: Way, ends: Any, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The trial is finished, and the log says so."""

    def objective(trial: Any) -> float:
        if trial.number == 2 and isinstance(ends, Exception):
            raise ends
        return 1.0

    session = new_session(sampler=RaisingSampler("after_trial"))
    logging.set_verbosity(logging.INFO)
    with pytest.raises(ValueError, match="a fault of mine"):
        way(session, objective, n_trials=10, catch=KeyError)
    assert sum(record.message.startswith(line) for record in caplog.records) == 1
    assert_can_go_on(way, session)


def test_sampler_samples_an_unknown_parameter(way: Way) -> None:
    """A name that the sampler itself did not announce is its error, when it is asked for."""
    session = new_session(sampler=RaisingSampler("unknown"))
    way(session, lambda trial: trial.suggest_float("y", 0, 1), n_trials=3)
    assert states(sync_study(session)) == [COMPLETE] * 3
    session = new_session(sampler=RaisingSampler("unknown"))
    with pytest.raises(ValueError, match="returned the parameter 'x', which is not in"):
        way(session, fine, n_trials=10)
    assert states(sync_study(session)) == [COMPLETE, COMPLETE, FAIL]
    assert_can_go_on(way, session)


def test_sampler_samples_outside_the_distribution(way: Way) -> None:
    """A value outside its range is used, with a warning."""
    session = new_session(sampler=RaisingSampler("outside"))
    with pytest.warns(UserWarning, match="returned 7.0 for 'x', which is not in FloatDistribution"):
        way(session, fine, n_trials=3)
    assert [trial.value for trial in sync_study(session).trials] == [0.5, 0.5, 7.0]


def test_sampler_error_inside_the_objective_can_be_caught(way: Way) -> None:
    """`suggest_*` raises in the objective, so `catch` holds for it."""
    session = new_session(sampler=RaisingSampler("sample_independent"))
    way(session, fine, n_trials=4, catch=ValueError)
    assert states(sync_study(session)) == [COMPLETE, COMPLETE, FAIL, COMPLETE]


def test_constraints_func_raises(way: Way) -> None:
    """So does a constraint function: the value is kept, the error leaves."""

    def constraints(trial: Any) -> tuple[float]:
        if trial.number == 2:
            raise ERROR
        return (0.0,)

    with pytest.warns(FutureWarning, match="constraints_func"):
        session = new_session(sampler=TPESampler(constraints_func=constraints))
    with pytest.raises(ValueError, match="a fault of mine"):
        way(session, fine, n_trials=10)
    assert states(sync_study(session)) == [COMPLETE] * 3
    assert_can_go_on(way, session)


def pruner_objectives() -> dict[str, Callable[[Any], Any]]:
    def plain(trial: Any) -> float:
        trial.report(1.0, 0)
        trial.should_prune()
        return 1.0

    async def coroutine(trial: Any) -> float:
        trial.report(1.0, 0)
        await trial.should_prune()
        return 1.0

    return {"plain": plain, "coroutine": coroutine}


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_pruner_raises(kind: str, n_jobs: int) -> None:
    """What a pruner raises comes out of `should_prune`, and so out of the objective."""
    session = new_session(pruner=RaisingPruner())
    study = sync_study(session)
    with pytest.raises(ValueError, match="a fault of mine"):
        study.optimize(pruner_objectives()[kind], n_trials=10, n_jobs=n_jobs)
    assert study.trials[2].state is FAIL
    assert_clean(study)
    study.optimize(pruner_objectives()[kind], n_trials=3)
    assert states(study)[-3:] == [COMPLETE] * 3


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_callback_raises(way: Way, is_async: bool, n_jobs: int) -> None:
    """A callback that raises ends the study, but not the trial, which is finished already."""

    def plain(study: Any, trial: Any) -> None:
        assert study.trials[trial.number].state is COMPLETE
        if trial.number == 2:
            raise ERROR

    async def coroutine(study: Any, trial: Any) -> None:
        await asyncio.sleep(0)
        plain(study, trial)

    session = new_session()
    callback = coroutine if is_async else plain
    with pytest.raises(ValueError, match="a fault of mine") as raised:
        way(session, fine, n_trials=10, n_jobs=n_jobs, callbacks=[callback])
    assert raised.value is ERROR
    study = sync_study(session)
    assert study.trials[2].state is COMPLETE
    assert set(reasons(study)) <= {"cancelled"}
    assert_can_go_on(way, session)


def test_callbacks_after_one_that_raised_are_not_called(way: Way) -> None:
    """Callbacks are called in order, and the first error ends them all."""
    called = []

    def raises(study: Any, trial: Any) -> None:
        called.append("raises")
        raise ERROR

    def never(study: Any, trial: Any) -> None:
        called.append("never")

    with pytest.raises(ValueError, match="a fault of mine"):
        way(new_session(), fine, n_trials=5, callbacks=[raises, never])
    assert called == ["raises"]


def test_further_errors_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Only one error can leave; the ones that come up while the study ends are in the log."""
    study = async_study()

    async def fails(trial: Any) -> float:
        try:
            await asyncio.sleep(0 if trial.number == 0 else 3600)
        finally:
            raise ValueError(f"error {trial.number}")

    async def main() -> None:
        with pytest.raises(ValueError, match="error 0"):
            await study.optimize(fails, n_trials=3, n_jobs=3)

    asyncio.run(main())
    dropped = [r.message for r in caplog.records if r.levelname == "ERROR"]
    assert len(dropped) == 2
    for number in (1, 2):
        assert any(f"ValueError('error {number}')" in line for line in dropped)
    assert reasons(study) == [f"ValueError('error {n}')" for n in range(3)]
