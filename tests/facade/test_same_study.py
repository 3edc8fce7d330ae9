"""Studies are made, found, filled, copied and deleted as in Optuna."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from tests.facade.two_libraries import Scripts, check_same, errors_of, golden_sampler

same = Scripts()


# -- names ---------------------------------------------------------------------------------------


@same
def create(o: Any) -> Any:
    study = o.create_study(study_name="a", direction="maximize")
    return study.study_name, study.direction, study.directions, study.trials, study.user_attrs


@same
def a_new_name(o: Any) -> Any:
    one, other = o.create_study(), o.create_study()
    return one.study_name[:8], len(one.study_name), one.study_name != other.study_name


@same
def directions_in_every_form(o: Any) -> Any:
    kinds = o.study.StudyDirection
    found = [
        o.create_study(**arguments).directions
        for arguments in (
            {},
            {"direction": "minimize"},
            {"direction": kinds.MAXIMIZE},
            {"directions": ["minimize"]},
            {"directions": ("minimize", "maximize")},
            {"directions": [kinds.MAXIMIZE, "minimize"]},
        )
    ]
    errors = errors_of(
        lambda: o.create_study(direction="up"),
        lambda: o.create_study(direction=""),
        lambda: o.create_study(directions=[]),
        lambda: o.create_study(directions=["minimize", "up"]),
        lambda: o.create_study(direction="minimize", directions=["minimize"]),
        lambda: o.create_study(directions="minimize"),
    )
    return found, errors


@same
def the_name_is_taken(o: Any) -> Any:
    storage = o.storages.InMemoryStorage()
    o.create_study(study_name="a", storage=storage)
    return errors_of(lambda: o.create_study(study_name="a", storage=storage))


@same
def load_if_exists(o: Any) -> Any:
    storage = o.storages.InMemoryStorage()
    first = o.create_study(study_name="a", storage=storage)
    first.tell(first.ask(), 1.0)
    # The direction of the study that is there stands.
    second = o.create_study(
        study_name="a", storage=storage, load_if_exists=True, direction="maximize"
    )
    second.tell(second.ask(), 2.0)
    return second.direction, first.trials == second.trials, first.best_value, second.trials


@same
def load(o: Any) -> Any:
    storage = o.storages.InMemoryStorage()
    errors = errors_of(
        lambda: o.load_study(study_name="a", storage=storage),
        lambda: o.load_study(study_name=None, storage=storage),
    )
    study = o.create_study(study_name="a", storage=storage)
    study.tell(study.ask(), 1.0)
    by_name = o.load_study(study_name="a", storage=storage)
    only = o.load_study(study_name=None, storage=storage)
    by_class = o.study.Study(study_name="a", storage=storage)
    o.create_study(study_name="b", storage=storage)
    errors += errors_of(lambda: o.load_study(study_name=None, storage=storage))
    return errors, by_name.trials, only.study_name, by_class.trials


@same
def samplers_and_pruners_of_a_study(o: Any) -> Any:
    storage = o.storages.InMemoryStorage()
    sampler, pruner = o.samplers.RandomSampler(), o.pruners.NopPruner()
    study = o.create_study(study_name="a", storage=storage, sampler=sampler, pruner=pruner)
    loaded = o.load_study(study_name="a", storage=storage)
    defaults = [type(loaded.sampler).__name__, type(loaded.pruner).__name__]
    loaded.sampler, loaded.pruner = sampler, pruner
    return (
        study.sampler is sampler,
        study.pruner is pruner,
        defaults,
        loaded.sampler is sampler and loaded.pruner is pruner,
        str(sampler),
    )


@same
def names_and_summaries(o: Any) -> Any:
    storage = o.storages.InMemoryStorage()
    empty = o.get_all_study_names(storage), o.get_all_study_summaries(storage)
    first = o.create_study(study_name="b", storage=storage, direction="maximize")
    first.set_user_attr("k", [1, {"a": None}])
    first.tell(first.ask({"x": o.distributions.FloatDistribution(1, 1)}), 1.0)
    first.tell(first.ask(), state=o.trial.TrialState.FAIL)
    first.ask()
    o.create_study(study_name="a", storage=storage)
    several = o.create_study(study_name="c", storage=storage, directions=["minimize", "maximize"])
    several.tell(several.ask(), (1.0, 2.0))
    names = o.get_all_study_names(storage)
    summaries = o.get_all_study_summaries(storage)
    without = o.get_all_study_summaries(storage, include_best_trial=False)
    order = [s.study_name for s in sorted(summaries)]
    direction = errors_of(lambda: summaries[-1].direction)
    return empty, names, summaries, without, order, direction, summaries[0] == summaries[0]


@same
def delete(o: Any) -> Any:
    storage = o.storages.InMemoryStorage()
    o.create_study(study_name="a", storage=storage)
    o.create_study(study_name="b", storage=storage)
    o.delete_study(study_name="a", storage=storage)
    errors = errors_of(
        lambda: o.delete_study(study_name="a", storage=storage),
        lambda: o.delete_study(study_name="never", storage=storage),
        lambda: o.load_study(study_name="a", storage=storage),
    )
    again = o.create_study(study_name="a", storage=storage)
    return errors, o.get_all_study_names(storage), again.trials


@same
def copy(o: Any) -> Any:
    one, other = o.storages.InMemoryStorage(), o.storages.InMemoryStorage()
    study = o.create_study(study_name="a", storage=one, directions=["maximize", "minimize"])
    study.set_user_attr("k", [1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.set_metric_names(["u", "v"])
    trial = study.ask({"x": o.distributions.FloatDistribution(1, 1)})
    trial.set_user_attr("t", {"a": 1})
    study.tell(trial, (1.0, 2.0))
    study.enqueue_trial({"x": 1.0})
    study.ask()
    o.copy_study(from_study_name="a", from_storage=one, to_storage=other)
    o.copy_study(from_study_name="a", from_storage=one, to_storage=one, to_study_name="b")
    errors = errors_of(
        lambda: o.copy_study(from_study_name="a", from_storage=one, to_storage=one),
        lambda: o.copy_study(from_study_name="z", from_storage=one, to_storage=other),
    )
    far = o.load_study(study_name="a", storage=other)
    near = o.load_study(study_name="b", storage=one)
    study.set_user_attr("k", [2])
    return (
        errors,
        far.trials,
        near.trials,
        [far.directions, far.user_attrs, far.metric_names],
        near.user_attrs,
        [s.study_name for s in o.get_all_study_summaries(one)],
    )


# -- what is put in ------------------------------------------------------------------------------


@same
def enqueue(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))
    study.enqueue_trial({"x": 0.5, "not asked for": 3})
    study.enqueue_trial({})
    study.enqueue_trial({"y": "b"}, user_attrs={"memo": "m"})
    waiting = study.trials

    def objective(trial: Any) -> float:
        trial.suggest_categorical("y", ["a", "b"])
        return trial.suggest_float("x", 0, 1)

    study.optimize(objective, n_trials=4)
    return waiting, study.trials


@same
def enqueue_out_of_range(o: Any) -> Any:
    study = o.create_study()
    study.enqueue_trial({"x": 5.0, "n": 12, "c": "z"})
    trial = study.ask()
    x = trial.suggest_float("x", 0, 1)
    n = trial.suggest_int("n", 0, 10)
    c = errors_of(lambda: trial.suggest_categorical("c", ["a", "b"]))
    return x, n, trial.params, c, study.trials


@same
def enqueue_what_exists(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))
    study.enqueue_trial({"x": 1})
    study.enqueue_trial({"x": 1}, skip_if_exists=True)
    study.enqueue_trial({"x": 2}, skip_if_exists=True)
    study.enqueue_trial({"x": 1, "y": 1}, skip_if_exists=True)
    study.enqueue_trial({}, skip_if_exists=True)
    study.enqueue_trial({}, skip_if_exists=True)
    study.enqueue_trial({"x": float("nan")}, skip_if_exists=True)
    study.enqueue_trial({"x": float("nan")}, skip_if_exists=True)
    study.enqueue_trial({"x": None, "c": "a"}, skip_if_exists=True)
    study.enqueue_trial({"c": "a", "x": None}, skip_if_exists=True)
    study.enqueue_trial({"x": 1})
    return [trial.system_attrs for trial in study.trials]


@same
def enqueue_what_has_run(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    study.enqueue_trial(study.trials[0].params, skip_if_exists=True)
    study.enqueue_trial({"x": study.trials[1].params["x"] + 1e-3}, skip_if_exists=True)
    study.enqueue_trial({"x": 0.25, "more": 1})
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    # A trial keeps what it was enqueued with, whatever of it was asked for.
    study.enqueue_trial({"x": 0.25}, skip_if_exists=True)
    study.enqueue_trial({"x": 0.25, "more": 1}, skip_if_exists=True)
    return study.trials


@same
def enqueue_of_nonsense(o: Any) -> Any:
    study = o.create_study()
    return errors_of(
        lambda: study.enqueue_trial([1]),
        lambda: study.enqueue_trial(None),
        lambda: study.enqueue_trial("x"),
    ), study.trials


@same
def what_is_enqueued_is_a_copy(o: Any) -> Any:
    study = o.create_study()
    params, attrs = {"x": 1}, {"a": [1]}
    study.enqueue_trial(params, user_attrs=attrs)
    params["x"] = 2
    attrs["a"].append(2)
    return study.trials


def made(o: Any, **arguments: Any) -> Any:
    """Return a trial of one parameter."""
    distribution = o.distributions.FloatDistribution(0, 10)
    arguments.setdefault("value", 1.0)
    return o.create_trial(params={"x": 1.0}, distributions={"x": distribution}, **arguments)


@same
def add(o: Any) -> Any:
    study = o.create_study()
    state = o.trial.TrialState
    study.add_trial(made(o, user_attrs={"a": 1}, intermediate_values={3: 0.5}))
    study.add_trial(made(o, state=state.PRUNED, value=None))
    study.add_trial(made(o, state=state.FAIL, value=None))
    study.add_trial(made(o, state=state.WAITING, value=None))
    study.add_trial(made(o, state=state.RUNNING, value=None))
    study.add_trial(made(o, constraints={"c": 1.0}))
    study.add_trials([made(o, value=0.5), made(o, value=0.25)])
    study.add_trials(iter([]))
    numbers = [trial.number for trial in study.trials]
    return numbers, study.trials, study.best_trial


@same
def add_what_does_not_fit(o: Any) -> Any:
    study = o.create_study()
    study.add_trial(made(o))
    broken = made(o)
    broken.params = {}
    wide = made(o)
    wide.params = {"x": 11.0}
    dateless = made(o)
    dateless.datetime_complete = None
    nan = made(o)
    nan.values = [float("nan")]
    errors = errors_of(
        lambda: study.add_trial(o.create_trial(values=[1.0, 2.0])),
        lambda: study.add_trial(broken),
        lambda: study.add_trial(wide),
        lambda: study.add_trial(dateless),
        lambda: study.add_trial(nan),
    )
    return errors, study.trials


@same
def trials_of_one_study_go_to_another(o: Any) -> Any:
    one = o.create_study(sampler=golden_sampler(o))
    one.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    other = o.create_study(direction="maximize")
    other.add_trials(one.trials)
    other.add_trial(one.best_trial)
    return other.trials, other.best_trial


@same
def an_added_trial_is_a_copy(o: Any) -> Any:
    study = o.create_study()
    trial = made(o, user_attrs={"a": [1]})
    study.add_trial(trial)
    trial.user_attrs["a"].append(2)
    trial.params["x"] = 7.0
    trial.value = 9.0
    return study.trials


@same
def an_added_running_trial_can_be_told(o: Any) -> Any:
    study = o.create_study()
    study.add_trial(o.create_trial(state=o.trial.TrialState.RUNNING))
    return study.tell(0, 1.0)


@same
def create_trial_of_nonsense(o: Any) -> Any:
    d = o.distributions
    state = o.trial.TrialState
    x = {"x": d.FloatDistribution(0, 1)}
    return errors_of(
        lambda: o.create_trial(),
        lambda: o.create_trial(value=1.0, values=[1.0]),
        lambda: o.create_trial(value=float("nan")),
        lambda: o.create_trial(value="abc"),
        lambda: o.create_trial(value=1.0, state=state.FAIL),
        lambda: o.create_trial(value=1.0, state=state.PRUNED),
        lambda: o.create_trial(value=1.0, state=state.RUNNING),
        lambda: o.create_trial(value=1.0, state=state.WAITING),
        lambda: o.create_trial(value=1.0, params={"x": 0.5}),
        lambda: o.create_trial(value=1.0, distributions=x),
        lambda: o.create_trial(value=1.0, params={"x": 2.0}, distributions=x),
        lambda: o.create_trial(value=1.0, params={"x": "a"}, distributions=x),
        lambda: o.create_trial(values=[]),
        lambda: o.create_trial(constraints={"a": float("nan")}, value=1.0),
    )


@pytest.mark.parametrize("script", same, ids=lambda script: script.__name__)
def test_same_as_optuna(script: Any) -> None:
    check_same(script)
