"""Bad input is refused by the documented error, in one sentence that helps, and changes nothing."""

from __future__ import annotations

import asyncio
import inspect
import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import optuna
import pytest

import ahpo
from ahpo import aio
from tests.facade.two_libraries import plain

Call = Callable[[Any, Any, Any], Any]


class Row(NamedTuple):
    """A call with bad input, the error it gives, and words that its message must have."""

    call: Call
    error: type[Exception]
    words: tuple[str, ...]
    optuna: type[BaseException] | None  # its error where that is another one; None: it takes it


SAME = object()
ROWS: list[Any] = []


def row(
    call: Call, error: type[Exception], *words: str, optuna: Any = SAME, id: str | None = None
) -> None:
    """Add a row; ``o`` is the library, ``s`` a study and ``t`` a running trial of it."""
    theirs = error if optuna is SAME else optuna
    source = id or re.sub(r"^.*?lambda o, s, t: ", "", inspect.getsource(call).strip(), flags=re.S)
    ROWS.append(pytest.param(Row(call, error, words, theirs), id=source.split(", ValueE")[0].split(", TypeE")[0]))


def one(trial: Any) -> float:
    """Return a value."""
    return 1.0


# -- studies -------------------------------------------------------------------------------------
row(lambda o, s, t: o.create_study(direction="up"), ValueError, "direction", "'up'", "minimize")
row(lambda o, s, t: o.create_study(direction=1), ValueError, "direction", "1", "minimize", optuna=AttributeError)
row(lambda o, s, t: o.create_study(directions=[]), ValueError, "directions", "empty")
row(lambda o, s, t: o.create_study(directions="minimize"), ValueError, "directions", "'minimize'")
row(lambda o, s, t: o.create_study(directions=["minimize", None]), ValueError, "directions", "None")
row(lambda o, s, t: o.create_study(direction="minimize", directions=["minimize"]), ValueError, "direction", "directions")
row(lambda o, s, t: o.create_study(storage=5), TypeError, "storage", "5", optuna=AttributeError)
row(lambda o, s, t: o.create_study(storage="nosuch://x"), ValueError, "storage", "nosuch://x", optuna=Exception)
row(lambda o, s, t: o.create_study(sampler="tpe"), TypeError, "sampler", "'tpe'", optuna=None)
row(lambda o, s, t: o.create_study(sampler=o.samplers.RandomSampler), TypeError, "sampler", "RandomSampler", optuna=None)
row(lambda o, s, t: o.create_study(pruner="median"), TypeError, "pruner", "'median'", optuna=None)
row(lambda o, s, t: o.create_study(study_name=5), TypeError, "study_name", "5", optuna=None)
row(lambda o, s, t: o.create_study(storage=s._storage, study_name="s"), ahpo.exceptions.DuplicatedStudyError, "'s'", "load_if_exists")
row(lambda o, s, t: o.load_study(study_name="other", storage=s._storage), KeyError, "'other'")
row(lambda o, s, t: o.delete_study(study_name="other", storage=s._storage), KeyError, "'other'")
row(lambda o, s, t: o.copy_study(from_study_name="other", from_storage=s._storage, to_storage=s._storage), KeyError, "'other'")
row(lambda o, s, t: o.copy_study(from_study_name="s", from_storage=s._storage, to_storage=s._storage), ahpo.exceptions.DuplicatedStudyError, "'s'")
row(lambda o, s, t: o.load_study(study_name=None, storage=o.storages.InMemoryStorage()), ValueError, "study_name", "exactly one")
row(lambda o, s, t: s.set_user_attr(5, 1), TypeError, "key", "5", optuna=None)
row(lambda o, s, t: s.set_metric_names(["a", "b"]), ValueError, "metric_names", "['a', 'b']", "1")
row(lambda o, s, t: s.set_metric_names([]), ValueError, "metric_names", "1")
row(lambda o, s, t: s.set_metric_names("a"), ValueError, "metric_names", "'a'", optuna=None)
row(lambda o, s, t: s.set_metric_names([5]), TypeError, "metric_names", "5", optuna=None)
row(lambda o, s, t: s.set_metric_names(None), TypeError, "metric_names", "None")
row(lambda o, s, t: s.stop(), RuntimeError, "stop")
row(lambda o, s, t: o.create_study(directions=["minimize"] * 2).best_trial, RuntimeError, "best_trials")
row(lambda o, s, t: o.create_study().best_trial, ValueError, "No trials")
row(lambda o, s, t: setattr(s, "sampler", "tpe"), TypeError, "sampler", "'tpe'", optuna=None)
row(lambda o, s, t: setattr(s, "pruner", "median"), TypeError, "pruner", "'median'", optuna=None)

