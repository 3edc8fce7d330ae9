"""`ask` and `tell` do what Optuna's do, for every state and every kind of value."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from tests.facade.two_libraries import Scripts, check_same, golden_sampler

same = Scripts()

TOLD = {
    "nothing": None,
    "float": 0.5,
    "int": 1,
    "bool": True,
    "text": "abc",
    "nan": float("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
    "numpy float": np.float32(0.25),
    "numpy int": np.int64(3),
    "numpy scalar array": np.array(2.0),
    "numpy array of one": np.array([2.0]),
    "numpy array of two": np.array([2.0, 3.0]),
    "list of one": [0.5],
    "tuple of one": (0.5,),
    "empty list": [],
    "list of two": [1.0, 2.0],
    "tuple of two": (1.0, 2),
    "list of two, one nan": [1.0, float("nan")],
    "list of two, one None": [1.0, None],
    "list of text": ["a", "b"],
    "list of three": [1.0, 2.0, 3.0],
    "dict": {"a": 1},
    "set": {1.0},
    "object": object,
    "complex": 1j,
}
STATES = [None, "COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING"]


REPORTS: list[tuple[tuple[float, int], ...]] = [(), ((0.5, 1), (0.25, 3)), ((float("nan"), 0),)]


@pytest.mark.parametrize(
    ("n_objectives", "reports"), [(2, ()), *((1, reports) for reports in REPORTS)], ids=str
)
@pytest.mark.parametrize("state", STATES)
def test_tell(state: str | None, n_objectives: int, reports: Any) -> None:
    """Each value with each state ends the trial, or is refused, as in Optuna."""

    def script(o: Any, told: Any) -> Any:
        study = o.create_study(directions=["minimize"] * n_objectives)
        trial = study.ask()
        for report in reports:
            trial.report(*report)
        end = None if state is None else o.trial.TrialState[state]
        try:
            given = study.tell(trial, told, state=end)
        except (ValueError, TypeError) as error:
            return type(error).__name__, study.trials
        return given, study.trials

    for told in TOLD.values():
        check_same(lambda o, told=told: script(o, told))  # type: ignore[misc]


@same
def tell_by_number(o: Any) -> Any:
    study = o.create_study()
    study.ask()
    second = study.ask()
    study.tell(1, 2.0)
    study.tell(0, 1.0)
    return study.trials, second.number


@same
def tell_of_what_is_no_trial(o: Any) -> Any:
    study = o.create_study()
    study.ask()
    found = []
    for trial in ("0", 0.5, None, 1, 99, [0], study.trials[0]):
        try:
            study.tell(trial, 1.0)
            found.append("told")
        except Exception as error:
            found.append(type(error).__name__)
    return found, study.trials


@same
def tell_twice(o: Any) -> Any:
    study = o.create_study()
    trial = study.ask()
    study.tell(trial, 1.0)
    errors = []
    for arguments in (
        {"values": 2.0},
        {"state": o.trial.TrialState.PRUNED},
        {"state": o.trial.TrialState.FAIL},
    ):
        try:
            study.tell(trial, **arguments)
        except Exception as error:
            errors.append(type(error).__name__)
    return errors, study.trials


@same
def tell_twice_and_skip(o: Any) -> Any:
    study = o.create_study()
    trial = study.ask()
    study.tell(trial, 1.0)
    again = study.tell(trial, 2.0, skip_if_finished=True)
    and_again = study.tell(0, state=o.trial.TrialState.FAIL, skip_if_finished=True)
    return again, and_again, study.trials


@same
def skip_of_a_running_trial_tells_it(o: Any) -> Any:
    study = o.create_study()
    study.ask()
    return study.tell(0, 2.0, skip_if_finished=True)


@same
def skip_checks_its_values_first_or_not(o: Any) -> Any:
    study = o.create_study()
    study.tell(study.ask(), 1.0)
    return study.tell(0, "abc", skip_if_finished=True)


@same
def tell_a_waiting_trial(o: Any) -> Any:
    study = o.create_study()
    study.enqueue_trial({"x": 1})
    try:
        study.tell(0, 1.0)
    except Exception as error:
        return type(error).__name__, study.trials
    return study.trials


@same
def tell_all_ends_of_a_pruned_trial(o: Any) -> Any:
    study = o.create_study()
    for reports in (
        [],
        [(1.0, 0)],
        [(1.0, 5), (2.0, 3)],
        [(float("inf"), 0)],
        [(1.0, 0), (float("nan"), 1)],
    ):
        trial = study.ask()
        for report in reports:
            trial.report(*report)
        study.tell(trial, state=o.trial.TrialState.PRUNED)
    return study.trials


@same
def told_trial_is_closed(o: Any) -> Any:
    study = o.create_study()
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    study.tell(trial, 1.0)
    errors = {}
    for name, call in {
        "new parameter": lambda: trial.suggest_float("y", 0, 1),
        "known parameter": lambda: trial.suggest_float("x", 0, 1) == trial.params["x"],
        "report": lambda: trial.report(1.0, 0),
        "set_user_attr": lambda: trial.set_user_attr("a", 1),
        "set_constraint": lambda: trial.set_constraint("a", 1.0),
    }.items():
        try:
            errors[name] = call()
        except Exception as error:
            errors[name] = type(error).__name__
    return errors


@same
def ask_with_fixed_distributions(o: Any) -> Any:
    d = o.distributions
    study = o.create_study(sampler=golden_sampler(o))
    trial = study.ask(
        {
            "x": d.FloatDistribution(0, 1),
            "n": d.IntDistribution(1, 8, log=True),
            "c": d.CategoricalDistribution(["a", "b"]),
        }
    )
    return trial.params, trial.distributions, study.trials


@same
def ask_converts_old_distributions(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old = o.distributions.UniformDistribution(0, 1)
    trial = study.ask({"x": old})
    return trial.distributions


@same
def ask_takes_what_is_enqueued_first(o: Any) -> Any:
    study = o.create_study()
    study.enqueue_trial({"x": 0.25})
    study.enqueue_trial({"x": 0.75}, user_attrs={"from": "me"})
    xs = []
    for _ in range(2):
        trial = study.ask()
        xs.append((trial.number, trial.suggest_float("x", 0, 1), trial.user_attrs))
    return xs, study.trials


@same
def ask_gives_consecutive_numbers(o: Any) -> Any:
    study = o.create_study()
    return [study.ask().number for _ in range(4)]


@same
def tell_updates_the_best(o: Any) -> Any:
    study = o.create_study(direction="maximize")
    best = []
    for value in (1.0, 3.0, 3.0, 2.0, float("inf")):
        study.tell(study.ask(), value)
        best.append((study.best_trial.number, study.best_value))
    return best


@same
def tell_logs_nothing_but_failures(o: Any) -> Any:
    study = o.create_study()
    study.tell(study.ask(), 1.0)
    study.tell(study.ask(), state=o.trial.TrialState.PRUNED)
    study.tell(study.ask(), state=o.trial.TrialState.FAIL)
    study.tell(study.ask(), float("nan"))
    study.tell(study.ask(), None)
    return study.trials


@pytest.mark.parametrize("script", same, ids=lambda script: script.__name__)
def test_same_as_optuna(script: Any) -> None:
    check_same(script)
