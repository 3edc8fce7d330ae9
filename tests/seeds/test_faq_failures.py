"""The FAQ on trials that go wrong: exceptions, `catch`, the data frame, NaN."""

from __future__ import annotations

import asyncio
import math

import pytest

import ahpo as optuna
from ahpo import aio
from ahpo.trial import TrialState

ERROR = "ValueError('A sample error in objective.')"


def fails_at_first(trial):
    x = trial.suggest_float("x", -10, 10)
    if trial.number == 0:
        raise ValueError("A sample error in objective.")
    return x**2


async def fails_at_first_async(trial):
    x = trial.suggest_float("x", -10, 10)
    await asyncio.sleep(0)
    if trial.number == 0:
        raise ValueError("A sample error in objective.")
    return x**2


def not_a_number_at_second(trial):
    x = trial.suggest_float("x", -10, 10)
    return float("nan") if trial.number == 2 else x**2


async def not_a_number_at_second_async(trial):
    x = trial.suggest_float("x", -10, 10)
    await asyncio.sleep(0)
    return float("nan") if trial.number == 2 else x**2


def test_exception_aborts(log_lines) -> None:
    """An exception fails its trial and reaches the caller of `optimize` as itself."""
    study = optuna.create_study()

    with pytest.raises(ValueError, match="A sample error in objective.") as raised:
        study.optimize(fails_at_first, n_trials=5)

    assert type(raised.value) is ValueError
    assert [t.state for t in study.trials] == [TrialState.FAIL]
    assert_error_is_logged(study, log_lines("WARNING"))


@pytest.mark.asyncio
async def test_exception_aborts_async(log_lines) -> None:
    """So it does from a coroutine, never inside an exception group."""
    async with aio.create_study() as study:
        with pytest.raises(ValueError, match="A sample error in objective.") as raised:
            await study.optimize(fails_at_first_async, n_trials=5)

    assert type(raised.value) is ValueError
    assert [t.state for t in study.trials] == [TrialState.FAIL]
    assert_error_is_logged(study, log_lines("WARNING"))


@pytest.mark.parametrize("catch", [ValueError, (ValueError,), (KeyError, Exception), [ValueError]])
def test_caught_exception(log_lines, catch) -> None:
    """An exception named by `catch` fails its trial, and the study goes on."""
    study = optuna.create_study()
    study.optimize(fails_at_first, n_trials=5, catch=catch)

    assert_first_failed(study)
    assert_error_is_logged(study, log_lines("WARNING"))


@pytest.mark.asyncio
@pytest.mark.parametrize("catch", [ValueError, (ValueError,)])
async def test_caught_exception_async(log_lines, catch) -> None:
    """An exception of a coroutine is caught likewise, whatever else runs at the time."""
    async with aio.create_study() as study:
        await study.optimize(fails_at_first_async, n_trials=5, n_jobs=2, catch=catch)

    assert_first_failed(study)
    assert_error_is_logged(study, log_lines("WARNING"))


def test_exception_of_another_type_is_not_caught() -> None:
    """`catch` leaves other types alone."""
    study = optuna.create_study()

    with pytest.raises(ValueError, match="A sample error in objective."):
        study.optimize(fails_at_first, n_trials=5, catch=(KeyError, ZeroDivisionError))

    assert [t.state for t in study.trials] == [TrialState.FAIL]


def assert_first_failed(study) -> None:
    assert [t.state for t in study.trials] == [TrialState.FAIL] + [TrialState.COMPLETE] * 4
    assert study.trials[0].value is None
    assert study.trials[0].datetime_complete is not None
    assert study.best_trial.number != 0


def assert_error_is_logged(study, warnings: list[str]) -> None:
    params = study.trials[0].params
    assert warnings[0].startswith(
        f"Trial 0 failed with parameters: {params} because of the following error: {ERROR}."
    )
    assert warnings[1:] == ["Trial 0 failed with value None."]


def test_trials_dataframe() -> None:
    """A failed trial is a row with its state and its error, and without a value."""
    study = optuna.create_study()
    study.optimize(fails_at_first, n_trials=3, catch=(ValueError,))

    assert_dataframe_shows_failure(study)


@pytest.mark.asyncio
async def test_trials_dataframe_async() -> None:
    """An async study gives the same frame."""
    async with aio.create_study() as study:
        await study.optimize(fails_at_first_async, n_trials=3, catch=(ValueError,))

    assert_dataframe_shows_failure(study)


def assert_dataframe_shows_failure(study) -> None:
    frame = study.trials_dataframe()
    assert list(frame.columns) == [
        *("number", "value", "datetime_start", "datetime_complete", "duration"),
        *("params_x", "system_attrs_fail_reason", "state"),
    ]
    assert list(frame["number"]) == [0, 1, 2]
    assert list(frame["state"]) == ["FAIL", "COMPLETE", "COMPLETE"]
    assert list(frame["system_attrs_fail_reason"].dropna().items()) == [(0, ERROR)]
    assert math.isnan(frame["value"][0])
    assert list(frame["value"][1:]) == [t.value for t in study.trials[1:]]
    assert list(frame["params_x"]) == [t.params["x"] for t in study.trials]
    assert (frame["duration"] == frame["datetime_complete"] - frame["datetime_start"]).all()

    frame = study.trials_dataframe(attrs=("number", "state", "params"), multi_index=True)
    assert list(frame.columns) == [("number", ""), ("state", ""), ("params", "x")]


def test_nan(log_lines) -> None:
    """NaN fails its trial, and the study goes on without being told to."""
    study = optuna.create_study()
    study.optimize(not_a_number_at_second, n_trials=4)

    assert_third_was_not_a_number(study, log_lines("WARNING"))


@pytest.mark.asyncio
async def test_nan_async(log_lines) -> None:
    """NaN from a coroutine fails its trial likewise."""
    async with aio.create_study() as study:
        await study.optimize(not_a_number_at_second_async, n_trials=4)

    assert_third_was_not_a_number(study, log_lines("WARNING"))


def assert_third_was_not_a_number(study, warnings: list[str]) -> None:
    done, fail = TrialState.COMPLETE, TrialState.FAIL
    assert [t.state for t in study.trials] == [done, done, fail, done]
    assert study.trials[2].value is None
    assert warnings == [
        f"Trial 2 failed with parameters: {study.trials[2].params} because of the following "
        "error: The value nan is not acceptable.",
        "Trial 2 failed with value nan.",
    ]
