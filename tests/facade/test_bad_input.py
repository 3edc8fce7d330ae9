"""Bad input is refused by the documented error, in one sentence that helps, and changes nothing."""

from __future__ import annotations

import re
import warnings
from typing import Any, NamedTuple

import optuna
import pytest

import ahpo
from ahpo.exceptions import DuplicatedStudyError
from tests.facade.two_libraries import plain
from tests.facade.waited import waited_face


class Row(NamedTuple):
    """A call with bad input, the error it gives, and words that its message must have."""

    call: str
    error: type[Exception]
    words: tuple[str, ...]
    theirs: type[BaseException] | None  # what Optuna raises; None if it takes the call


ROWS: list[Any] = []
SAME: Any = object()


def row(call: str, error: type[Exception], *words: str, optuna: Any = SAME) -> None:
    """Add a row; in the call, ``o`` is the library, ``s`` a study and ``t`` its running trial."""
    theirs = error if optuna is SAME else optuna
    ROWS.append(pytest.param(Row(call, error, words, theirs), id=call))


def one(trial: Any) -> float:
    """Return a value."""
    return 1.0


# -- studies -------------------------------------------------------------------------------------
row('o.create_study(direction="up")', ValueError, "direction", "'up'", "minimize")
row("o.create_study(direction=1)", ValueError, "direction", "1", "minimize", optuna=AttributeError)
row("o.create_study(directions=[])", ValueError, "directions", "empty")
row('o.create_study(directions="minimize")', ValueError, "directions", "'minimize'")
row('o.create_study(directions=["minimize", None])', ValueError, "directions", "None")
row(
    'o.create_study(direction="minimize", directions=["minimize"])',
    ValueError,
    "direction",
    "directions",
)
row("o.create_study(storage=5)", TypeError, "storage", "5", optuna=AttributeError)
row('o.create_study(storage="nosuch://x")', ValueError, "storage", "nosuch", optuna=Exception)
row('o.create_study(sampler="tpe")', TypeError, "sampler", "'tpe'", optuna=None)
row(
    "o.create_study(sampler=o.samplers.RandomSampler)",
    TypeError,
    "sampler",
    "RandomSampler",
    optuna=None,
)
row('o.create_study(pruner="median")', TypeError, "pruner", "'median'", optuna=None)
row("o.create_study(study_name=5)", TypeError, "study_name", "5", optuna=None)
row(
    'o.create_study(storage=s._storage, study_name="s")',
    DuplicatedStudyError,
    "'s'",
    "load_if_exists",
)
row('o.load_study(study_name="other", storage=s._storage)', KeyError, "'other'")
row('o.delete_study(study_name="other", storage=s._storage)', KeyError, "'other'")
row(
    'o.copy_study(from_study_name="other", from_storage=s._storage, to_storage=s._storage)',
    KeyError,
    "'other'",
)
row(
    'o.copy_study(from_study_name="s", from_storage=s._storage, to_storage=s._storage)',
    DuplicatedStudyError,
    "'s'",
)
row(
    "o.load_study(study_name=None, storage=o.storages.InMemoryStorage())",
    ValueError,
    "study_name",
    "exactly one",
)
row("s.set_user_attr(5, 1)", TypeError, "key", "5", optuna=None)
row('s.set_metric_names(["a", "b"])', ValueError, "metric_names", "['a', 'b']", "1")
row("s.set_metric_names([])", ValueError, "metric_names", "1")
row('s.set_metric_names("a")', ValueError, "metric_names", "'a'", optuna=None)
row("s.set_metric_names([5])", TypeError, "metric_names", "5", optuna=None)
row("s.set_metric_names(None)", TypeError, "metric_names", "None")
row("s.stop()", RuntimeError, "stop")
row('o.create_study(directions=["minimize"] * 2).best_trial', RuntimeError, "best_trials")
row("o.create_study().best_trial", ValueError, "No trials")
row('setattr(s, "sampler", "tpe")', TypeError, "sampler", "'tpe'", optuna=None)
row('setattr(s, "pruner", "median")', TypeError, "pruner", "'median'", optuna=None)

