"""Samplers, pruners and callbacks as people write them after the tutorials, in both faces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ahpo as optuna
from ahpo.states import TrialState
from tests.engine.studies import assert_clean, new_session, states, sync_study
from tests.engine.ways import WAYS, Way

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


class Annealing(optuna.samplers.BaseSampler):
    """Walk about: step away from the last accepted point, and cool down."""

    def __init__(self, temperature: float = 1.0) -> None:
        self._rng = np.random.RandomState(0)
        self._temperature = temperature
        self._point: Any = None  # the accepted trial

    def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
        return optuna.search_space.intersection_search_space(study.get_trials(deepcopy=False))

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        if search_space == {}:
            return {}
        last = [t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE][-1]
        if self._point is None or last.value <= self._point.value:
            self._point = last
        elif self._rng.rand() < np.exp((self._point.value - last.value) / self._temperature):
            self._point = last
        self._temperature *= 0.9
        params = {}
        for name, distribution in search_space.items():
            assert isinstance(distribution, optuna.distributions.FloatDistribution)
            width = (distribution.high - distribution.low) * 0.1
            center = self._point.params[name]
            low = max(distribution.low, center - width)
            params[name] = self._rng.uniform(low, min(distribution.high, center + width))
        return params

    def sample_independent(
        self, study: Any, trial: Any, param_name: str, param_distribution: Any
    ) -> Any:
        independent = optuna.samplers.RandomSampler(seed=0)
        return independent.sample_independent(study, trial, param_name, param_distribution)


class LastPlacePruner(optuna.pruners.BasePruner):
    """Prune whoever is last of all at its step."""

    def __init__(self, warmup_steps: int, warmup_trials: int) -> None:
        self._warmup_steps = warmup_steps
        self._warmup_trials = warmup_trials

    def prune(self, study: Any, trial: Any) -> bool:
        step = trial.last_step
        if not step or step < self._warmup_steps:
            return False
        others = [
            t.intermediate_values[step]
            for t in study.get_trials(deepcopy=False)
            if t.number != trial.number and step in t.intermediate_values
        ]
        if len(others) < self._warmup_trials:
            return False
        if study.direction == optuna.study.StudyDirection.MINIMIZE:
            return bool(trial.intermediate_values[step] > max(others))
        return bool(trial.intermediate_values[step] < min(others))


class StopWhenGood:
    """Be a callback that stops the study when it is good enough."""

    def __init__(self, value: float) -> None:
        self._value = value

    def __call__(self, study: Any, trial: Any) -> None:
        study.set_user_attr("last", trial.number)
        if study.best_value < self._value:
            study.stop()


def bowl(trial: Any) -> float:
    x = trial.suggest_float("x", -10, 10)
    y = trial.suggest_float("y", -5, 5)
    return float(x**2 + y)


@pytest.mark.parametrize("n_jobs", [1, 4])
def test_sampler(way: Way, n_jobs: int) -> None:
    """A sampler of one's own finds its way, from threads, coroutines and in place."""
    session = new_session(sampler=Annealing())
    way(session, bowl, n_trials=100, n_jobs=n_jobs)
    study = sync_study(session)
    assert_clean(study)
    assert len(study.trials) == 100
    assert study.best_trial.number > 0
    steps = [
        abs(one.params["x"] - other.params["x"])
        for one, other in zip(study.trials[20:], study.trials[21:], strict=False)
    ]
    assert max(steps) <= 4 + 4 * n_jobs  # it walks: at random, steps of 15 are common


