"""What differs from Optuna on purpose: each row does so, and docs/compatibility.md says it."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

import ahpo
from tests.facade.two_libraries import errors_of, golden_sampler, trace_of

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"

Script = Callable[[Any], Any]
ROWS: list[Any] = []


def sections() -> set[str]:
    """Return the headings of the page on compatibility."""
    return set(re.findall(r"^#{2,3} (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))


def differs(section: str, theirs: Any, ours: Any) -> Callable[[Script], Script]:
    """Enter a script with what it gives in Optuna and here, and where the page says why."""

    def enter(script: Script) -> Script:
        ROWS.append(pytest.param(script, section, theirs, ours, id=script.__name__))
        return script

    return enter


# -- studies -------------------------------------------------------------------------------------


@differs("Arguments are checked when they come", ["fine"] * 3, ["TypeError"] * 3)
def what_is_no_sampler(o: Any) -> Any:
    study = o.create_study()
    return errors_of(
        lambda: o.create_study(sampler="tpe"),
        lambda: o.create_study(study_name=5),
        lambda: setattr(study, "pruner", "median"),
    )


@differs("Arguments are checked when they come", ["fine", "fine"], ["TypeError", "TypeError"])
def samplers_and_pruners_of_optuna(o: Any) -> Any:
    return errors_of(
        lambda: o.create_study(sampler=optuna.samplers.RandomSampler()),
        lambda: o.create_study(pruner=optuna.pruners.NopPruner()),
    )


@differs("Metric names are not experimental", ["ExperimentalWarning"], [])
def metric_names_warn(o: Any) -> Any:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        o.create_study().set_metric_names(["loss"])
    return [w.category.__name__ for w in caught]


@differs("The best trial of equal ones has the lowest number", 2, 0)
def ties(o: Any) -> Any:
    study = o.create_study()
    for trial in reversed([study.ask() for _ in range(3)]):
        study.tell(trial, 1.0)
    return study.best_trial.number


@differs("The best trial of a summary is feasible", 0, 1)
def best_trial_of_a_summary(o: Any) -> Any:
    storage = o.storages.InMemoryStorage()
    study = o.create_study(storage=storage)
    for value, constraint in ((0.0, 1.0), (5.0, -1.0)):
        trial = study.ask()
        trial.set_constraint("c", constraint)
        study.tell(trial, value)
    assert study.best_trial.number == 1
    (summary,) = o.get_all_study_summaries(storage)
    return summary.best_trial.number


@differs("Attributes are copied when they are set", [1, 2], [1])
def an_attribute_that_is_changed_afterwards(o: Any) -> Any:
    study = o.create_study()
    value = [1]
    study.set_user_attr("key", value)
    value.append(2)
    return study.user_attrs["key"]


# -- sampling ------------------------------------------------------------------------------------


def drawn(o: Any, n_jobs: int) -> list[Any]:
    """Return what eight trials drew at random, by number, while they overlapped in some way."""
    study = o.create_study(sampler=o.samplers.RandomSampler(seed=1))
    first_may_go = threading.Event()

    def objective(trial: Any) -> float:
        if n_jobs > 1 and trial.number == 0:
            first_may_go.wait(10)
        elif n_jobs == 1 or trial.number == 1:
            first_may_go.set()
        return float(trial.suggest_float("x", 0, 1))

    study.optimize(objective, n_trials=8, n_jobs=n_jobs)
    return [trial.params["x"] for trial in study.trials]


@differs("The same seed gives other numbers than in Optuna", False, True)
def draws_do_not_depend_on_the_number_of_jobs(o: Any) -> Any:
    return drawn(o, 1) == drawn(o, 2)


@differs("A seeded sampler gives each study the same trials", False, True)
def a_seeded_sampler_in_two_studies(o: Any) -> Any:
    sampler = o.samplers.RandomSampler(seed=0)
    first, second = (o.create_study(sampler=sampler).ask() for _ in range(2))
    return first.suggest_float("x", 0, 1) == second.suggest_float("x", 0, 1)


@differs("Nothing has to stop when trials are told by hand", "RuntimeError", "fine")
def the_last_point_of_a_grid_told_by_hand(o: Any) -> Any:
    study = o.create_study(sampler=o.samplers.GridSampler({"x": [1]}))
    trial = study.ask()
    trial.suggest_int("x", 0, 3)
    return errors_of(lambda: study.tell(trial, 1.0))[0]


@differs("CMA-ES learns from every trial", True, False)
def cma_es_stores_its_optimizer(o: Any) -> Any:
    study = o.create_study(sampler=o.samplers.CmaEsSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=20)
    attributes = study._storage.get_all_trials(0) if o is optuna else study.trials
    return any("cma" in key for trial in attributes for key in trial.system_attrs)


@differs("CMA-ES learns from every trial", False, True)
def cma_es_learns_from_the_trials_of_others(o: Any) -> Any:
    study = o.create_study(sampler=o.samplers.CmaEsSampler(seed=0))
    kinds = {"x": o.distributions.FloatDistribution(-5, 5)}
    for i in range(400):
        near = 3.0 + 1e-3 * (i % 7)
        study.add_trial(o.trial.create_trial(value=near, params={"x": near}, distributions=kinds))
    return all(abs(study.ask().suggest_float("x", -5, 5) - 3.0) < 0.5 for _ in range(5))


@differs("Point n - 1 of the sequence belongs to trial n", [0.0, 0.5, 0.75], [0.75, 0.25, 0.375])
def points_of_a_sequence_after_trials_of_another_sampler(o: Any) -> Any:
    study = o.create_study(sampler=o.samplers.QMCSampler())
    kinds = {"x": o.distributions.FloatDistribution(0, 1)}
    for x in (0.1, 0.2, 0.3):
        study.add_trial(o.trial.create_trial(value=0.0, params={"x": x}, distributions=kinds))
    return [study.ask().suggest_float("x", 0, 1) for _ in range(3)]


@differs("Samplers see a study that they can only read", False, True)
def what_a_users_sampler_sees_with_hyperband(o: Any) -> Any:
    seen: list[bool] = []

    class Watching(type(golden_sampler(o))):  # type: ignore[misc]
        def sample_independent(self, study: Any, trial: Any, *named: Any) -> Any:
            seen.append(len(study.trials) == trial.number + 1)
            return 0.5

    def objective(trial: Any) -> float:
        trial.report(trial.suggest_float("x", 0, 1), 0)
        return float(trial.should_prune())

    pruner = o.pruners.HyperbandPruner(max_resource=9)
    o.create_study(study_name="b", sampler=Watching(), pruner=pruner).optimize(objective, 9)
    return all(seen)


@differs("Joint sampling happens at ask", ["before"], ["before", "space", "relative"])
def when_a_sampler_samples_jointly(o: Any) -> Any:
    calls = []
    base = type(golden_sampler(o))

    class Sampler(base):  # type: ignore[misc,valid-type]
        def before_trial(self, *args: Any) -> None:
            calls.append("before")

        def infer_relative_search_space(self, *args: Any) -> Any:
            calls.append("space")
            return {"x": o.distributions.FloatDistribution(0, 1)}

        def sample_relative(self, *args: Any) -> Any:
            calls.append("relative")
            return {"x": 0.5}

    trial = o.create_study(sampler=Sampler()).ask()
    at_ask = list(calls)
    assert trial.suggest_float("x", 0, 1) == 0.5
    assert sorted(calls) == ["before", "relative", "space"]
    return at_ask


@differs("Ranges without an end can not be sampled", "OverflowError", "ValueError")
def a_range_without_an_end(o: Any) -> Any:
    return o.create_study().ask().suggest_float("x", 0, float("inf"))


@differs("Percentiles take infinite reports for what they are", [False, False], [True, True])
def infinite_reports(o: Any) -> Any:
    """The median of 1, 2 and infinity is 2; numpy's is NaN, by which nothing is pruned."""
    pruned = []
    for pruner in (o.pruners.MedianPruner(1), o.pruners.PercentilePruner(50.0, 1)):
        study = o.create_study(pruner=pruner)
        for reported in (1.0, 2.0, float("inf")):
            trial = study.ask()
            trial.report(reported, 0)
            study.tell(trial, 0.0)
        trial = study.ask()
        trial.report(3.0, 0)
        pruned.append(trial.should_prune())
    return pruned