# -- optimize ------------------------------------------------------------------------------------
row("s.optimize(5, n_trials=1)", TypeError, "func", "5")
row("s.optimize(None, n_trials=1)", TypeError, "func", "None")
row('s.optimize(one, n_trials="many")', TypeError, "n_trials", "'many'")
row('s.optimize(one, n_trials=1, timeout="soon")', TypeError, "timeout", "'soon'")
row('s.optimize(one, n_trials=1, n_jobs="all")', TypeError, "n_jobs", "'all'")
row("s.optimize(one, n_trials=1, n_jobs=0)", ValueError, "n_jobs", "0", "-1")
row("s.optimize(one, n_trials=1, n_jobs=-2)", ValueError, "n_jobs", "-2", "-1")
row("s.optimize(one, n_trials=1, n_jobs=2.0)", TypeError, "n_jobs", "2.0", optuna=None)
row("s.optimize(one, n_trials=1, catch=5)", TypeError, "catch", "5", optuna=None)
row(
    's.optimize(one, n_trials=1, catch=("ValueError",))',
    TypeError,
    "catch",
    "'ValueError'",
    optuna=None,
)
row("s.optimize(one, n_trials=1, catch=int)", TypeError, "catch", "int", optuna=None)
row("s.optimize(one, n_trials=1, callbacks=5)", TypeError, "callbacks", "5")
row("s.optimize(one, n_trials=1, callbacks=[5])", TypeError, "callbacks", "5")
row("s.optimize(one, n_trials=1, callbacks=print)", TypeError, "callbacks", "print")
row(
    "s.optimize(one, n_trials=1, trial_timeout=0)",
    ValueError,
    "trial_timeout",
    "0",
    optuna=TypeError,
)
row('s.optimize(one, n_trials=1, trial_timeout="soon")', TypeError, "trial_timeout", "'soon'")
row(
    's.optimize(one, n_trials=1, executor="gpu")', ValueError, "executor", "'gpu'", optuna=TypeError
)
row("s.optimize(one, n_trials=1, executor=5)", ValueError, "executor", "5", optuna=TypeError)

# -- ask, tell and what is put in ----------------------------------------------------------------
row("s.ask(5)", TypeError, "fixed_distributions", "5", optuna=AttributeError)
row('s.ask({"x": 5})', TypeError, "fixed_distributions", "5", optuna=AttributeError)
row('s.ask({"x": o.distributions.IntDistribution(0, 1)})', ValueError, "'x'", "IntDistribution")
row('s.tell("0", 1.0)', TypeError, "trial", "'0'")
row("s.tell(None, 1.0)", TypeError, "trial", "None")
row("s.tell(99, 1.0)", ValueError, "trial", "99")
row("s.tell(-1, 1.0)", ValueError, "trial", "-1", optuna=AssertionError)
row("s.tell(True, 1.0)", TypeError, "trial", "True", optuna=None)
row("s.tell(0, 1.0)", ValueError, "COMPLETE")
row('s.tell(t, "abc", state=o.trial.TrialState.COMPLETE)', ValueError, "values", "'abc'", "float")
row("s.tell(t, None, state=o.trial.TrialState.COMPLETE)", ValueError, "values", "None")
row("s.tell(t, [1.0, 2.0], state=o.trial.TrialState.COMPLETE)", ValueError, "values", "2", "1")
row('s.tell(t, float("nan"), state=o.trial.TrialState.COMPLETE)', ValueError, "values", "nan")
row("s.tell(t, 1.0, state=o.trial.TrialState.FAIL)", ValueError, "values", "1.0", "None")
row("s.tell(t, 1.0, state=o.trial.TrialState.PRUNED)", ValueError, "values", "1.0", "None")
row("s.tell(t, state=o.trial.TrialState.RUNNING)", ValueError, "state", "RUNNING", "COMPLETE")
row("s.tell(t, state=o.trial.TrialState.WAITING)", ValueError, "state", "WAITING", "COMPLETE")
row('s.tell(t, 1.0, state="COMPLETE")', ValueError, "state", "'COMPLETE'")
row("s.enqueue_trial(5)", TypeError, "params", "5")
row('s.enqueue_trial(["x"])', TypeError, "params", "['x']")
row("s.enqueue_trial({5: 1})", TypeError, "params", "5", optuna=None)
row('s.enqueue_trial({"x": 1}, user_attrs=5)', TypeError, "user_attrs", "5", optuna=None)
row('s.enqueue_trial({"x": 1}, user_attrs=["a"])', TypeError, "user_attrs", "['a']", optuna=None)
row("s.add_trial(5)", TypeError, "trial", "5", optuna=AttributeError)
row("s.add_trial(t)", TypeError, "trial", "Trial", optuna=AttributeError)
row("s.add_trials(5)", TypeError, "trials", "5")
row("s.add_trials([o.create_trial(value=1.0), 5])", TypeError, "trial", "5", optuna=AttributeError)
row("s.add_trial(o.create_trial(values=[1.0, 2.0]))", ValueError, "objectives", "1", "2")
row("s.get_trials(states=5)", TypeError, "states", "5")
row('s.trials_dataframe(attrs=("nothing",))', AttributeError, "attrs", "'nothing'")

