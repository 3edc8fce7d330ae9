"""Studies with everything in them, written by the API that both libraries have."""

from __future__ import annotations

import warnings
from datetime import datetime
from math import inf, nan
from typing import Any

__all__ = ("CHOICES", "write_plain", "write_several")

CHOICES = (None, True, 3, -2.5, "né", "")


def objective(api: Any, trial: Any) -> float:
    x = trial.suggest_float("x", -1.0, 1.0)
    trial.suggest_float("log", 1e-5, 1e5, log=True)
    trial.suggest_float("step", 0.0, 0.7, step=0.1)
    trial.suggest_int("int", -5, 5)
    trial.suggest_int("log int", 1, 1000, log=True)
    trial.suggest_int("step int", 0, 8, step=2)
    trial.suggest_categorical("kind", CHOICES)
    trial.suggest_categorical(f"only {trial.number % 2}", ["a", "b"])
    for step, value in ((0, 0.1), (7, nan), (3, inf), (2, -inf), (2**31 - 1, 1e-300)):
        trial.report(value, step)
    trial.set_user_attr("nested", {"a": [1, 2.5, None, True, "ü\n\U0001f600"], "b": {}})
    trial.set_user_attr("odd numbers", [inf, -inf, 10**30])
    trial.set_constraint("c", x)
    trial.set_constraint("d e", -inf)
    if trial.number == 1:
        raise api.TrialPruned
    if trial.number == 2:
        raise ZeroDivisionError
    return {3: inf, 4: -inf, 5: nan}.get(trial.number, x)


def write_plain(api: Any, storage: Any) -> None:
    """Write a study of one objective, with trials in all states."""
    study = api.create_study(
        storage=storage,
        study_name="plain: ü",
        direction="maximize",
        sampler=api.samplers.RandomSampler(),
    )
    study.set_user_attr("what", ["a study", None, {"x": inf}])
    study.set_user_attr("what", ["a study", 1, {"y": -inf}])
    study.set_metric_names(["accuracy"])
    study.optimize(lambda trial: objective(api, trial), n_trials=7, catch=(ZeroDivisionError,))
    study.enqueue_trial({"x": 0.25, "kind": None}, user_attrs={"from": "the queue"})
    study.enqueue_trial({"x": 0.5, "kind": "né"})
    asked = study.ask({"x": api.distributions.FloatDistribution(-1.0, 1.0)})  # from the queue
    asked.report(0.5, 1)
    asked.suggest_categorical("kind", CHOICES)
    told = study.ask()  # from the queue, too
    told.suggest_float("x", -1.0, 1.0)
    study.tell(told, 0.75)
    study.tell(study.ask(), state=api.trial.TrialState.PRUNED)
    study.enqueue_trial({"x": -0.5})
    for trial in added(api):
        study.add_trial(trial)


def added(api: Any) -> list[Any]:
    """Return trials made elsewhere."""
    states, make = api.trial.TrialState, api.trial.create_trial
    start, end = datetime(2020, 2, 29, 1, 2, 3, 456_000), datetime(2021, 7, 1, 12)
    complete = make(
        params={"x": 0.125, "kind": -2.5, "step int": 6},
        distributions={
            "x": api.distributions.FloatDistribution(-2.0, 2.0),
            "kind": api.distributions.CategoricalDistribution(CHOICES),
            "step int": api.distributions.IntDistribution(0, 8, step=2),
        },
        value=-1.5,
        user_attrs={"k": "v"},
        system_attrs={"made": ["by hand"], "constraints": [0.5, -1.0]},
        intermediate_values={1: 0.5, 2: nan},
    )
    complete.datetime_start, complete.datetime_complete = start, end
    return [
        complete,
        make(state=states.WAITING, system_attrs={"fixed_params": {"x": 0.0}}),
        make(state=states.RUNNING, intermediate_values={3: 1.0}),
        make(state=states.PRUNED, value=2.0, intermediate_values={0: 2.0}),
        make(state=states.FAIL),
    ]


def write_several(api: Any, storage: Any) -> None:
    """Write a study of several objectives, with constraints of the older form."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that form is deprecated
        sampler = api.samplers.TPESampler(
            constraints_func=lambda trial: (trial.params["x"], -1.0), seed=1
        )
    study = api.create_study(
        storage=storage, study_name="several", directions=["minimize", "maximize"], sampler=sampler
    )
    study.set_metric_names(["cost", "gain"])

    def objectives(trial: Any) -> tuple[float, float]:
        x = trial.suggest_float("x", -1.0, 1.0)
        return x, inf if trial.number == 1 else x * x

    study.optimize(objectives, n_trials=4)
    study.add_trial(api.trial.create_trial(values=[-inf, 0.0], system_attrs={"constraints": None}))
