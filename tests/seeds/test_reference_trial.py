"""What the Trial reference says of each method and attribute, as far as it shows no training."""

from __future__ import annotations

import datetime
from collections import Counter

import numpy as np
import pytest

import ahpo as optuna
from ahpo import aio
from ahpo.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from ahpo.trial import TrialState


@pytest.fixture
def trial():
    """Return a running trial that draws at random."""
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()


def test_attributes(trial) -> None:
    """A trial has a number, a start, parameters, distributions and attributes."""
    assert trial.number == 0
    assert trial.study.ask().number == 1
    assert isinstance(trial.datetime_start, datetime.datetime)
    assert trial.params == trial.distributions == trial.user_attrs == trial.relative_params == {}

    x = trial.suggest_float("x", 0, 1)
    kind = trial.suggest_categorical("kind", [None, True, 3, 0.5, "a"])
    trial.set_user_attr("note", [1, "two"])

    assert trial.params == {"x": x, "kind": kind}
    assert trial.distributions == {
        "x": FloatDistribution(0, 1),
        "kind": CategoricalDistribution((None, True, 3, 0.5, "a")),
    }
    assert trial.user_attrs == {"note": [1, "two"]}


@pytest.mark.asyncio
async def test_attributes_async() -> None:
    """An async trial has the same, and all of it is plain."""
    async with aio.create_study() as study:
        trial = await study.ask()
        x = trial.suggest_float("x", 0, 1)
        trial.set_user_attr("note", [1, "two"])

        assert trial.number == 0
        assert isinstance(trial.datetime_start, datetime.datetime)
        assert trial.params == {"x": x}
        assert trial.distributions == {"x": FloatDistribution(0, 1)}
        assert trial.user_attrs == {"note": [1, "two"]}
        await study.tell(trial, x)

    assert study.best_params == {"x": x}


def test_a_parameter_keeps_its_value(trial) -> None:
    """A name suggested twice in a trial gives the first value again."""
    x = trial.suggest_float("x", 0, 1)

    assert trial.suggest_float("x", 0, 1) == x
    with pytest.warns(RuntimeWarning, match="x"):
        assert trial.suggest_float("x", 0, 0.5 if x > 0.5 else 2) == x
    with pytest.raises(ValueError, match="x|parameter"):
        trial.suggest_int("x", 0, 1)
    assert trial.distributions == {"x": FloatDistribution(0, 1)}


@pytest.mark.parametrize("value", [1, 0.5, np.float32(0.5), np.int64(2), "0.25", True])
def test_report_converts_to_float(trial, value) -> None:
    """A reported value is converted by `float`."""
    trial.report(value, step=0)

    reported = frozen(trial).intermediate_values
    assert reported == {0: float(value)}
    assert type(reported[0]) is float


@pytest.mark.parametrize("value", ["high", None, [1.0, 2.0], {}])
def test_report_refuses_what_is_no_float(trial, value) -> None:
    """What `float` does not take is a TypeError, and nothing is reported."""
    with pytest.raises(TypeError, match="value"):
        trial.report(value, step=0)

    assert frozen(trial).intermediate_values == {}


def test_report_refuses_a_negative_step(trial) -> None:
    """Steps start at zero."""
    with pytest.raises(ValueError, match="step.*-1"):
        trial.report(1.0, step=-1)

    assert frozen(trial).intermediate_values == {}


def test_report_twice_at_one_step(trial) -> None:
    """The first value reported at a step stays; later ones are ignored with a warning."""
    trial.report(1.0, step=3)
    with pytest.warns(UserWarning, match="step=3"):
        trial.report(2.0, step=3)
    trial.report(4.0, step=1)

    assert frozen(trial).intermediate_values == {3: 1.0, 1: 4.0}
    assert frozen(trial).last_step == 3


@pytest.mark.asyncio
async def test_report_twice_at_one_step_async() -> None:
    """The same for a coroutine, also when the first report is on record already."""

    async def objective(trial):
        trial.report(1.0, step=3)
        await trial.should_prune()
        with pytest.warns(UserWarning, match="step=3"):
            trial.report(2.0, step=3)
        return 0.0

    async with aio.create_study() as study:
        await study.optimize(objective, n_trials=1)

    assert study.trials[0].intermediate_values == {3: 1.0}


def test_should_prune_without_reports(trial) -> None:
    """Without a reported value there is nothing to prune by."""
    assert trial.should_prune() is False


def after_five_good_ones(objective_of_the_sixth):
    """Make an objective of which only the sixth trial does something worth a look."""

    def objective(trial):
        if trial.number == 5:
            return objective_of_the_sixth(trial)
        trial.report(0.0, step=0)
        return 0.0

    return objective


