"""Frozen, fixed and hand-made trials refuse bad input in one clear sentence and change nothing."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta
from typing import Any, cast

import optuna
import pytest

from ahpo.distributions import BaseDistribution, FloatDistribution, IntDistribution
from ahpo.states import TrialState
from ahpo.trials import BaseTrial, FixedTrial, FrozenTrial, check_trial, create_trial
from ahpo.trials.checks import as_float_value, check_keeps_kind, check_key, check_step

NAN = float("nan")
START = datetime(2020, 1, 1)


def frozen(**parts: Any) -> FrozenTrial:
    given: dict[str, Any] = {
        "number": 0,
        "trial_id": 7,
        "state": TrialState.COMPLETE,
        "value": 0.5,
        "datetime_start": START,
        "datetime_complete": START + timedelta(seconds=5),
        "params": {"x": 0.5},
        "distributions": {"x": FloatDistribution(0, 1)},
        "user_attrs": {},
        "system_attrs": {},
        "intermediate_values": {},
    }
    return FrozenTrial(**{**given, **parts})


def running(**parts: Any) -> FrozenTrial:
    return frozen(state=TrialState.RUNNING, datetime_complete=None, **parts)


BAD_TRIALS: list[tuple[FrozenTrial, type[Exception], str]] = [
    (frozen(datetime_start=None), ValueError, "`datetime_start` must be set"),
    (frozen(datetime_complete=None), ValueError, "`datetime_complete` must be set"),
    (frozen(state=TrialState.RUNNING), ValueError, "`datetime_complete` must be None"),
    (
        frozen(state=TrialState.FAIL),
        ValueError,
        "`values` must be None for a trial in TrialState.F",
    ),
    (frozen(value=None), ValueError, "`values` must be set for a trial in TrialState.COMPLETE"),
    (frozen(value=NAN), ValueError, "must not be NaN, but it is [nan]"),
    (frozen(value="1"), TypeError, "`values` must hold numbers, but it is ['1']"),
    (frozen(params={}), ValueError, "must have the same names, but they have [] and ['x']"),
    (frozen(params={"x": 2}), ValueError, "The parameter 'x' must be in the range of FloatDist"),
    (frozen(params={"x": "q"}), ValueError, "FloatDistribution(high=1.0, log=False, low=0.0, step"),
    (running(params={"x": 3}), ValueError, "but it is 3"),
    (frozen(distributions={"x": 5}), TypeError, "but that of 'x' is 5"),
]


@pytest.mark.parametrize(("trial", "error", "sentence"), BAD_TRIALS)
def test_trial_whose_parts_disagree_is_refused(
    trial: FrozenTrial, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error) as caught:
        check_trial(trial)
    assert caught.type is error
    assert sentence in str(caught.value)


BAD_CALLS: list[tuple[Any, type[Exception], str]] = [
    (lambda t: t.suggest_float("y", 0, 1), ValueError, "'y' must be one of this FrozenTrial"),
    (lambda t: t.suggest_int("x", 0, 1), ValueError, "'x' must keep its"),
    (lambda t: t.suggest_float("x", 1, 0), ValueError, "`low` must not be above `high`"),
    (lambda t: t.suggest_categorical("x", []), ValueError, "`choices` must hold at least one"),
    (lambda t: t.set_constraint("a", NAN), ValueError, "constraint 'a' must not be NaN"),
    (lambda t: t.set_constraint("a", "b"), TypeError, "`value` must be a float, but it is 'b'"),
    (lambda t: frozen(values=[1]), ValueError, "value=0.5 and values=[1]"),
    (lambda t: frozen(value=None, values=[1, 2]).value, RuntimeError, "several objectives: use"),
    (lambda t: as_float_value([1], "value"), TypeError, "`value` must be a float, but it is [1]"),
    (lambda t: as_float_value(10**400, "value"), TypeError, "`value` must be a float"),
    (lambda t: check_step(-1), ValueError, "`step` must not be negative, but it is -1"),
    (lambda t: check_step("a"), TypeError, "`step` must be an int, but it is 'a' of type str"),
    (lambda t: check_step(None), TypeError, "`step` must be an int, but it is None"),
    (lambda t: check_step(NAN), TypeError, "`step` must be an int, but it is nan"),
    (lambda t: check_key(5, "name"), TypeError, "`name` must be a str, but it is 5 of type int"),
    (
        lambda t: create_trial(state=cast("Any", "done"), value=1),
        ValueError,
        "must be a TrialState, but it is",
    ),
]


@pytest.mark.parametrize(("call", "error", "sentence"), BAD_CALLS)
def test_bad_call_is_refused_and_changes_nothing(
    call: Any, error: type[Exception], sentence: str
) -> None:
    trial = frozen()
    with pytest.raises(error) as caught:
        call(trial)
    assert caught.type is error
    assert sentence in str(caught.value)
    assert trial == frozen()


def test_arguments_that_look_like_numbers_are_taken_as_such() -> None:
    assert as_float_value("1.5", "value") == 1.5
    assert check_step(2.0) == check_step("2") == check_step(2) == 2
    assert type(check_step(True)) is int
    assert check_key("x", "name") == "x"


def test_parameter_keeps_its_kind_of_distribution_but_not_its_range() -> None:
    check_keeps_kind("x", IntDistribution(0, 1), IntDistribution(5, 9))
    with pytest.raises(ValueError, match="The parameter 'x' must keep its"):
        check_keeps_kind("x", IntDistribution(1, 2), IntDistribution(1, 2, log=True))


def test_old_names_warn_and_do_what_their_successors_do() -> None:
    trial = FixedTrial({"x": 0.5})
    for suggest in (
        lambda: trial.suggest_uniform("x", 0, 1),
        lambda: trial.suggest_discrete_uniform("x", 0, 1, 0.5),
    ):
        with pytest.warns(FutureWarning, match=r"is deprecated: use suggest_float") as caught:
            assert suggest() == 0.5
        assert caught[0].filename == __file__
    with pytest.warns(FutureWarning, match=r"use suggest_float\(\.\.\., log=True\)"):
        assert FixedTrial({"x": 0.5}).suggest_loguniform("x", 0.1, 1) == 0.5
    for target in (trial, frozen()):
        with pytest.warns(FutureWarning, match="set_system_attr is deprecated: use set_user_attr"):
            target.set_system_attr("a", 1)
        assert target.system_attrs == {"a": 1}


class Recorded(BaseTrial):
    """A trial that a user wrote, with the documented members only."""

    params: dict[str, Any] = {}  # noqa: RUF012
    distributions: dict[str, BaseDistribution] = {}  # noqa: RUF012
    user_attrs: dict[str, Any] = {}  # noqa: RUF012
    datetime_start = None
    number = 3

    def _suggest_value(self, name: str, distribution: BaseDistribution) -> Any:
        return distribution.to_external_repr(2.0)

    def report(self, value: float, step: int) -> None: ...

    def should_prune(self) -> bool:
        return False

    def set_user_attr(self, key: str, value: Any) -> None: ...

    def _read_system_attrs(self) -> dict[str, Any]:
        return {"constraints": [1.0], "a": 1}


def test_trial_of_a_user_gets_the_suggestions_from_one_method() -> None:
    trial = Recorded()
    assert trial.suggest_float("x", 0, 5) == 2.0
    assert trial.suggest_int("x", 0, 5) == 2
    assert trial.suggest_categorical("x", "abc") == "c"
    assert trial.constraints == {"0": 1.0}
    with pytest.warns(FutureWarning, match="system_attrs is deprecated: use user_attrs"):
        assert trial.system_attrs["a"] == 1


def test_base_trial_is_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        BaseTrial()  # type: ignore[abstract]


def test_created_trial_shares_no_dict_with_its_arguments() -> None:
    params = {"x": 0.5}
    system_attrs: dict[str, Any] = {"a": 1}
    trial = create_trial(
        value=1,
        params=params,
        distributions={"x": FloatDistribution(0, 1)},
        system_attrs=system_attrs,
        constraints={"c": 2},
    )
    params["x"] = 9
    assert trial.params == {"x": 0.5}
    assert system_attrs == {"a": 1}
    assert trial.constraints == {"c": 2.0}


def test_created_trial_starts_and_ends_now() -> None:
    before = datetime.now()
    trial = create_trial(value=1)
    assert trial.datetime_start is not None
    assert before <= trial.datetime_start <= datetime.now()
    assert trial.datetime_complete == trial.datetime_start
    assert trial.duration == timedelta(0)


def test_state_of_optuna_is_understood() -> None:
    trial = create_trial(state=optuna.trial.TrialState.WAITING)  # type: ignore[arg-type]
    assert trial.state is TrialState.WAITING


@pytest.mark.filterwarnings("ignore:The value 5 of the parameter 'x' is out of the range")
def test_objective_runs_on_a_fixed_and_on_a_frozen_trial() -> None:
    def objective(trial: BaseTrial) -> float:
        x = trial.suggest_float("x", 0, 1)
        y = trial.suggest_int("y", 0, 9)
        trial.report(x, 0)
        trial.set_user_attr("seen", True)
        return -1.0 if trial.should_prune() else x + y

    fixed = FixedTrial({"x": 5, "y": 2})
    assert objective(fixed) == 7
    assert fixed.params == {"x": 5, "y": 2}
    frozen_trial = frozen(
        params={"x": 5, "y": 2},
        distributions={"x": FloatDistribution(0, 9), "y": IntDistribution(0, 9)},
    )
    assert objective(frozen_trial) == 7
    assert frozen_trial.user_attrs == {"seen": True}


def test_warning_about_a_parameter_out_of_range_points_at_the_objective() -> None:
    with pytest.warns(UserWarning, match="The value 5 of the parameter 'x' is out") as caught:
        FixedTrial({"x": 5}).suggest_float("x", 0, 1)
    assert caught[0].filename == __file__


def test_trials_survive_pickling() -> None:
    assert pickle.loads(pickle.dumps(frozen(user_attrs={"a": [1]}))) == frozen(
        user_attrs={"a": [1]}
    )
    fixed = FixedTrial({"x": 1}, number=4)
    fixed.suggest_float("x", 0, 1)
    back = pickle.loads(pickle.dumps(fixed))
    assert (back.params, back.number, back.distributions) == (
        {"x": 1},
        4,
        {"x": FloatDistribution(0, 1)},
    )
