"""`trials_dataframe` gives the frames that Optuna's gives."""

from __future__ import annotations

from typing import Any

import pytest

from tests.facade.two_libraries import Scripts, check_same, errors_of, golden_sampler

pytest.importorskip("pandas")

same = Scripts()


def filled(o: Any, **arguments: Any) -> Any:
    """Return a study with a trial of every kind."""
    study = o.create_study(sampler=golden_sampler(o), **arguments)
    state = o.trial.TrialState
    n = len(study.directions)

    def objective(trial: Any) -> Any:
        trial.set_user_attr("u", {"a": [1]})
        x = trial.suggest_float("x", 0, 1)
        if trial.number % 2:
            trial.suggest_categorical("c", ["a", None])
        if n == 1:
            trial.report(x, 3)
        trial.set_constraint("k", x - 0.5)
        return [x] * n

    study.optimize(objective, n_trials=3)
    study.tell(study.ask(), state=state.PRUNED)
    study.tell(study.ask(), [float("inf")] * n)
    study.enqueue_trial({"x": 1}, user_attrs={"v": None})
    study.ask()
    study.enqueue_trial({})
    return study


@same
def default(o: Any) -> Any:
    return filled(o).trials_dataframe()


@same
def several_objectives(o: Any) -> Any:
    return filled(o, directions=["minimize", "maximize"]).trials_dataframe()


@same
def two_levels(o: Any) -> Any:
    return filled(o).trials_dataframe(multi_index=True)


@same
def two_levels_of_several_objectives(o: Any) -> Any:
    return filled(o, directions=["minimize", "maximize"]).trials_dataframe(multi_index=True)


@same
def chosen_columns(o: Any) -> Any:
    study = filled(o)
    return [
        study.trials_dataframe(attrs=attrs, multi_index=levels)
        for levels in (False, True)
        for attrs in (
            ("number",),
            ("state", "value"),
            ("values",),
            ("params", "number"),
            ("intermediate_values",),
            ("constraints",),
            ("distributions",),
            ("last_step", "user_attrs"),
        )
    ]


@same
def with_metric_names(o: Any) -> Any:
    one = filled(o)
    one.set_metric_names(["loss"])
    two = filled(o, directions=["minimize", "maximize"])
    two.set_metric_names(["a", "b"])
    return one.trials_dataframe(), two.trials_dataframe(), two.trials_dataframe(multi_index=True)


@same
def nothing(o: Any) -> Any:
    study = o.create_study()
    waiting = o.create_study()
    waiting.enqueue_trial({"x": 1})
    return study.trials_dataframe(), waiting.trials_dataframe()


@same
def unknown_columns(o: Any) -> Any:
    return errors_of(lambda: filled(o).trials_dataframe(attrs=("nothing",)))


@same
def types(o: Any) -> Any:
    frame = filled(o).trials_dataframe()
    return {name: str(kind) for name, kind in frame.dtypes.items()}


@pytest.mark.parametrize("script", same, ids=lambda script: script.__name__)
def test_same_as_optuna(script: Any) -> None:
    check_same(script)