@differs("Samplers see a study that they can only read", True, False)
def what_a_sampler_sees(o: Any) -> Any:
    seen = []

    class Sampler(type(golden_sampler(o))):  # type: ignore[misc]
        def sample_independent(self, study: Any, *args: Any) -> Any:
            assert study.trials[0].params == {} and study.best_trials == []
            seen.append(hasattr(study, "optimize"))
            return 0.5

    o.create_study(sampler=Sampler()).ask().suggest_float("x", 0, 1)
    return seen[0]


# -- trials --------------------------------------------------------------------------------------


@differs("A failed trial keeps its reason", [[], []], [["fail_reason"]] * 2)
def the_reason_of_a_failure(o: Any) -> Any:
    study = o.create_study()
    study.optimize(lambda trial: 1 / trial.number, n_trials=1, catch=ZeroDivisionError)
    with warnings.catch_warnings(action="ignore"):
        study.tell(study.ask(), None)
    return [list(trial.system_attrs) for trial in study.trials]


@differs("A fixed value is recorded as the objective got it", [2, {"n": 2.5}], [2, {"n": 2}])
def a_fixed_value_that_is_no_int(o: Any) -> Any:
    study = o.create_study()
    study.enqueue_trial({"n": 2.5})
    trial = study.ask()
    with warnings.catch_warnings(action="ignore"):
        return trial.suggest_int("n", 0, 10), trial.params