def test_should_prune_again() -> None:
    """The answer stays the same for the same reported values."""
    answers = []

    def ask_four_times(trial):
        trial.report(1.0, step=0)
        answers.extend(trial.should_prune() for _ in range(4))
        raise optuna.TrialPruned()

    study = optuna.create_study()
    study.optimize(after_five_good_ones(ask_four_times), n_trials=6)

    assert answers == [True] * 4
    assert study.trials[5].state == TrialState.PRUNED
    assert study.trials[5].value == 1.0


@pytest.mark.asyncio
async def test_should_prune_again_async() -> None:
    """An awaited answer stays the same as well; one not awaited is no answer."""
    answers = []

    async def objective(trial):
        trial.report(1.0 if trial.number == 5 else 0.0, step=0)
        if trial.number == 5:
            with pytest.raises(TypeError, match="await"):
                bool(trial.should_prune())
        for _ in range(4):
            answers.append(await trial.should_prune())
        if answers[-1]:
            raise optuna.TrialPruned()
        return 0.0

    async with aio.create_study() as study:
        await study.optimize(objective, n_trials=6)

    assert answers == [False] * 20 + [True] * 4
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 5 + [TrialState.PRUNED]


def test_no_reports_under_several_objectives() -> None:
    """Reports and pruning belong to studies of one objective."""
    trial = optuna.create_study(directions=["minimize", "maximize"]).ask()

    with pytest.raises(NotImplementedError, match="report"):
        trial.report(1.0, step=0)
    with pytest.raises(NotImplementedError, match="should_prune"):
        trial.should_prune()
    assert frozen(trial).intermediate_values == {}


@pytest.mark.asyncio
async def test_no_reports_under_several_objectives_async() -> None:
    """Both faces refuse alike."""
    async with aio.create_study(directions=["minimize", "maximize"]) as study:
        trial = await study.ask()
        with pytest.raises(NotImplementedError, match="report"):
            trial.report(1.0, step=0)
        with pytest.raises(NotImplementedError, match="should_prune"):
            await trial.should_prune()
        await study.tell(trial, (1.0, 2.0))

    assert study.trials[0].intermediate_values == {}


@pytest.mark.parametrize(
    ("suggest", "distribution"),
    [
        (lambda t: t.suggest_float("x", 3.5, 3.5), FloatDistribution(3.5, 3.5)),
        (lambda t: t.suggest_float("x", 3.5, 3.5, log=True), FloatDistribution(3.5, 3.5, log=True)),
        (lambda t: t.suggest_float("x", 3.5, 3.5, step=1), FloatDistribution(3.5, 3.5, step=1)),
        (lambda t: t.suggest_int("x", 3, 3), IntDistribution(3, 3)),
        (lambda t: t.suggest_int("x", 3, 3, log=True), IntDistribution(3, 3, log=True)),
        (lambda t: t.suggest_categorical("x", ["only"]), CategoricalDistribution(("only",))),
    ],
)
def test_single_valued_range(suggest, distribution) -> None:
    """A range of one value gives that value, in each trial."""
    study = optuna.create_study()
    study.optimize(lambda trial: float(suggest(trial) != "?"), n_trials=15)

    (value,) = getattr(distribution, "choices", None) or (distribution.low,)
    for t in study.trials:
        assert t.params == {"x": value}
        assert t.distributions == {"x": distribution}


def test_suggest_int_log() -> None:
    """With low = 2 and high = 8 the values are 2 to 8, and lower ones come more often."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(lambda trial: trial.suggest_int("x", 2, 8, log=True), n_trials=2000)

    seen = Counter(t.params["x"] for t in study.trials)
    assert sorted(seen) == [2, 3, 4, 5, 6, 7, 8]
    # A value v has the share of [v - 1/2, v + 1/2] in the logarithm of [3/2, 17/2].
    for value, count in seen.items():
        share = np.log((value + 0.5) / (value - 0.5)) / np.log(8.5 / 1.5)
        assert count / 2000 == pytest.approx(share, abs=5 * np.sqrt(share / 2000))


@pytest.mark.asyncio
async def test_suggest_int_log_async() -> None:
    """The default sampler's model finds the best of them, under twenty coroutines."""

    async def objective(trial):
        return abs(trial.suggest_int("x", 2, 8, log=True) - 6)

    async with aio.create_study(sampler=optuna.samplers.TPESampler(seed=1)) as study:
        await study.optimize(objective, n_trials=100, n_jobs=20)

    assert {t.params["x"] for t in study.trials} <= {2, 3, 4, 5, 6, 7, 8}
    assert study.best_params == {"x": 6}


