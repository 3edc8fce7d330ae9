# ruff: noqa: UP032 (the FAQ's own lines are kept as they are)
"""The FAQ's callbacks: collecting garbage after each trial, logging new best values only."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

import ahpo as optuna
from ahpo import aio


class Cycle:
    """Garbage that reference counting alone never frees."""

    alive = 0

    def __init__(self) -> None:
        self.myself = self
        type(self).alive += 1
        weakref.finalize(self, self.count_out)

    @classmethod
    def count_out(cls) -> None:
        cls.alive -= 1


@pytest.fixture
def only_explicit_collections() -> Iterator[None]:
    """Switch the automatic collector off, so that only `gc.collect()` frees a cycle."""
    gc.collect()
    gc.disable()
    Cycle.alive = 0
    yield
    gc.enable()


def leaky(trial):
    Cycle()
    x = trial.suggest_float("x", -1.0, 1.0)
    y = trial.suggest_int("y", -5, 5)
    return x + y


async def leaky_async(trial):
    Cycle()
    x = trial.suggest_float("x", -1.0, 1.0)
    y = trial.suggest_int("y", -5, 5)
    await asyncio.sleep(0)
    return x + y


def test_gc_after_trial(only_explicit_collections) -> None:
    """`gc_after_trial=True` frees what each objective left in cycles; the default does not."""
    study = optuna.create_study()

    study.optimize(leaky, n_trials=10)
    assert Cycle.alive == 10

    study.optimize(leaky, n_trials=10, gc_after_trial=True)
    assert Cycle.alive == 0

    # `gc_after_trial=True` is more or less identical to the following.
    study.optimize(leaky, n_trials=10, callbacks=[lambda study, trial: gc.collect()])
    assert Cycle.alive == 0
    assert len(study.trials) == 30


def test_gc_after_failed_trial(only_explicit_collections) -> None:
    """Garbage is collected after errors and pruned trials too."""

    def objective(trial):
        leaky(trial)
        raise optuna.TrialPruned() if trial.number % 2 else ValueError("failed")

    study = optuna.create_study()
    study.optimize(objective, n_trials=10, gc_after_trial=True, catch=(ValueError,))

    assert Cycle.alive == 0
    assert len(study.trials) == 10


@pytest.mark.asyncio
async def test_gc_after_trial_async(only_explicit_collections) -> None:
    """The same, with coroutines."""
    async with aio.create_study() as study:
        await study.optimize(leaky_async, n_trials=10)
        assert Cycle.alive == 10

        await study.optimize(leaky_async, n_trials=10, gc_after_trial=True)
        assert Cycle.alive == 0

        await study.optimize(
            leaky_async, n_trials=10, callbacks=[lambda study, trial: gc.collect()]
        )
        assert Cycle.alive == 0
    assert len(study.trials) == 30


def assert_each_new_best_was_printed(study, lines: list[str]) -> None:
    best, expected = float("inf"), []
    for t in study.trials:
        if t.value < best:
            best = t.value
            expected.append(
                f"Trial {t.number} finished with best value: {t.value} and parameters: {t.params}. "
            )
    assert lines == expected
    assert study.user_attrs["previous_best_value"] == study.best_value


def test_logging_callback(capsys, log_lines) -> None:
    """A callback sees the study with the new trial in it, and may keep notes on the study."""
    # Turn off optuna log notes.
    optuna.logging.set_verbosity(optuna.logging.WARN)

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        return x**2

    def logging_callback(study, frozen_trial):
        previous_best_value = study.user_attrs.get("previous_best_value", None)
        if previous_best_value != study.best_value:
            study.set_user_attr("previous_best_value", study.best_value)
            print(
                "Trial {} finished with best value: {} and parameters: {}. ".format(
                    frozen_trial.number,
                    frozen_trial.value,
                    frozen_trial.params,
                )
            )

    study = optuna.create_study()
    study.optimize(objective, n_trials=100, callbacks=[logging_callback])

    assert_each_new_best_was_printed(study, capsys.readouterr().out.splitlines())
    assert log_lines("INFO") == []


@pytest.mark.asyncio
async def test_logging_callback_async(capsys) -> None:
    """A coroutine callback gets the async study, and is finished before the next trial starts."""
    optuna.logging.set_verbosity(optuna.logging.WARN)

    async def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        await asyncio.sleep(0)
        return x**2

    async def logging_callback(study, frozen_trial):
        previous_best_value = study.user_attrs.get("previous_best_value", None)
        if previous_best_value != study.best_value:
            study.set_user_attr("previous_best_value", study.best_value)
            print(
                "Trial {} finished with best value: {} and parameters: {}. ".format(
                    frozen_trial.number,
                    frozen_trial.value,
                    frozen_trial.params,
                )
            )

    async with aio.create_study() as study:
        await study.optimize(objective, n_trials=100, callbacks=[logging_callback])

    assert_each_new_best_was_printed(study, capsys.readouterr().out.splitlines())