# -- optimize ------------------------------------------------------------------------------------
row(lambda o, s, t: s.optimize(5, n_trials=1), TypeError, "func", "5")
row(lambda o, s, t: s.optimize(None, n_trials=1), TypeError, "func", "None")
row(lambda o, s, t: s.optimize(one, n_trials="many"), TypeError, "n_trials", "'many'")
row(lambda o, s, t: s.optimize(one, n_trials=2.5), TypeError, "n_trials", "2.5")
row(lambda o, s, t: s.optimize(one, n_trials=1, timeout="soon"), TypeError, "timeout", "'soon'")
row(lambda o, s, t: s.optimize(one, n_trials=1, n_jobs="all"), TypeError, "n_jobs", "'all'")
row(lambda o, s, t: s.optimize(one, n_trials=1, n_jobs=0), ValueError, "n_jobs", "0", "-1")
row(lambda o, s, t: s.optimize(one, n_trials=1, n_jobs=-2), ValueError, "n_jobs", "-2", "-1")
row(lambda o, s, t: s.optimize(one, n_trials=1, n_jobs=2.0), TypeError, "n_jobs", "2.0")
row(lambda o, s, t: s.optimize(one, n_trials=1, catch=5), TypeError, "catch", "5")
row(lambda o, s, t: s.optimize(one, n_trials=1, catch=("ValueError",)), TypeError, "catch", "'ValueError'")
row(lambda o, s, t: s.optimize(one, n_trials=1, catch=int), TypeError, "catch", "int")
row(lambda o, s, t: s.optimize(one, n_trials=1, callbacks=5), TypeError, "callbacks", "5")
row(lambda o, s, t: s.optimize(one, n_trials=1, callbacks=[5]), TypeError, "callbacks", "5")
row(lambda o, s, t: s.optimize(one, n_trials=1, callbacks=print), TypeError, "callbacks", "print")