def climbs(trial: Any) -> float:
    slope = trial.suggest_float("slope", 0, 1)
    for step in range(5):
        trial.report(slope * step, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return float(slope * 4)


async def climbs_async(trial: Any) -> float:
    slope = trial.suggest_float("slope", 0, 1)
    for step in range(5):
        trial.report(slope * step, step)
        if await trial.should_prune():
            raise optuna.TrialPruned
    return float(slope * 4)


@pytest.mark.parametrize("face", ["in place", "own loop"])
def test_pruner(face: str) -> None:
    """A pruner of one's own prunes each trial that is worse than all before it."""
    study = sync_study(sampler=optuna.samplers.RandomSampler(seed=3), pruner=LastPlacePruner(1, 5))
    study.optimize(climbs if face == "in place" else climbs_async, n_trials=40)
    assert_clean(study)
    reached: dict[int, list[float]] = {step: [] for step in range(5)}
    expected = []
    for slope in (trial.params["slope"] for trial in study.trials):
        expected.append(COMPLETE)
        for step, others in reached.items():
            worst = len(others) >= 5 and slope * step > max(others)
            others.append(slope * step)
            if step and worst:
                expected[-1] = PRUNED
                break
    assert states(study) == expected
    assert PRUNED in expected


@pytest.mark.parametrize("n_jobs", [1, 4])
def test_callback(way: Way, n_jobs: int) -> None:
    """A callback object stops the study and writes on it."""
    session = new_session()
    way(session, bowl, n_trials=5000, n_jobs=n_jobs, callbacks=[StopWhenGood(20.0)])
    study = sync_study(session)
    assert study.best_value < 20.0
    assert len(study.trials) < 200
    assert 0 <= study.user_attrs["last"] < len(study.trials)


class Diary(optuna.samplers.BaseSampler):
    """Write down what is called, and put attributes on the trials."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, str]] = []

    def before_trial(self, study: Any, trial: Any) -> None:
        assert trial.state is TrialState.RUNNING
        self.calls.append((trial.number, "before_trial"))
        trial.system_attrs["before"] = trial.number

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        self.calls.append((trial.number, "infer"))
        return {"x": optuna.distributions.FloatDistribution(0, 1)}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        self.calls.append((trial.number, "relative"))
        return {"x": 0.25}

    def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
        self.calls.append((trial.number, name))
        assert trial.params.get("x") == 0.25  # what was suggested before is there to see
        return 3

    def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
        assert trial.state is TrialState.RUNNING
        self.calls.append((trial.number, f"after {state.name} {values}"))
        trial.system_attrs["after"] = state.name


class Noter(optuna.pruners.BasePruner):
    def prune(self, study: Any, trial: Any) -> bool:
        trial.system_attrs["pruner"] = len(trial.intermediate_values)
        return False


def mixed(trial: Any) -> float:
    x = trial.suggest_float("x", 0, 1)
    n = trial.suggest_int("n", 0, 9)
    if trial.number == 1:
        raise optuna.TrialPruned
    if trial.number == 2:
        raise ValueError("bad")
    return float(x + n)


def test_calls_of_a_sampler(way: Way) -> None:
    """A sampler is called in the documented order, once for each trial, however it ends."""
    diary = Diary()
    session = new_session(sampler=diary)
    way(session, mixed, n_trials=3, catch=ValueError)
    ends = ["after COMPLETE [3.25]", "after PRUNED None", "after FAIL None"]
    assert diary.calls == [
        (number, what)
        for number, end in enumerate(ends)
        for what in ("before_trial", "infer", "relative", "n", end)
    ]
    trials = sync_study(session).trials
    assert [t.params for t in trials] == [{"x": 0.25, "n": 3}] * 3
    assert [t.system_attrs["before"] for t in trials] == [0, 1, 2]
    assert [t.system_attrs["after"] for t in trials] == ["COMPLETE", "PRUNED", "FAIL"]


def test_attributes_that_a_pruner_sets() -> None:
    """What a pruner puts on the trial is recorded, as its base class says."""
    study = sync_study(pruner=Noter())

    def objective(trial: Any) -> float:
        trial.report(1.0, 0)
        trial.should_prune()
        return 1.0

    study.optimize(objective, n_trials=2)
    assert [t.system_attrs["pruner"] for t in study.trials] == [1, 1]


def test_study_that_a_sampler_sees() -> None:
    """The study that a sampler or a pruner gets can be read in full, also on an event loop."""
    seen = []

    class Reader(optuna.samplers.RandomSampler):
        def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
            seen.append(
                (
                    study.study_name,
                    study.direction.name,
                    len(study.trials),
                    len(study.get_trials(states=(COMPLETE,))),
                    study.best_value if trial.number else None,
                    study.user_attrs,
                )
            )

    session = new_session(sampler=Reader())
    sync_study(session).set_user_attr("mine", 1)
    WAYS["asyncio"](session, lambda trial: float(trial.number), n_trials=3)
    name = sync_study(session).study_name
    assert seen == [(name, "MINIMIZE", n + 1, n, 0.0 if n else None, {"mine": 1}) for n in range(3)]


def test_sampler_and_pruner_may_be_replaced(way: Way) -> None:
    """`study.sampler = ...` holds from the next trial on."""
    session = new_session(sampler=Diary())
    way(session, lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    study = sync_study(session)
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    study.pruner = LastPlacePruner(1, 1)
    way(session, lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    values = [trial.value for trial in study.trials]
    assert values[:2] == [0.25, 0.25]
    assert 0.25 not in values[2:]


def test_grid_sampler_ends_the_study(way: Way) -> None:
    """A sampler that has nothing left to try stops the study by itself."""
    grid = optuna.samplers.GridSampler({"x": [-1.0, 0.0, 1.0], "y": [0.5, 1.5]}, seed=0)
    session = new_session(sampler=grid)
    way(session, bowl, n_trials=100)
    study = sync_study(session)
    assert len(study.trials) == 6
    assert len({tuple(t.params.values()) for t in study.trials}) == 6
