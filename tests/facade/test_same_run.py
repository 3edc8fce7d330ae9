"""`optimize` runs, ends and fails trials as Optuna's does."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from tests.facade.test_same_trial import suggest_all
from tests.facade.two_libraries import Scripts, check_same, errors_of, golden_sampler

same = Scripts()


def ended(study: Any) -> list[Any]:
    """Return how each trial of a study ended."""
    return [(t.number, t.state, t.values, t.params, t.intermediate_values) for t in study.trials]


def square(trial: Any) -> float:
    """Return a value to minimize."""
    return float((trial.suggest_float("x", -10, 10) - 2) ** 2)


@same
def optimize(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))
    given = study.optimize(square, n_trials=5)
    study.optimize(square, n_trials=2)
    return given, study.trials, study.best_trial, study.best_params, study.best_value


@same
def no_trials(o: Any) -> Any:
    study = o.create_study()
    study.optimize(square, n_trials=0)
    study.optimize(square, timeout=0)
    study.optimize(square, n_trials=-1)
    study.optimize(square, timeout=-5)
    return study.trials


@same
def several_objectives(o: Any) -> Any:
    study = o.create_study(directions=["minimize", "maximize"], sampler=golden_sampler(o))
    study.optimize(lambda trial: (square(trial), trial.suggest_int("n", 0, 9)), n_trials=4)
    study.optimize(lambda trial: [square(trial), 1], n_trials=1)
    return study.trials, study.best_trials


@same
def objectives_of_every_kind(o: Any) -> Any:
    class Objective:
        def __init__(self, x: float) -> None:
            self.x = x

        def __call__(self, trial: Any) -> float:
            return self.x

        def method(self, trial: Any) -> float:
            return self.x + 1

        @staticmethod
        def static(trial: Any) -> float:
            return 3.0

    def with_more(trial: Any, more: float) -> float:
        return more

    study = o.create_study()
    study.optimize(Objective(1.0), n_trials=1)
    study.optimize(Objective(1.0).method, n_trials=1)
    study.optimize(Objective.static, n_trials=1)
    study.optimize(functools.partial(with_more, more=4.0), n_trials=1)
    study.optimize(lambda trial: np.float64(5), n_trials=1)
    study.optimize(func=lambda trial: 6, n_trials=1)
    return ended(study)


RETURNED = {
    "None": None,
    "nan": float("nan"),
    "numpy nan": np.float32("nan"),
    "list": [1.0],
    "list of two": [1.0, 2.0],
    "tuple": (1.0, 2.0),
    "empty": (),
    "dict": {"a": 1},
    "inf": float("inf"),
    "True": True,
    "numpy array of one": np.array([1.0]),
    "complex": 1j,
    "list of None": [None],
    "list of nan": [float("nan")],
    "tuple with nan": (1.0, float("nan")),
    "tuple with text": (1.0, "x"),
}


@pytest.mark.parametrize("n_objectives", [1, 2])
@pytest.mark.parametrize("returned", RETURNED)
def test_what_an_objective_may_return(returned: str, n_objectives: int) -> None:
    """The end, the warnings and the lines are the same for what is no value, too."""

    def script(o: Any) -> Any:
        study = o.create_study(directions=["minimize"] * n_objectives)
        study.optimize(lambda trial: RETURNED[returned], n_trials=1)
        return study.trials

    check_same(script)


# -- exceptions ----------------------------------------------------------------------------------


class Odd(Exception):
    """An error of the objective."""


def failing(o: Any, study: Any, **arguments: Any) -> Any:
    """Run an objective that fails in trials 1 and 3, and return what came of it."""

    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        if trial.number % 2:
            raise Odd(f"number {trial.number}")
        return float(x)

    try:
        study.optimize(objective, n_trials=4, **arguments)
        error = None
    except Exception as raised:
        error = repr(raised)
    return error, study.trials


@same
def an_exception_ends_the_study(o: Any) -> Any:
    return failing(o, o.create_study(sampler=golden_sampler(o)))


@same
def catch(o: Any) -> Any:
    return [
        failing(o, o.create_study(sampler=golden_sampler(o)), catch=kinds)
        for kinds in (Odd, (Odd,), [Odd], {Odd}, (ValueError, Odd), Exception, iter([Odd]))
    ]


@same
def catch_of_something_else(o: Any) -> Any:
    return failing(o, o.create_study(sampler=golden_sampler(o)), catch=(ValueError,))


@same
def a_study_goes_on_after_an_exception(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))
    failing(o, study)
    study.optimize(square, n_trials=1)
    return ended(study)


@same
def prune(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))

    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        if trial.number == 1:
            raise o.TrialPruned
        trial.report(x, 0)
        trial.report(x / 2, 3)
        if trial.number == 2:
            raise o.TrialPruned()
        if trial.number == 3:
            raise o.exceptions.TrialPruned("no good")
        if trial.number == 4:
            trial.report(float("nan"), 4)
            raise o.TrialPruned("not a number")
        return x

    study.optimize(objective, n_trials=6)
    return study.trials, study.best_trial


@same
def prune_with_several_objectives(o: Any) -> Any:
    study = o.create_study(directions=["minimize", "minimize"])

    def objective(trial: Any) -> Any:
        raise o.TrialPruned

    study.optimize(objective, n_trials=2)
    return study.trials


@same
def the_median_pruner_prunes(o: Any) -> Any:
    study = o.create_study(
        sampler=golden_sampler(o), pruner=o.pruners.MedianPruner(n_startup_trials=2)
    )

    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        for step in range(4):
            trial.report(x + step, step)
            if trial.should_prune():
                raise o.TrialPruned()
        return x

    study.optimize(objective, n_trials=12)
    return ended(study)


# -- callbacks and stopping ----------------------------------------------------------------------


@same
def callbacks(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))
    seen: list[Any] = []

    def first(study: Any, trial: Any) -> None:
        seen.append(("first", trial, [t.state for t in study.trials], study.best_value))

    class Second:
        def __call__(self, study: Any, trial: Any) -> None:
            seen.append(("second", trial.number, isinstance(study, o.Study)))

    study.optimize(square, n_trials=3, callbacks=[first, Second()])
    study.optimize(square, n_trials=1, callbacks=(lambda *both: seen.append(len(both)),))
    return seen


@same
def callbacks_of_failed_and_pruned_trials(o: Any) -> Any:
    study = o.create_study()
    seen: list[Any] = []

    def objective(trial: Any) -> float:
        if trial.number == 0:
            raise Odd
        if trial.number == 1:
            raise o.TrialPruned
        return float("nan")

    study.optimize(
        objective, n_trials=3, catch=Odd, callbacks=[lambda s, t: seen.append((t.number, t.state))]
    )
    return seen


@same
def no_callback_for_the_exception_that_ends_the_study(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))
    seen: list[Any] = []
    given = failing(o, study, callbacks=[lambda s, t: seen.append(t.number)])
    return seen, given


@same
def a_callback_raises(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))

    def callback(study: Any, trial: Any) -> None:
        raise Odd("callback")

    try:
        study.optimize(square, n_trials=3, callbacks=[callback], catch=(Odd,))
    except Odd as error:
        return str(error), ended(study)
    return ended(study)


@same
def stop_from_the_objective(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))

    def objective(trial: Any) -> float:
        if trial.number == 2:
            trial.study.stop()
        return square(trial)

    study.optimize(objective, n_trials=10)
    study.optimize(square, n_trials=1)
    return ended(study)


@same
def stop_from_a_callback(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))
    study.optimize(
        square, n_trials=10, callbacks=[lambda s, t: s.stop() if t.number == 3 else None]
    )
    return ended(study)


@same
def stop_outside(o: Any) -> Any:
    study = o.create_study()
    return errors_of(study.stop)


@same
def nested(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))
    errors: list[str] = []

    def objective(trial: Any) -> float:
        errors.extend(errors_of(lambda: trial.study.optimize(square, n_trials=1)))
        return square(trial)

    study.optimize(objective, n_trials=2)
    return errors, ended(study)


@same
def max_trials_callback(o: Any) -> Any:
    state = o.trial.TrialState
    found = []
    for n, states in (
        (3, None),
        (2, (state.COMPLETE,)),
        (2, (state.PRUNED, state.FAIL)),
        (0, None),
    ):
        study = o.create_study(sampler=golden_sampler(o))

        def objective(trial: Any) -> float:
            if trial.number % 2:
                raise o.TrialPruned
            return square(trial)

        callback = o.study.MaxTrialsCallback(n, states=states)
        study.optimize(objective, n_trials=10, callbacks=[callback])
        # Trials of before count, too.
        study.optimize(objective, n_trials=10, callbacks=[callback])
        found.append(len(study.trials))
    default = o.create_study(sampler=golden_sampler(o))
    default.optimize(objective, n_trials=20, callbacks=[o.study.MaxTrialsCallback(3)])
    return found, len(default.trials)


@same
def the_objective_sees_the_study(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))
    seen: list[Any] = []

    def objective(trial: Any) -> float:
        seen.append(trial.study.trials)
        trial.study.set_user_attr("seen", trial.number)
        trial.study.enqueue_trial({"x": 1.0}, skip_if_exists=True)
        return square(trial)

    study.optimize(objective, n_trials=3)
    return seen, study.trials, study.user_attrs


@same
def the_objective_tells_its_own_trial(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))

    def objective(trial: Any) -> float:
        other = trial.study.ask()
        other.suggest_float("x", -10, 10)
        trial.study.tell(other, 7.0)
        return square(trial)

    study.optimize(objective, n_trials=2)
    return ended(study)


@same
def a_space_that_changes(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))

    def objective(trial: Any) -> float:
        if trial.suggest_categorical("kind", ["a", "b"]) == "a":
            return float(trial.suggest_float("x", 0, trial.number + 1))
        return float(trial.suggest_int("n", 1, 5))

    study.optimize(objective, n_trials=5)
    return study.trials


@same
def every_kind_of_parameter(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))
    study.optimize(lambda trial: float(len(suggest_all(trial))), n_trials=3)
    return study.trials


@same
def gc_after_trial_and_no_bar(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))
    study.optimize(square, n_trials=2, gc_after_trial=True, show_progress_bar=False)
    study.optimize(square, 1, None, 1, (), None, False, False)
    return ended(study)


@pytest.mark.parametrize("script", same, ids=lambda script: script.__name__)
def test_same_as_optuna(script: Any) -> None:
    check_same(script)
