"""What a study shows of its trials is what Optuna's shows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.facade.two_libraries import Scripts, check_same, errors_of

same = Scripts()


def best_of(study: Any) -> list[Any]:
    """Return what there is of a best trial."""
    errors = errors_of(
        lambda: study.best_trial, lambda: study.best_value, lambda: study.best_params
    )
    return [*errors, study.best_trials]


@same
def the_best_of_nothing(o: Any) -> Any:
    study = o.create_study()
    pruned = o.create_study()
    pruned.tell(pruned.ask(), state=o.trial.TrialState.PRUNED)
    return [best_of(study), best_of(pruned)]


@same
def the_best_of_several_objectives(o: Any) -> Any:
    study = o.create_study(directions=["minimize", "maximize"])
    for values in (
        (1, 1),
        (2, 2),
        (2, 1),
        (0.5, 0.5),
        (1, 1),
        (float("inf"), 3),
        (1, float("-inf")),
    ):
        study.tell(study.ask(), values)
    study.tell(study.ask(), state=o.trial.TrialState.FAIL)
    errors = errors_of(
        lambda: study.best_trial,
        lambda: study.best_value,
        lambda: study.best_params,
        lambda: study.direction,
    )
    return errors, study.best_trials, [t.values for t in study.trials]


@same
def ties(o: Any) -> Any:
    study = o.create_study()
    for value in (1.0, 0.0, 0.0, 2.0, 0.0):
        study.tell(study.ask(), value)
    return study.best_trial.number, [t.number for t in study.best_trials]


@same
def the_best_among_infinities(o: Any) -> Any:
    found = []
    for direction in ("minimize", "maximize"):
        study = o.create_study(direction=direction)
        for value in (float("inf"), float("-inf")):
            study.tell(study.ask(), value)
            found.append((study.best_trial.number, study.best_value))
    return found


@same
def the_best_is_feasible(o: Any) -> Any:
    study = o.create_study()
    errors = []
    for value, bound in ((1.0, 2.0), (5.0, 0.0), (3.0, -1.0), (2.0, 1e-9), (4.0, None)):
        trial = study.ask()
        if bound is not None:
            trial.set_constraint("c", bound)
        study.tell(trial, value)
        errors.append(errors_of(lambda: study.best_value))
    return errors, study.best_trial, [t.number for t in study.best_trials]


@same
def the_best_front_is_feasible(o: Any) -> Any:
    study = o.create_study(directions=["minimize", "minimize"])
    for values, bound in (((0, 0), 1.0), ((1, 2), 0.0), ((2, 1), None), ((3, 3), -1.0)):
        trial = study.ask()
        if bound is not None:
            trial.set_constraint("c", bound)
        study.tell(trial, values)
    return [t.number for t in study.best_trials]


@same
def nothing_is_feasible(o: Any) -> Any:
    study = o.create_study()
    trial = study.ask()
    trial.set_constraint("c", 1.0)
    study.tell(trial, 1.0)
    return errors_of(lambda: study.best_trial), study.best_trials


@same
def trials_by_state(o: Any) -> Any:
    study = o.create_study()
    state = o.trial.TrialState
    for end in (state.PRUNED, state.FAIL):
        study.tell(study.ask(), state=end)
    study.tell(study.ask(), 1.0)
    study.ask()
    study.enqueue_trial({})
    return [
        [t.number for t in study.get_trials(states=states)]
        for states in (
            None,
            (),
            (state.COMPLETE,),
            [state.PRUNED, state.FAIL],
            {state.RUNNING, state.WAITING},
            (state.WAITING, state.COMPLETE),
        )
    ]


@same
def trials_are_copies(o: Any) -> Any:
    study = o.create_study()
    trial = study.ask({"x": o.distributions.FloatDistribution(0.5, 0.5)})
    trial.set_user_attr("a", {"b": [1]})
    trial.report(1.0, 1)
    study.tell(trial, 1.0)
    for copied in (study.trials[0], study.get_trials()[0], study.best_trial, study.best_trials[0]):
        copied.user_attrs["a"]["b"].append(2)
        copied.params["x"] = 3
        copied.values = [7.0]
        copied.intermediate_values[2] = 2.0
        del copied.distributions["x"]
    study.best_params["x"] = 4
    return study.trials


@same
def trials_may_be_shared(o: Any) -> Any:
    study = o.create_study()
    study.tell(study.ask(), 1.0)
    one, other = study.get_trials(deepcopy=False), study.get_trials(deepcopy=False)
    return one[0] is other[0], one == study.get_trials(), one is other


@same
def user_attrs(o: Any) -> Any:
    study = o.create_study()
    value = {"a": [1]}
    study.set_user_attr("k", value)
    study.user_attrs["k"]["a"].append(3)
    study.user_attrs["new"] = 1
    study.set_user_attr("k2", (1, None, "x"))
    before = study.user_attrs
    study.set_user_attr("k", 0)
    return before, study.user_attrs


@same
def metric_names(o: Any) -> Any:
    study = o.create_study(directions=["minimize", "maximize"])
    before = study.metric_names
    study.set_metric_names(["loss", "accuracy"])
    study.tell(study.ask(), (1.0, 2.0))
    errors = errors_of(
        lambda: study.set_metric_names(["one"]),
        lambda: study.set_metric_names([]),
        lambda: study.set_metric_names(["a", "b", "c"]),
    )
    return before, study.metric_names, errors


@same
def a_study_shows_what_is_going_on(o: Any) -> Any:
    study = o.create_study()
    running = study.ask()
    running.suggest_float("x", 1, 1)
    running.report(0.5, 0)
    running.set_user_attr("a", 1)
    return study.trials, study.get_trials(deepcopy=False)


@pytest.mark.parametrize("script", same, ids=lambda script: script.__name__)
def test_same_as_optuna(script: Any) -> None:
    check_same(script)
