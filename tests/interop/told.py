"""What a study tells, as plain values that are equal or not, whichever library reads it."""

from __future__ import annotations

import json
from typing import Any

import optuna

import ahpo

__all__ = ("of_study", "of_trial", "read_by_optuna", "read_by_us")


def of_trial(trial: Any) -> dict[str, Any]:
    """Return all fields of a trial; floats as text, in which NaN equals itself."""
    return {
        "number": trial.number,
        "id": trial._trial_id,
        "state": trial.state.name,
        "values": repr(trial.values),
        "params": repr(trial.params),  # with their order and types
        "distributions": repr(trial.distributions),
        "user_attrs": json.dumps(trial.user_attrs, sort_keys=True),
        "system_attrs": json.dumps(trial.system_attrs, sort_keys=True),
        "constraints": repr(sorted(trial.constraints.items())),
        "intermediate_values": repr(sorted(trial.intermediate_values.items())),
        "last_step": trial.last_step,
        "datetime_start": trial.datetime_start,
        "datetime_complete": trial.datetime_complete,
        "duration": trial.duration,
    }


def of_study(study: Any) -> dict[str, Any]:
    """Return all that a study tells of itself."""
    return {
        "name": study.study_name,
        "directions": [direction.name for direction in study.directions],
        "user_attrs": json.dumps(study.user_attrs, sort_keys=True),
        "metric_names": study.metric_names,
        "trials": [of_trial(trial) for trial in study.trials],
        "best": [trial.number for trial in study.best_trials],
    }


def _summary(summary: Any) -> dict[str, Any]:
    return {
        "name": summary.study_name,
        "directions": [direction.name for direction in summary.directions],
        "user_attrs": json.dumps(summary.user_attrs, sort_keys=True),
        "n_trials": summary.n_trials,
        "datetime_start": summary.datetime_start,
        "id": summary._study_id,
    }


def _read(api: Any, storage: Any) -> list[Any]:
    names = api.get_all_study_names(storage)
    studies = [of_study(api.load_study(study_name=name, storage=storage)) for name in names]
    return [names, studies, list(map(_summary, api.get_all_study_summaries(storage)))]


def read_by_optuna(storage: Any) -> list[Any]:
    """Return all that Optuna tells of a place."""
    return _read(optuna, storage)


def read_by_us(storage: Any) -> list[Any]:
    """Return all that ahpo tells of a place."""
    return _read(ahpo, storage)
