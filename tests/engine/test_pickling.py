"""A study that is pickled midway goes on where it was, whatever ran at the time."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import pytest

import ahpo
from ahpo.aio import AsyncStudy
from ahpo.states import TrialState
from ahpo.study import Study
from tests.engine.loops import run
from tests.engine.studies import assert_clean, async_study, new_session, states, sync_study
from tests.engine.ways import Way

COMPLETE, RUNNING, WAITING = TrialState.COMPLETE, TrialState.RUNNING, TrialState.WAITING


def objective(trial: Any) -> float:
    x = trial.suggest_float("x", -1, 1)
    y = trial.suggest_int("y", 0, 9)
    trial.report(x, 0)
    if trial.should_prune():
        raise ahpo.TrialPruned
    trial.set_user_attr("xy", [x, y])
    return float(x**2 + y)


def no_report(trial: Any) -> float:
    return float(trial.suggest_float("x", -1, 1) ** 2)


def by_pickle(study: Any, tmp_path: Path) -> Any:
    return pickle.loads(pickle.dumps(study))


def by_joblib(study: Any, tmp_path: Path) -> Any:
    joblib.dump(study, tmp_path / "study.pkl")
    return joblib.load(tmp_path / "study.pkl")


def new_sampler(kind: str) -> Any:
    makers: dict[str, Callable[[], Any]] = {
        "random": lambda: ahpo.samplers.RandomSampler(seed=1),
        "tpe": lambda: ahpo.samplers.TPESampler(seed=1, n_startup_trials=3),
        "grid": lambda: ahpo.samplers.GridSampler({"x": [-0.5, 0.0, 0.5], "y": [1, 2, 3]}),
    }
    return makers[kind]()


@pytest.mark.parametrize("copy", [by_pickle, by_joblib])
@pytest.mark.parametrize("sampler", ["random", "tpe", "grid"])
def test_goes_on_as_if_nothing_had_happened(sampler: str, copy: Any, tmp_path: Path) -> None:
    """The trials after loading are those that the study would have had anyway."""
    pruner = ahpo.pruners.MedianPruner(n_startup_trials=2)
    study = sync_study(sampler=new_sampler(sampler), pruner=pruner)
    study.optimize(objective, n_trials=5)
    loaded = copy(study, tmp_path)
    assert type(loaded) is Study
    assert loaded.trials == study.trials
    assert loaded.best_trial == study.best_trial
    for one in (study, loaded):
        one.optimize(objective, n_trials=4)
        assert_clean(one)
    assert [t.params for t in loaded.trials] == [t.params for t in study.trials]
    assert [t.values for t in loaded.trials] == [t.values for t in study.trials]


def test_loaded_study_is_another_one() -> None:
    """What happens to the one does not happen to the other."""
    study = sync_study()
    study.optimize(no_report, n_trials=2)
    loaded = pickle.loads(pickle.dumps(study))
    loaded.optimize(no_report, n_trials=3)
    loaded.set_user_attr("which", "loaded")
    assert (len(study.trials), len(loaded.trials)) == (2, 5)
    assert study.user_attrs == {}


def test_waiting_and_asked_trials() -> None:
    """Enqueued trials wait in the copy too; an asked one can be told by its number."""
    study = sync_study()
    study.enqueue_trial({"x": 0.25})
    asked = study.ask()
    study.enqueue_trial({"x": 0.5})
    loaded = pickle.loads(pickle.dumps(study))
    assert states(loaded) == [RUNNING, WAITING]
    loaded.tell(asked.number, 1.0)
    loaded.optimize(no_report, n_trials=1)
    assert states(loaded) == [COMPLETE] * 2
    assert loaded.trials[1].params == {"x": 0.5}


def test_async_study() -> None:
    """The asynchronous face pickles as well, and goes on in another loop."""

    async def coroutine(trial: Any) -> float:
        return no_report(trial)

    study = async_study()
    run(lambda: study.optimize(coroutine, n_trials=3))
    loaded = pickle.loads(pickle.dumps(study))
    assert type(loaded) is AsyncStudy
    run(lambda: loaded.optimize(coroutine, n_trials=3))
    assert states(loaded) == [COMPLETE] * 6


def test_pickled_inside_a_callback(way: Way) -> None:
    """The copy is not being optimized: it may be stopped by nobody and optimized by anyone."""
    session = new_session(sampler=ahpo.samplers.RandomSampler(seed=1))
    copies = []

    def callback(study: Any, trial: Any) -> None:
        if trial.number == 2:
            copies.append(pickle.dumps(study))

    way(session, no_report, n_trials=5, callbacks=[callback])
    loaded = pickle.loads(copies[0])
    assert len(loaded.trials) == 3
    with pytest.raises(RuntimeError, match="stop"):
        loaded.stop()
    loaded.optimize(no_report, n_trials=2)
    assert [t.value for t in loaded.trials] == [t.value for t in sync_study(session).trials]


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Let threads take turns as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_pickled_while_others_run() -> None:
    """A copy taken in the middle of other trials is whole and consistent."""

    def many_facts(trial: Any) -> float:
        for i in range(20):
            trial.suggest_float(f"x{i}", 0, 1)
            trial.report(i, i)
            trial.set_user_attr(f"key {i}", i)
        return 1.0

    copies = []
    study = sync_study()
    study.optimize(
        many_facts, n_trials=100, n_jobs=8, callbacks=[lambda s, t: copies.append(pickle.dumps(s))]
    )
    for pickled in copies:
        loaded = pickle.loads(pickled)
        trials = loaded.trials
        assert [t.number for t in trials] == list(range(len(trials)))
        finished = [t for t in trials if t.state is COMPLETE]
        assert all(len(t.params) == len(t.user_attrs) == 20 for t in finished)
        loaded.optimize(many_facts, n_trials=1)


def test_study_that_is_in_its_own_attributes() -> None:
    """The copy holds itself, and not the first one."""
    study = sync_study()
    study.set_user_attr("me", study)
    study.optimize(no_report, n_trials=1)
    loaded = pickle.loads(pickle.dumps(study))
    assert loaded.user_attrs["me"] is loaded
    loaded.optimize(no_report, n_trials=1)
    assert (len(loaded.trials), len(study.trials)) == (2, 1)