@differs("Names and keys are str", ["fine"] * 4, ["TypeError"] * 4)
def names_and_keys(o: Any) -> Any:
    study = o.create_study(sampler=o.samplers.TPESampler(seed=0))
    trial = study.ask()
    return errors_of(
        lambda: trial.suggest_categorical(5, ["a", "b"]),
        lambda: trial.set_user_attr(5, 1),
        lambda: study.set_user_attr(5, 1),
        lambda: study.enqueue_trial({5: 1}),
    )


@differs("Steps are below 2**63", ["fine"], ["ValueError"])
def a_step_beyond_all(o: Any) -> Any:
    trial = o.create_study().ask()
    return errors_of(lambda: trial.report(1.0, 2**63))


@differs("Older names", ["AttributeError", "AttributeError"], ["fine", "fine"])
def system_attributes_of_a_trial(o: Any) -> Any:
    trial = o.create_study().ask()
    return errors_of(lambda: trial.set_system_attr("k", 1), lambda: trial.system_attrs["k"])


@differs("Ints are exact up to 2**53", [[2**60 + 1, 2**60], "fine"], [[2**60, 2**60], "ValueError"])
def huge_ints(o: Any) -> Any:
    study = o.create_study()
    study.enqueue_trial({"n": 2**60 + 1})
    trial = study.ask()
    found = [trial.suggest_int("n", 0, 2**62), study.trials[0].params["n"]]
    return [found, *errors_of(lambda: o.distributions.IntDistribution(0, 2**1100))]


@differs("Equal choices of another type are other choices", ["True"] * 3, ["True", "1", "1.0"])
def choices_that_are_equal(o: Any) -> Any:
    study = o.create_study()
    for value in (True, 1, 1.0):
        study.enqueue_trial({"x": value})
    study.optimize(lambda trial: float(trial.suggest_categorical("x", [True, 1, 1.0])), n_trials=3)
    return [repr(trial.params["x"]) for trial in study.trials]


# -- optimize ------------------------------------------------------------------------------------


@differs(
    "An exception cancels the other running trials",
    ["COMPLETE", "FAIL"],
    ["FAIL", "FAIL"],
)
def an_exception_among_several_jobs(o: Any) -> Any:
    raised, study = threading.Event(), o.create_study()

    def objective(trial: Any) -> float:
        if trial.number == 1:
            raised.set()
            raise ZeroDivisionError
        raised.wait(10)
        for step in range(10_000):
            trial.report(0.0, step)
        return 1.0

    with pytest.raises(ZeroDivisionError):
        study.optimize(objective, n_trials=3, n_jobs=2)
    return [trial.state.name for trial in study.trials]


@differs("An exception cancels the other running trials", "fine", "ZeroDivisionError")
def an_exception_of_the_last_trial(o: Any) -> Any:
    study = o.create_study()
    return errors_of(
        lambda: study.optimize(lambda trial: 1 / (trial.number - 1), n_trials=2, n_jobs=2)
    )[0]


@differs("No way of leaving optimize leaves a running trial", "RUNNING", "FAIL")
def leaving_by_exit(o: Any) -> Any:
    def objective(trial: Any) -> float:
        raise SystemExit(3)

    study = o.create_study()
    with pytest.raises(SystemExit):
        study.optimize(objective, n_trials=1)
    return study.trials[0].state.name


@differs("Logging", True, False)
def the_line_of_an_interrupted_trial(o: Any) -> Any:
    import logging

    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign,assignment]
    o.logging.get_logger("optuna").addHandler(handler)

    def objective(trial: Any) -> float:
        raise KeyboardInterrupt

    study = o.create_study()
    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective, n_trials=1)
    o.logging.get_logger("optuna").removeHandler(handler)
    assert "because of the following error: KeyboardInterrupt()." in records[1].getMessage()
    return bool(records[1].exc_info)


