"""Running, fixed and frozen trials behave as Optuna's."""

from __future__ import annotations

import re
import warnings
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from tests.facade.two_libraries import Scripts, check_same, errors_of, golden_sampler

same = Scripts()


def asked(o: Any, **arguments: Any) -> Any:
    """Return a running trial that draws the same in both libraries."""
    return o.create_study(sampler=golden_sampler(o), **arguments).ask()


def suggest_all(trial: Any) -> list[Any]:
    """Suggest one of each kind."""
    return [
        trial.suggest_float("f", 0, 1),
        trial.suggest_float("log", 1e-3, 1, log=True),
        trial.suggest_int("i", 0, 10),
        trial.suggest_int("ilog", 1, 100, log=True),
        trial.suggest_categorical("c", ["a", "b", None, 1, 2.5, True]),
        trial.suggest_float("one", 3, 3),
        trial.suggest_int("uno", 3, 3),
        trial.suggest_categorical("only", ["x"]),
    ]


# -- running trials ------------------------------------------------------------------------------


@same
def what_a_trial_tells(o: Any) -> Any:
    trial = asked(o)
    values = suggest_all(trial)
    types = [type(value).__name__ for value in values]
    return values, types, trial.params, trial.distributions, trial.number, trial.relative_params


@same
def parameters_keep_their_values(o: Any) -> Any:
    trial = asked(o)
    return suggest_all(trial) == suggest_all(trial), list(trial.params)


@same
def another_range_for_a_known_parameter(o: Any) -> Any:
    trial = asked(o)
    trial.suggest_float("x", 0, 1)
    trial.suggest_int("n", 0, 10)
    again = trial.suggest_float("x", 5, 6), trial.suggest_int("n", 20, 30)
    errors = errors_of(
        lambda: trial.suggest_int("x", 0, 1),
        lambda: trial.suggest_float("x", 0.1, 1, log=True),
        lambda: trial.suggest_float("n", 0, 1),
        lambda: trial.suggest_categorical("x", [1]),
    )
    return again, errors, trial.params, trial.distributions


@same
def another_range_in_another_trial(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))
    study.ask().suggest_float("x", 0, 1)
    study.ask().suggest_categorical("c", ["a", "b"])
    trial = study.ask()
    return trial.suggest_float("x", 5, 6)


@same
def no_range(o: Any) -> Any:
    trial = asked(o)
    errors = errors_of(
        lambda: trial.suggest_float("x", 1, 0),
        lambda: trial.suggest_float("x", 0, 1, log=True),
        lambda: trial.suggest_float("x", -1, 1, log=True),
        lambda: trial.suggest_float("x", 1, 2, log=True, step=0.1),
        lambda: trial.suggest_float("x", 0, 1, step=0),
        lambda: trial.suggest_float("x", 0, 1, step=-1),
        lambda: trial.suggest_int("x", 1, 0),
        lambda: trial.suggest_int("x", 0, 5, log=True),
        lambda: trial.suggest_int("x", 1, 5, log=True, step=2),
        lambda: trial.suggest_int("x", 1, 5, step=0),
        lambda: trial.suggest_categorical("x", []),
        lambda: trial.suggest_float("x", 0, 1, 0.1),
        lambda: trial.suggest_float("x", 0),
    )
    return errors, trial.params, trial.distributions


@same
def ranges_that_steps_do_not_divide(o: Any) -> Any:
    trial = asked(o)
    trial.suggest_float("x", 0, 1, step=0.3)
    trial.suggest_int("n", 0, 10, step=3)
    return trial.distributions


@same
def old_suggest_methods(o: Any) -> Any:
    trial = asked(o)
    return (
        trial.suggest_uniform("u", 0, 1),
        trial.suggest_loguniform("l", 1e-3, 1),
        trial.suggest_discrete_uniform("d", 0, 1, 0.25),
        trial.distributions,
    )


@same
def reports(o: Any) -> Any:
    trial = asked(o)
    trial.report(1, 0)
    trial.report(np.float32(0.5), np.int64(2))
    trial.report("3.5", 1)
    trial.report(float("nan"), 5)
    trial.report(float("inf"), 6)
    trial.report(True, 7)
    trial.report(value=1.0, step=8)
    frozen = trial.study.trials[0]
    return frozen, list(frozen.intermediate_values)


@same
def reports_of_nonsense(o: Any) -> Any:
    trial = asked(o)
    errors = errors_of(
        lambda: trial.report("abc", 0),
        lambda: trial.report(None, 0),
        lambda: trial.report([1.0], 0),
        lambda: trial.report(1j, 0),
        lambda: trial.report(1.0, -1),
        lambda: trial.report(1.0, "abc"),
        lambda: trial.report(1.0, None),
        lambda: trial.report(1.0),
    )
    return errors, trial.study.trials


