"""The Trial reference's examples that train a scikit-learn model on iris."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

import ahpo as optuna
from ahpo import aio
from ahpo.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from ahpo.trial import TrialState

X, y = load_iris(return_X_y=True)
X_train, X_valid, y_train, y_valid = train_test_split(X, y, random_state=0)

# The documented networks stop at 200 epochs, and their batch of 128 is larger than the data.
unfinished_network = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:Got `batch_size`:UserWarning"
)


def assert_three_scores(study) -> None:
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 3
    assert study.best_value == max(t.value for t in study.trials)
    assert 0 <= study.best_value <= 1


def assert_scores_were_reported(study, n_trials: int, n_steps: int) -> None:
    assert len(study.trials) == n_trials
    for t in study.trials:
        assert t.state in (TrialState.COMPLETE, TrialState.PRUNED)
        assert t.value == t.intermediate_values[t.last_step]
        assert sorted(t.intermediate_values) == list(range(t.last_step + 1))
        if t.state == TrialState.COMPLETE:
            assert t.last_step == n_steps - 1


def test_report() -> None:
    """Three trials report one hundred steps each, for there is nothing to compare them with."""

    def objective(trial):
        clf = SGDClassifier(random_state=0)
        for step in range(100):
            clf.partial_fit(X_train, y_train, np.unique(y))
            intermediate_value = clf.score(X_valid, y_valid)
            trial.report(intermediate_value, step=step)
            if trial.should_prune():
                raise optuna.TrialPruned()

        return clf.score(X_valid, y_valid)

    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=3)

    assert_three_scores(study)
    assert_scores_were_reported(study, 3, 100)
    assert study.trials[0].intermediate_values == study.trials[2].intermediate_values


@pytest.mark.asyncio
async def test_report_async() -> None:
    """A coroutine reports plainly, and awaits the decision."""

    async def objective(trial: optuna.AsyncTrial) -> float:
        clf = SGDClassifier(random_state=0)
        for step in range(100):
            clf.partial_fit(X_train, y_train, np.unique(y))
            intermediate_value = clf.score(X_valid, y_valid)
            trial.report(intermediate_value, step=step)
            if await trial.should_prune():
                raise optuna.TrialPruned()

        return clf.score(X_valid, y_valid)

    async with aio.create_study(direction="maximize") as study:
        await study.optimize(objective, n_trials=3)

    assert_three_scores(study)
    assert_scores_were_reported(study, 3, 100)


def should_have_been_pruned(study, number: int) -> bool:
    """Decide by the median rule, from the trials before this one that ran to their end."""
    trial = study.trials[number]
    done = [t for t in study.trials[:number] if t.state == TrialState.COMPLETE]
    if len(done) < 5:
        return False
    step = trial.last_step
    best = max(trial.intermediate_values.values())
    return bool(best < np.median([t.intermediate_values[step] for t in done]))


def assert_median_rule(study) -> None:
    assert_scores_were_reported(study, 16, 30)
    for t in study.trials:
        assert (t.state == TrialState.PRUNED) == should_have_been_pruned(study, t.number)
    assert any(t.state == TrialState.PRUNED for t in study.trials)


def test_report_and_prune() -> None:
    """The default pruner stops the trials whose scores are below the median of those before."""

    def objective(trial):
        eta0 = trial.suggest_float("eta0", 1e-7, 1e-1, log=True)
        clf = SGDClassifier(random_state=0, learning_rate="constant", eta0=eta0)
        for step in range(30):
            clf.partial_fit(X_train, y_train, np.unique(y))
            intermediate_value = clf.score(X_valid, y_valid)
            trial.report(intermediate_value, step=step)
            if trial.should_prune():
                raise optuna.TrialPruned()

        return clf.score(X_valid, y_valid)

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=16)

    assert_median_rule(study)


@pytest.mark.asyncio
async def test_report_and_prune_async() -> None:
    """A coroutine is pruned by the same rule."""

    async def objective(trial):
        eta0 = trial.suggest_float("eta0", 1e-7, 1e-1, log=True)
        clf = SGDClassifier(random_state=0, learning_rate="constant", eta0=eta0)
        for step in range(30):
            clf.partial_fit(X_train, y_train, np.unique(y))
            intermediate_value = clf.score(X_valid, y_valid)
            trial.report(intermediate_value, step=step)
            if await trial.should_prune():
                raise optuna.TrialPruned()

        return clf.score(X_valid, y_valid)

    async with aio.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
    ) as study:
        await study.optimize(objective, n_trials=16)

    assert_median_rule(study)


@unfinished_network
def test_set_user_attr() -> None:
    """An attribute set on a trial is read back from it, and kept with it."""

    def objective(trial):
        trial.set_user_attr("BATCHSIZE", 128)
        momentum = trial.suggest_float("momentum", 0, 1.0)
        clf = MLPClassifier(
            hidden_layer_sizes=(100, 50),
            batch_size=trial.user_attrs["BATCHSIZE"],
            momentum=momentum,
            solver="sgd",
            random_state=0,
        )
        clf.fit(X_train, y_train)

        return clf.score(X_valid, y_valid)

    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=3)
    assert "BATCHSIZE" in study.best_trial.user_attrs.keys()
    assert study.best_trial.user_attrs["BATCHSIZE"] == 128

    assert_three_scores(study)
    assert [t.user_attrs for t in study.trials] == [{"BATCHSIZE": 128}] * 3
    assert study.trials[0].distributions == {"momentum": FloatDistribution(0, 1.0)}


@unfinished_network
@pytest.mark.asyncio
async def test_set_user_attr_async() -> None:
    """Setting an attribute is a plain call for a coroutine."""

    async def objective(trial):
        trial.set_user_attr("BATCHSIZE", 128)
        momentum = trial.suggest_float("momentum", 0, 1.0)
        clf = MLPClassifier(
            hidden_layer_sizes=(100, 50),
            batch_size=trial.user_attrs["BATCHSIZE"],
            momentum=momentum,
            solver="sgd",
            random_state=0,
        )
        await asyncio.to_thread(clf.fit, X_train, y_train)

        return clf.score(X_valid, y_valid)

    async with aio.create_study(direction="maximize") as study:
        await study.optimize(objective, n_trials=3)
    assert study.best_trial.user_attrs["BATCHSIZE"] == 128

    assert_three_scores(study)
    assert [t.user_attrs for t in study.trials] == [{"BATCHSIZE": 128}] * 3


def test_suggest_categorical() -> None:
    """A categorical parameter is one of its choices."""

    def objective(trial):
        kernel = trial.suggest_categorical("kernel", ["linear", "poly", "rbf"])
        clf = SVC(kernel=kernel, gamma="scale", random_state=0)
        clf.fit(X_train, y_train)
        return clf.score(X_valid, y_valid)

    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=3)

    assert_three_scores(study)
    for t in study.trials:
        assert t.params["kernel"] in ("linear", "poly", "rbf")
        assert t.distributions == {"kernel": CategoricalDistribution(("linear", "poly", "rbf"))}
        assert t.value > 0.9


@pytest.mark.asyncio
async def test_suggest_categorical_async() -> None:
    """Three kernels are tried at once."""

    async def objective(trial):
        kernel = trial.suggest_categorical("kernel", ["linear", "poly", "rbf"])
        clf = SVC(kernel=kernel, gamma="scale", random_state=0)
        await asyncio.to_thread(clf.fit, X_train, y_train)
        return clf.score(X_valid, y_valid)

    async with aio.create_study(direction="maximize") as study:
        await study.optimize(objective, n_trials=3, n_jobs=3)

    assert_three_scores(study)
    assert {t.params["kernel"] for t in study.trials} <= {"linear", "poly", "rbf"}


NETWORK_SPACE = {
    "momentum": FloatDistribution(0.0, 1.0),
    "learning_rate_init": FloatDistribution(1e-5, 1e-3, log=True),
    "power_t": FloatDistribution(0.2, 0.8, step=0.1),
}


def assert_network_space(study) -> None:
    for t in study.trials:
        assert t.distributions == NETWORK_SPACE
        assert 0.0 <= t.params["momentum"] <= 1.0
        assert 1e-5 <= t.params["learning_rate_init"] <= 1e-3
        tenths = t.params["power_t"] * 10
        assert round(tenths) in range(2, 9)
        assert tenths == pytest.approx(round(tenths))


@unfinished_network
def test_suggest_float() -> None:
    """A float is drawn on a linear, on a logarithmic, or on a stepped axis."""

    def objective(trial):
        momentum = trial.suggest_float("momentum", 0.0, 1.0)
        learning_rate_init = trial.suggest_float("learning_rate_init", 1e-5, 1e-3, log=True)
        power_t = trial.suggest_float("power_t", 0.2, 0.8, step=0.1)
        clf = MLPClassifier(
            hidden_layer_sizes=(100, 50),
            momentum=momentum,
            learning_rate_init=learning_rate_init,
            solver="sgd",
            random_state=0,
            power_t=power_t,
        )
        clf.fit(X_train, y_train)

        return clf.score(X_valid, y_valid)

    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=3)

    assert_three_scores(study)
    assert_network_space(study)


@unfinished_network
@pytest.mark.asyncio
async def test_suggest_float_async() -> None:
    """A coroutine draws from the same axes."""

    async def objective(trial):
        clf = MLPClassifier(
            hidden_layer_sizes=(100, 50),
            momentum=trial.suggest_float("momentum", 0.0, 1.0),
            learning_rate_init=trial.suggest_float("learning_rate_init", 1e-5, 1e-3, log=True),
            solver="sgd",
            random_state=0,
            power_t=trial.suggest_float("power_t", 0.2, 0.8, step=0.1),
        )
        await asyncio.to_thread(clf.fit, X_train, y_train)
        return clf.score(X_valid, y_valid)

    async with aio.create_study(direction="maximize") as study:
        await study.optimize(objective, n_trials=3)

    assert_three_scores(study)
    assert_network_space(study)


def assert_forests(study) -> None:
    assert_three_scores(study)
    for t in study.trials:
        assert type(t.params["n_estimators"]) is int
        assert 50 <= t.params["n_estimators"] <= 400
        assert t.distributions == {"n_estimators": IntDistribution(50, 400)}
        assert t.value > 0.9


def test_suggest_int() -> None:
    """An int is a Python int between its bounds."""

    def objective(trial):
        n_estimators = trial.suggest_int("n_estimators", 50, 400)
        clf = RandomForestClassifier(n_estimators=n_estimators, random_state=0)
        clf.fit(X_train, y_train)
        return clf.score(X_valid, y_valid)

    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=3)

    assert_forests(study)


@pytest.mark.asyncio
async def test_suggest_int_async() -> None:
    """Coroutines grow their forests in threads."""

    async def objective(trial):
        n_estimators = trial.suggest_int("n_estimators", 50, 400)
        clf = RandomForestClassifier(n_estimators=n_estimators, random_state=0)
        await asyncio.to_thread(clf.fit, X_train, y_train)
        return await asyncio.to_thread(clf.score, X_valid, y_valid)

    async with aio.create_study(direction="maximize") as study:
        await study.optimize(objective, n_trials=3, n_jobs=3)

    assert_forests(study)