# -- what is told and put in ---------------------------------------------------------------------


@differs(
    "Text is never a value",
    ["AssertionError", "TypeError", "TypeError"],
    ["fine", "fine", "ValueError"],
)
def text_of_a_number(o: Any) -> Any:
    study = o.create_study()
    trial = study.ask()
    return errors_of(
        lambda: study.optimize(lambda trial: "1.5", n_trials=1),
        lambda: study.tell(study.ask(), "1.5"),
        lambda: study.tell(trial, "1.5", state=o.trial.TrialState.COMPLETE),
    )


@differs(
    "A trial exists if its parameters are equal",
    [False, False, True, True],
    [True, True, False, False],
)
def what_exists(o: Any) -> Any:
    found = []
    for one, other in ((1, 1.0), (1.0, True), (1.0, 1.000001), (10**6, 10**6 + 1)):
        study = o.create_study()
        study.enqueue_trial({"x": one})
        study.enqueue_trial({"x": other}, skip_if_exists=True)
        found.append(len(study.trials) == 1)
    return found


@differs("Added trials must fit the study", ["fine", "fine", 3], ["ValueError", "ValueError", 1])
def added_trials_of_another_kind(o: Any) -> Any:
    d = o.distributions
    study = o.create_study()

    def made(distribution: Any, **more: Any) -> Any:
        arguments = {"params": {"x": 1.0}, "distributions": {"x": distribution}, **more}
        return o.create_trial(value=1.0, **arguments)

    study.add_trial(made(d.FloatDistribution(0, 1)))
    errors = errors_of(
        lambda: study.add_trial(made(d.CategoricalDistribution([1.0]))),
        lambda: study.add_trial(made(d.FloatDistribution(0, 1), intermediate_values={-1: 0.0})),
    )
    return [*errors, len(study.trials)]


@differs("States may be ints", ["AttributeError", "AttributeError"], ["fine", "fine"])
def states_as_ints(o: Any) -> Any:
    study = o.create_study()
    trial = study.ask()
    return errors_of(
        lambda: study.tell(trial, 1.0, state=1), lambda: o.create_trial(state=1, value=1.0)
    )


@differs(
    "Types of errors",
    ["AttributeError", "AttributeError", "fine", "OverflowError"],
    ["ValueError", "TypeError", "TypeError", "TypeError"],
)
def errors_by_accident(o: Any) -> Any:
    study = o.create_study()
    trial = study.ask()
    study.ask()
    return errors_of(
        lambda: o.create_study(direction=1),
        lambda: study.add_trial(5),
        lambda: study.tell(True, 1.0),
        lambda: trial.report(1.0, float("inf")),
    )


@differs("An objective that runs past its trial", ["ValueError", [3.0]], ["fine", [3.0]])
def an_objective_that_tells_its_own_trial(o: Any) -> Any:
    def objective(trial: Any) -> float:
        trial.study.tell(trial, 3.0)
        return 5.0

    study = o.create_study()
    return [*errors_of(lambda: study.optimize(objective, n_trials=1)), study.trials[0].values]


@differs("A trial and a study are made by their functions", "fine", "TypeError")
def a_trial_made_by_hand(o: Any) -> Any:
    study = o.create_study()
    study.ask()
    return errors_of(lambda: o.trial.Trial(study, 0))[0]


@differs("Names of Optuna that have no meaning here", True, False)
def versions(o: Any) -> Any:
    return hasattr(o, "version")


@pytest.mark.parametrize(("script", "section", "theirs", "ours"), ROWS)
def test_differs_as_the_page_says(script: Script, section: str, theirs: Any, ours: Any) -> None:
    assert section in sections()
    for library, expected in ((optuna, theirs), (ahpo, ours)):
        trace = trace_of(script, library)
        found = trace.result if trace.error is None else trace.error
        assert found == expected, library.__name__
    assert theirs != ours


def test_a_trial_can_be_pruned_by_the_exception_of_optuna() -> None:
    """Integrations of Optuna raise its own."""
    assert "Optuna's own TrialPruned counts" in sections()

    def objective(trial: ahpo.Trial) -> float:
        trial.report(1.0, 0)
        raise optuna.TrialPruned

    study = ahpo.create_study()
    study.optimize(objective, n_trials=1)
    assert study.trials[0].state is ahpo.trial.TrialState.PRUNED
    assert study.trials[0].value == 1.0