@same
def a_step_is_made_an_int(o: Any) -> Any:
    trial = asked(o)
    trial.report(1.0, 2.7)
    trial.report(1.0, "3")
    trial.report(1.0, True)
    return trial.study.trials


@same
def report_twice(o: Any) -> Any:
    trial = asked(o)
    trial.report(1.0, 0)
    trial.report(2.0, 0)
    trial.report(1.0, 0)
    return trial.study.trials


@same
def several_objectives_neither_report_nor_prune(o: Any) -> Any:
    trial = asked(o, directions=["minimize", "minimize"])
    return errors_of(
        lambda: trial.report(1.0, 0), lambda: trial.should_prune(), lambda: trial.report("x", -1)
    ), trial.study.trials


@same
def should_prune_without_reports(o: Any) -> Any:
    return [asked(o, pruner=pruner).should_prune() for pruner in (None, o.pruners.NopPruner())]


@same
def attributes(o: Any) -> Any:
    trial = asked(o)
    trial.set_user_attr("a", {"b": [1, None, "x"]})
    trial.user_attrs["a"]["b"].append(2)
    trial.user_attrs["new"] = 1
    trial.set_user_attr("a2", 0)
    trial.set_user_attr("a2", 1)
    return trial.user_attrs, trial.study.trials


@same
def params_are_copies(o: Any) -> Any:
    trial = asked(o)
    trial.suggest_float("x", 0, 1)
    trial.params["x"] = 7
    trial.params["y"] = 7
    trial.distributions["z"] = None
    return trial.params, trial.distributions


@same
def constraints(o: Any) -> Any:
    trial = asked(o)
    trial.set_constraint("b", 1)
    trial.set_constraint("a", -0.5)
    trial.set_constraint("b", 2)
    trial.set_constraint("c", np.float64(3))
    trial.set_constraint("d", "4")
    errors = errors_of(
        lambda: trial.set_constraint("e", "abc"), lambda: trial.set_constraint("e", None)
    )
    trial.study.tell(trial, 1.0)
    return trial.constraints, errors, trial.study.trials


@same
def constraint_of_nan(o: Any) -> Any:
    trial = asked(o)
    return errors_of(lambda: trial.set_constraint("a", float("nan"))), trial.constraints


@same
def the_study_of_a_trial(o: Any) -> Any:
    study = o.create_study()
    trial = study.ask()
    trial.study.set_user_attr("a", 1)
    return trial.study.study_name == study.study_name, study.user_attrs, trial.study.trials


@same
def enqueued_user_attrs_are_there_from_the_start(o: Any) -> Any:
    study = o.create_study()
    study.enqueue_trial({"x": 0.5}, user_attrs={"memo": "m"})
    trial = study.ask()
    before = trial.user_attrs
    trial.set_user_attr("memo", "n")
    return before, trial.user_attrs, trial.params, study.trials


# -- fixed trials --------------------------------------------------------------------------------


FIXED = {
    "f": 0.5, "log": 0.1, "i": 3, "ilog": 50, "c": None, "one": 3, "uno": 3, "only": "x", "more": 1,
}  # fmt: skip


@same
def fixed_trial(o: Any) -> Any:
    trial = o.trial.FixedTrial(dict(FIXED), number=7)
    empty = trial.params, trial.distributions
    values = suggest_all(trial)
    trial.report(1.0, 3)
    trial.report(1.0, 3)
    trial.set_user_attr("a", 1)
    trial.set_constraint("k", 1.0)
    return (
        empty,
        values,
        [type(value).__name__ for value in values],
        trial.params,
        trial.distributions,
        trial.number,
        trial.should_prune(),
        trial.user_attrs,
        trial.constraints,
        trial.datetime_start,
    )


@same
def fixed_trial_out_of_range(o: Any) -> Any:
    trial = o.trial.FixedTrial({"x": 5.0, "n": 2.5, "c": "z"})
    return (
        trial.suggest_float("x", 0, 1),
        trial.suggest_int("n", 0, 10),
        errors_of(
            lambda: trial.suggest_categorical("c", ["a"]),
            lambda: trial.suggest_float("missing", 0, 1),
            lambda: trial.suggest_int("x", 0, 10),
        ),
        trial.params,
    )