# -- trials --------------------------------------------------------------------------------------
row('t.suggest_float("z", 1, 0)', ValueError, "low", "high", "1", "0")
row('t.suggest_float("z", 0, 1, log=True)', ValueError, "low", "log", "0")
row('t.suggest_float("z", 1, 2, log=True, step=0.5)', ValueError, "step", "log", "0.5")
row('t.suggest_float("z", 0, 1, step=0)', ValueError, "step", "0")
row('t.suggest_float("z", 0, 1, step=-1)', ValueError, "step", "-1")
row('t.suggest_float("z", "a", 1)', TypeError, "low", "'a'")
row('t.suggest_float("z", None, 1)', TypeError, "low", "None")
row('t.suggest_float("z", float("nan"), 1)', ValueError, "low", "nan", optuna=OverflowError)
row('t.suggest_float("z", 0, float("inf"))', ValueError, "high", "inf", optuna=OverflowError)
row("t.suggest_float(5, 0, 1)", TypeError, "name", "5", optuna=None)
row('t.suggest_int("z", 1, 0)', ValueError, "low", "high", "1", "0")
row('t.suggest_int("z", 0, 5, log=True)', ValueError, "low", "log", "0")
row('t.suggest_int("z", 1, 5, log=True, step=2)', ValueError, "step", "log", "2")
row('t.suggest_int("z", 1, 5, step=0)', ValueError, "step", "0")
row("t.suggest_int(None, 0, 1)", TypeError, "name", "None", optuna=None)
row('t.suggest_categorical("z", [])', ValueError, "choices", "()")
row('t.suggest_categorical("z", 5)', TypeError, "choices", "5")
row('t.suggest_categorical(5, ["a"])', TypeError, "name", "5", optuna=None)
row('t.suggest_int("x", 0, 1)', ValueError, "x", "IntDistribution")
row('t.suggest_float("x", 0.1, 1, log=True)', ValueError, "x", "log")
row('t.suggest_categorical("c", ["b", "a"])', ValueError, "c", "choices")
row('t.report("abc", 1)', TypeError, "value", "'abc'", "float")
row("t.report(None, 1)", TypeError, "value", "None", "float")
row("t.report(1.0, -1)", ValueError, "step", "-1")
row('t.report(1.0, "abc")', TypeError, "step", "'abc'", "int")
row("t.set_user_attr(5, 1)", TypeError, "key", "5", optuna=None)
row('t.set_constraint("k", "abc")', TypeError, "value", "'abc'", "float")
row('t.set_constraint("k", float("nan"))', ValueError, "value", "NaN")
row("t.set_constraint(5, 1.0)", TypeError, "key", "5", optuna=None)
row("two(o).report(1.0, 0)", NotImplementedError, "report", "2")
row("two(o).should_prune()", NotImplementedError, "should_prune", "2")