# -- ask, tell and what is put in ----------------------------------------------------------------
row(lambda o, s, t: s.ask(5), TypeError, "fixed_distributions", "5")
row(lambda o, s, t: s.ask({"x": 5}), TypeError, "fixed_distributions", "5")
row(lambda o, s, t: s.ask({"x": o.distributions.IntDistribution(0, 1)}), ValueError, "'x'", "IntDistribution")
row(lambda o, s, t: s.tell("0", 1.0), TypeError, "trial", "'0'")
row(lambda o, s, t: s.tell(None, 1.0), TypeError, "trial", "None")
row(lambda o, s, t: s.tell(99, 1.0), ValueError, "trial", "99")
row(lambda o, s, t: s.tell(-1, 1.0), ValueError, "trial", "-1")
row(lambda o, s, t: s.tell(True, 1.0), TypeError, "trial", "True")
row(lambda o, s, t: s.tell(0, 1.0), ValueError, "COMPLETE")
row(lambda o, s, t: s.tell(t, "abc", state=o.trial.TrialState.COMPLETE), ValueError, "values", "'abc'", "float")
row(lambda o, s, t: s.tell(t, None, state=o.trial.TrialState.COMPLETE), ValueError, "values", "None")
row(lambda o, s, t: s.tell(t, [1.0, 2.0], state=o.trial.TrialState.COMPLETE), ValueError, "values", "2", "1")
row(lambda o, s, t: s.tell(t, float("nan"), state=o.trial.TrialState.COMPLETE), ValueError, "values", "nan")
row(lambda o, s, t: s.tell(t, 1.0, state=o.trial.TrialState.FAIL), ValueError, "values", "1.0", "None")
row(lambda o, s, t: s.tell(t, 1.0, state=o.trial.TrialState.PRUNED), ValueError, "values", "1.0", "None")
row(lambda o, s, t: s.tell(t, state=o.trial.TrialState.RUNNING), ValueError, "state", "RUNNING", "COMPLETE")
row(lambda o, s, t: s.tell(t, state=o.trial.TrialState.WAITING), ValueError, "state", "WAITING", "COMPLETE")
row(lambda o, s, t: s.tell(t, 1.0, state="COMPLETE"), ValueError, "state", "'COMPLETE'")
row(lambda o, s, t: s.enqueue_trial(5), TypeError, "params", "5")
row(lambda o, s, t: s.enqueue_trial(["x"]), TypeError, "params", "['x']")
row(lambda o, s, t: s.enqueue_trial({5: 1}), TypeError, "params", "5", optuna=None)
row(lambda o, s, t: s.enqueue_trial({"x": 1}, user_attrs=5), TypeError, "user_attrs", "5")
row(lambda o, s, t: s.enqueue_trial({"x": 1}, user_attrs=["a"]), TypeError, "user_attrs", "['a']", optuna=None)
row(lambda o, s, t: s.add_trial(5), TypeError, "trial", "5", optuna=AttributeError)
row(lambda o, s, t: s.add_trial(t), TypeError, "trial", "Trial", optuna=AttributeError)
row(lambda o, s, t: s.add_trials(5), TypeError, "trials", "5")
row(lambda o, s, t: s.add_trials([o.create_trial(value=1.0), 5]), TypeError, "trial", "5", optuna=AttributeError)
row(lambda o, s, t: s.add_trial(o.create_trial(values=[1.0, 2.0])), ValueError, "objectives", "1", "2")
row(lambda o, s, t: s.get_trials(states=5), TypeError, "states", "5")
row(lambda o, s, t: s.trials_dataframe(attrs=("nothing",)), AttributeError, "attrs", "'nothing'")

# -- trials --------------------------------------------------------------------------------------
row(lambda o, s, t: t.suggest_float("z", 1, 0), ValueError, "low", "high", "1", "0")
row(lambda o, s, t: t.suggest_float("z", 0, 1, log=True), ValueError, "low", "log", "0")
row(lambda o, s, t: t.suggest_float("z", 1, 2, log=True, step=0.5), ValueError, "step", "log", "0.5")
row(lambda o, s, t: t.suggest_float("z", 0, 1, step=0), ValueError, "step", "0")
row(lambda o, s, t: t.suggest_float("z", 0, 1, step=-1), ValueError, "step", "-1")
row(lambda o, s, t: t.suggest_float("z", "a", 1), ValueError, "low", "'a'")
row(lambda o, s, t: t.suggest_float("z", None, 1), TypeError, "low", "None")
row(lambda o, s, t: t.suggest_float("z", float("nan"), 1), ValueError, "low", "nan", optuna=None)
row(lambda o, s, t: t.suggest_float("z", 0, float("inf")), ValueError, "high", "inf", optuna=None)
row(lambda o, s, t: t.suggest_float(5, 0, 1), TypeError, "name", "5", optuna=None)
row(lambda o, s, t: t.suggest_int("z", 1, 0), ValueError, "low", "high", "1", "0")
row(lambda o, s, t: t.suggest_int("z", 0, 5, log=True), ValueError, "low", "log", "0")
row(lambda o, s, t: t.suggest_int("z", 1, 5, log=True, step=2), ValueError, "step", "log", "2")
row(lambda o, s, t: t.suggest_int("z", 1, 5, step=0), ValueError, "step", "0")
row(lambda o, s, t: t.suggest_int(None, 0, 1), TypeError, "name", "None", optuna=None)
row(lambda o, s, t: t.suggest_categorical("z", []), ValueError, "choices", "empty")
row(lambda o, s, t: t.suggest_categorical("z", 5), TypeError, "choices", "5")
row(lambda o, s, t: t.suggest_categorical(5, ["a"]), TypeError, "name", "5", optuna=None)
row(lambda o, s, t: t.suggest_int("x", 0, 1), ValueError, "x", "IntDistribution")
row(lambda o, s, t: t.suggest_float("x", 0.1, 1, log=True), ValueError, "x", "log")
row(lambda o, s, t: t.suggest_categorical("c", ["b", "a"]), ValueError, "c", "choices")
row(lambda o, s, t: s.ask().suggest_int("x", 0, 1), ValueError, "x", "IntDistribution", id="a name that another trial used", optuna=ValueError)
row(lambda o, s, t: t.report("abc", 1), TypeError, "value", "'abc'", "float")
row(lambda o, s, t: t.report(None, 1), TypeError, "value", "None", "float")
row(lambda o, s, t: t.report(1.0, -1), ValueError, "step", "-1")
row(lambda o, s, t: t.report(1.0, "abc"), TypeError, "step", "'abc'", "int")
row(lambda o, s, t: t.set_user_attr(5, 1), TypeError, "key", "5", optuna=None)
row(lambda o, s, t: t.set_constraint("k", "abc"), TypeError, "value", "'abc'", "float")
row(lambda o, s, t: t.set_constraint("k", float("nan")), ValueError, "value", "NaN")
row(lambda o, s, t: t.set_constraint(5, 1.0), TypeError, "key", "5", optuna=None)
row(lambda o, s, t: two(o).report(1.0, 0), NotImplementedError, "report", "2")
row(lambda o, s, t: two(o).should_prune(), NotImplementedError, "should_prune", "2")