@same
def an_objective_of_a_fixed_trial(o: Any) -> Any:
    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", -1, 1)
        y = trial.suggest_int("y", -5, 5)
        for step in range(3):
            trial.report(x, step)
            if trial.should_prune():
                raise o.TrialPruned
        return x + y

    return objective(o.trial.FixedTrial({"x": 1.0, "y": -1}))


# -- frozen trials -------------------------------------------------------------------------------


def frozen(o: Any, **changes: Any) -> Any:
    """Return a frozen trial made by hand."""
    d = o.distributions
    arguments: dict[str, Any] = {
        "number": 2,
        "trial_id": 5,
        "state": o.trial.TrialState.COMPLETE,
        "value": 0.25,
        "datetime_start": datetime(2020, 1, 1),
        "datetime_complete": datetime(2020, 1, 2),
        "params": {"x": 0.5, "c": "a"},
        "distributions": {"x": d.FloatDistribution(0, 1), "c": d.CategoricalDistribution(["a"])},
        "user_attrs": {"u": 1},
        "system_attrs": {"s": 1, "constraints:k": 2.0},
        "intermediate_values": {3: 1.0, 1: 2.0},
    }
    return o.trial.FrozenTrial(**{**arguments, **changes})


@same
def frozen_trial(o: Any) -> Any:
    trial = frozen(o)
    return trial, trial.value, str(trial.duration), trial.last_step, trial.should_prune()


@same
def frozen_trials_suggest_what_they_hold(o: Any) -> Any:
    trial = frozen(o)
    x = trial.suggest_float("x", 0, 1)
    c = trial.suggest_categorical("c", ["a"])
    trial.report(1.0, 9)
    trial.set_user_attr("v", 2)
    trial.set_constraint("new", -1.0)
    with warnings.catch_warnings(action="ignore"):
        errors = errors_of(
            lambda: trial.suggest_float("missing", 0, 1), lambda: trial.suggest_int("x", 0, 1)
        )
    out = trial.suggest_float("x", 0.75, 1)
    return x, c, errors, out, trial


@same
def frozen_trials_compare(o: Any) -> Any:
    one, same_one, other = frozen(o), frozen(o), frozen(o, number=3)
    return (
        one == same_one,
        one != same_one,
        one == other,
        one < other,
        one <= same_one,
        other < one,
        one == 5,
        errors_of(lambda: one < 5, lambda: one <= "a", lambda: hash(one)),
        [t.number for t in sorted([other, one])],
    )


@same
def frozen_trials_show_themselves(o: Any) -> Any:
    return set(re.findall(r"(\w+)=", repr(frozen(o))))


@same
def frozen_trials_can_be_changed(o: Any) -> Any:
    trial = frozen(o)
    trial.value = 3.0
    one = trial.values
    trial.values = [1.0, 2.0]
    errors = errors_of(lambda: trial.value)
    trial.values = None
    none = trial.value
    trial.state = o.trial.TrialState.FAIL
    trial.params, trial.distributions = {}, {}
    trial.user_attrs, trial.system_attrs, trial.intermediate_values = {}, {}, {}
    trial.number, trial.datetime_start, trial.datetime_complete = 9, None, None
    return one, errors, none, trial


@same
def frozen_trials_of_nonsense(o: Any) -> Any:
    return errors_of(
        lambda: frozen(o, values=[1.0]),
        lambda: frozen(o, value=None, values=[1.0, 2.0]).value,
        lambda: o.trial.FrozenTrial(),
    )


@same
def a_frozen_trial_goes_back_into_an_objective(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))

    def objective(trial: Any) -> float:
        return sum(hash(str(v)) % 10 for v in suggest_all(trial))

    study.optimize(objective, n_trials=3)
    return objective(study.best_trial) == study.best_value


@same
def trial_states(o: Any) -> Any:
    state = o.trial.TrialState
    return (
        [(s.name, s.value, s.is_finished()) for s in state],
        [str(s) for s in state],
        state(1) is state.COMPLETE,
        [(s.name, s.value) for s in o.study.StudyDirection],
    )


@same
def old_names_warn(o: Any) -> Any:
    trial = asked(o)
    found = []
    for call in (
        lambda: trial.suggest_uniform("a", 0, 1),
        lambda: trial.suggest_loguniform("b", 1, 2),
        lambda: trial.suggest_discrete_uniform("c", 0, 1, 0.5),
        lambda: o.trial.FixedTrial({"a": 1.0}).suggest_uniform("a", 0, 1),
        lambda: frozen(o).suggest_uniform("x", 0, 1),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
        found.append([w.category.__name__ for w in caught])
    return found


@pytest.mark.parametrize("script", same, ids=lambda script: script.__name__)
def test_same_as_optuna(script: Any) -> None:
    check_same(script)