# -- trials made by hand -------------------------------------------------------------------------
row("o.create_trial()", ValueError, "values", "None", "COMPLETE")
row("o.create_trial(value=1.0, values=[1.0])", ValueError, "value", "values")
row('o.create_trial(value=float("nan"))', ValueError, "values", "nan")
row('o.create_trial(value="abc")', TypeError, "value", "'abc'")
row("o.create_trial(value=1.0, state=o.trial.TrialState.FAIL)", ValueError, "values", "1.0", "FAIL")
row(
    'o.create_trial(value=1.0, state="COMPLETE")',
    ValueError,
    "state",
    "'COMPLETE'",
    optuna=AttributeError,
)
row('o.create_trial(value=1.0, params={"x": 0.5})', ValueError, "params", "distributions", "'x'")
row(
    'o.create_trial(value=1.0, params={"x": 2}, distributions={"x": unit(o)})',
    ValueError,
    "'x'",
    "2",
    "FloatDistribution",
)
row(
    'o.create_trial(value=1.0, params={"x": 1}, distributions={"x": 5})',
    TypeError,
    "distributions",
    "5",
    optuna=AttributeError,
)
row("o.create_trial(value=1.0, params=[1])", TypeError, "params", "[1]", optuna=AttributeError)
row("o.create_trial(value=1.0, user_attrs=[1])", TypeError, "user_attrs", "[1]", optuna=None)
row(
    "o.create_trial(value=1.0, intermediate_values=[1.0])",
    TypeError,
    "intermediate_values",
    "[1.0]",
    optuna=None,
)
row('o.create_trial(value=1.0, constraints={"c": float("nan")})', ValueError, "value", "'c'", "NaN")
row(
    's.add_trial(o.create_trial(value=1.0, intermediate_values={0: "b"}))',
    TypeError,
    "intermediate_values",
    "'b'",
    optuna=None,
)
row(
    "s.add_trial(o.create_trial(value=1.0, intermediate_values={-1: 0.0}))",
    ValueError,
    "step",
    "-1",
    optuna=None,
)
row('o.trial.FixedTrial({"x": 1}).suggest_float("y", 0, 1)', ValueError, "'y'", "FixedTrial")
row("o.trial.FixedTrial(5)", TypeError, "params", "5", optuna=None)


def unit(o: Any) -> Any:
    """Return the distribution from 0 to 1."""
    return o.distributions.FloatDistribution(0, 1)


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
        ahpo.get_all_study_names(study._storage),
    )


def check_sentence(message: str, words: tuple[str, ...]) -> None:
    """Check that a message is one sentence and has the words."""
    for word in words:
        assert word in message, message
    assert message == message.strip() and "\n" not in message
    assert message[0].isupper() or message[0] == "`", message
    assert message.endswith("."), message
    assert not re.search(r"\.\s+[A-Z`]", message), f"more than one sentence: {message}"


def does(row: Row, o: Any, study: Any, trial: Any) -> Any:
    """Make the call of a row."""
    with warnings.catch_warnings(action="ignore"):
        return eval(
            row.call, {"o": o, "s": study, "t": trial, "one": one, "two": two, "unit": unit}
        )


def refuses(row: Row, o: Any) -> None:
    """Check that a face of ahpo refuses a call, says why, changes nothing and goes on."""
    study, trial = prepared(o)
    before = snapshot(study)
    with pytest.raises(row.error) as caught:
        does(row, o, study, trial)
    assert type(caught.value) is row.error
    check_sentence(str(caught.value.args[0]), row.words)
    assert snapshot(study) == before
    assert study.tell(trial, 2.0).value == 2.0


@pytest.mark.parametrize("row", ROWS)
def test_bad_input(row: Row) -> None:
    refuses(row, ahpo)


@pytest.mark.parametrize("row", ROWS)
def test_bad_input_async(row: Row) -> None:
    with waited_face() as o:
        refuses(row, o)


@pytest.mark.parametrize("row", ROWS)
def test_optuna_raises_the_same(row: Row) -> None:
    """The type of the error is Optuna's, or the row says what Optuna does instead."""
    study, trial = prepared(optuna)
    raised: BaseException | None = None
    try:
        does(row, optuna, study, trial)
    except Exception as error:
        raised = error
    if row.theirs is None:
        assert raised is None, repr(raised)
    elif row.theirs is Exception:  # some error of a driver
        assert raised is not None
    else:
        assert type(raised).__name__ == row.theirs.__name__, repr(raised)