def two(o: Any) -> Any:
    """Return a trial of two objectives."""
    return o.create_study(directions=["minimize", "maximize"]).ask()


def prepared(o: Any) -> tuple[Any, Any]:
    """Return a study of a finished and a running trial, and the running one."""
    storage = o.storages.InMemoryStorage()
    study = o.create_study(study_name="s", storage=storage, sampler=o.samplers.RandomSampler(0))
    first = study.ask()
    first.suggest_float("x", 0, 1)
    first.suggest_categorical("c", ["a", "b"])
    study.tell(first, 1.0)
    running = study.ask()
    running.suggest_float("x", 0, 1)
    running.report(0.5, 0)
    study.set_user_attr("k", 1)
    return study, running


def snapshot(study: Any) -> Any:
    """Return everything of a study and its storage that one can read."""
    return (
        plain(study.trials),
        study.user_attrs,
        study.metric_names,
        type(study.sampler),
        type(study.pruner),
        [s.study_name for s in ahpo.get_all_study_summaries(study._storage)],
    )


def check_sentence(message: str, words: tuple[str, ...]) -> None:
    """Check that a message is one sentence and has the words."""
    for word in words:
        assert word in message, message
    assert message == message.strip() and "\n" not in message
    assert message[0].isupper() or message[0] == "`", message
    assert message.endswith("."), message
    assert not re.search(r"\.\s+[A-Z`]", message), f"more than one sentence: {message}"


@pytest.mark.parametrize("row", ROWS)
def test_bad_input(row: Row) -> None:
    study, trial = prepared(ahpo)
    before = snapshot(study)
    with pytest.raises(row.error) as caught, warnings.catch_warnings(action="ignore"):
        row.call(ahpo, study, trial)
    assert type(caught.value) is row.error
    message = str(caught.value.args[0])
    check_sentence(message, row.words)
    assert snapshot(study) == before
    study.tell(trial, 2.0)  # and all goes on


@pytest.mark.parametrize("row", ROWS)
def test_optuna_raises_the_same(row: Row) -> None:
    """The type of the error is Optuna's, or the row says what Optuna does instead."""
    study, trial = prepared(optuna)
    raised: BaseException | None = None
    with warnings.catch_warnings(action="ignore"):
        try:
            row.call(optuna, study, trial)
        except Exception as error:
            raised = error
    if row.optuna is Exception:  # some error of a driver
        assert raised is not None
    elif row.optuna is None:
        assert raised is None, repr(raised)
    else:
        assert type(raised).__name__ == row.optuna.__name__, repr(raised)