@pytest.mark.parametrize(
    ("suggest", "adjusted"),
    [
        (lambda t: t.suggest_int("x", 0, 10, step=3), IntDistribution(0, 9, step=3)),
        (lambda t: t.suggest_float("x", 0, 1, step=0.3), FloatDistribution(0, 0.9, step=0.3)),
    ],
)
def test_high_is_adjusted_to_the_step(suggest, adjusted) -> None:
    """A range that its step does not divide ends at the last step inside, with a warning."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    with pytest.warns(UserWarning, match=rf"\b{adjusted.high}\b") as caught:
        study.tell(trial, suggest(trial))
    assert len(caught) == 1
    assert "`step`" in str(caught[0].message)

    # The study has said so: it does not repeat it with each trial.
    study.optimize(suggest, n_trials=60)
    assert study.trials[0].distributions == {"x": adjusted}
    expected = [adjusted.low + k * adjusted.step for k in range(4)]
    assert sorted({t.value for t in study.trials}) == pytest.approx(expected)


@pytest.mark.parametrize("method", ["suggest_float", "suggest_int"])
def test_step_and_log_exclude_each_other(trial, method) -> None:
    """Both at once are refused, and the trial stays as it was."""
    with pytest.raises(ValueError, match="step"):
        getattr(trial, method)("x", 2, 8, step=2, log=True)

    assert trial.params == {}


@pytest.mark.parametrize(
    ("name", "arguments", "successor", "distribution"),
    [
        ("suggest_uniform", (-1, 1), "suggest_float", FloatDistribution(-1, 1)),
        ("suggest_uniform", (2, 2), "suggest_float", FloatDistribution(2, 2)),
        ("suggest_loguniform", (1e-3, 1), "log=True", FloatDistribution(1e-3, 1, log=True)),
        ("suggest_loguniform", (2, 2), "log=True", FloatDistribution(2, 2, log=True)),
        ("suggest_discrete_uniform", (0, 1, 0.25), "step=", FloatDistribution(0, 1, step=0.25)),
    ],
)
def test_old_names(name, arguments, successor, distribution) -> None:
    """The older names work, and warn with the name of their successor."""
    study = optuna.create_study()

    def objective(trial):
        with pytest.warns(FutureWarning, match=successor):
            return getattr(trial, name)("x", *arguments)

    study.optimize(objective, n_trials=15)

    for t in study.trials:
        assert t.distributions == {"x": distribution}
        assert type(t.params["x"]) is float
        assert distribution.low <= t.params["x"] <= distribution.high
        if distribution.step is not None:
            assert t.params["x"] % 0.25 == 0


@pytest.mark.asyncio
async def test_old_names_async() -> None:
    """The async trial has the older names too."""

    async def objective(trial):
        with pytest.warns(FutureWarning, match="suggest_float"):
            a = trial.suggest_uniform("a", -1, 1)
        with pytest.warns(FutureWarning, match="suggest_float"):
            b = trial.suggest_loguniform("b", 1e-3, 1)
        with pytest.warns(FutureWarning, match="suggest_float"):
            c = trial.suggest_discrete_uniform("c", 0, 1, 0.25)
        return a + b + c

    async with aio.create_study() as study:
        await study.optimize(objective, n_trials=15)

    assert study.trials[0].distributions == {
        "a": FloatDistribution(-1, 1),
        "b": FloatDistribution(1e-3, 1, log=True),
        "c": FloatDistribution(0, 1, step=0.25),
    }
    assert study.best_value == sum(study.best_params.values())


def test_system_attributes(trial) -> None:
    """System attributes can be set and read, with a warning that they are no user's business."""
    with pytest.warns(FutureWarning, match="set_user_attr"):
        trial.set_system_attr("key", {"nested": 1})
    with pytest.warns(FutureWarning, match="user_attrs"):
        assert trial.system_attrs["key"] == {"nested": 1}

    assert frozen(trial).system_attrs["key"] == {"nested": 1}
    assert trial.user_attrs == {}


@pytest.mark.asyncio
async def test_system_attributes_async() -> None:
    """The same for a coroutine."""

    async def objective(trial):
        with pytest.warns(FutureWarning, match="set_user_attr"):
            trial.set_system_attr("key", "value")
        with pytest.warns(FutureWarning, match="user_attrs"):
            assert trial.system_attrs["key"] == "value"
        return 0.0

    async with aio.create_study() as study:
        await study.optimize(objective, n_trials=1)

    assert study.trials[0].state == TrialState.COMPLETE
    assert study.trials[0].system_attrs["key"] == "value"


def frozen(trial):
    """Return the record of a trial in its study."""
    return trial.study.trials[trial.number]
