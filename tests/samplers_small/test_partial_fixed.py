"""PartialFixedSampler: fixed values, and any sampler for the rest."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from ahpo.distributions import BaseDistribution, FloatDistribution, IntDistribution
from ahpo.samplers.array_sampler import ArraySampler
from ahpo.samplers.base import BaseSampler
from ahpo.samplers.grid import GridSampler
from ahpo.samplers.partial_fixed import PartialFixedSampler
from ahpo.samplers.random import RandomSampler
from ahpo.states import TrialState
from tests.pruners.plain_study import PlainStudy
from tests.samplers_small.asking import PlainTrial, run

X, Y = FloatDistribution(0, 1), IntDistribution(0, 5)


class Joint(ArraySampler):
    """Propose x and y, and record which space it was asked for."""

    def draw(self, view: Any, number: int, name: str, distribution: BaseDistribution) -> float:
        return 1.0

    def relative_space(self, view: Any) -> dict[str, BaseDistribution]:
        return {"x": X, "y": Y}

    def propose_within(
        self, view: Any, number: int, space: dict[str, BaseDistribution]
    ) -> dict[str, float]:
        return dict.fromkeys(space, 0.5)


class Users(BaseSampler):
    """A sampler as users write them."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        return {"x": X, "y": Y}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        self.calls.append(f"relative {sorted(search_space)}")
        return {"x": 0.25}

    def sample_independent(self, study: Any, trial: Any, param_name: str, distribution: Any) -> Any:
        self.calls.append(f"independent {param_name}")
        return 4

    def before_trial(self, study: Any, trial: Any) -> None:
        self.calls.append("before")

    def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
        self.calls.append(f"after {state.name} {values}")

    def reseed_rng(self) -> None:
        self.calls.append("reseed")


def ask(sampler: ArraySampler) -> PlainTrial:
    """Return a trial that has asked for x, y and z."""
    trial = PlainTrial(PlainStudy(), sampler)
    trial.suggest_float("x", 0, 1)
    trial.suggest_int("y", 0, 5)
    trial.suggest_int("z", 0, 5)
    return trial


def pure(sampler: BaseSampler) -> ArraySampler:
    """Narrow the type, which is a promise."""
    assert isinstance(sampler, ArraySampler)
    return sampler


def test_the_base_sampler_proposes_without_the_fixed_parameters() -> None:
    """A fixed parameter is neither sampled jointly nor drawn."""
    sampler = pure(PartialFixedSampler({"y": 3, "z": 2}, Joint()))
    trial = ask(sampler)
    assert trial.study.open(trial.number).proposal == {"x": 0.5}
    assert trial.params == {"x": 0.5, "y": 3, "z": 2}


def test_other_parameters_are_what_the_base_sampler_draws() -> None:
    """The same values as without the wrapper."""
    alone = ask(RandomSampler(7)).params
    assert ask(pure(PartialFixedSampler({"y": 3}, RandomSampler(7)))).params == {**alone, "y": 3}
    assert ask(pure(PartialFixedSampler({}, RandomSampler(7)))).params == alone


def test_a_value_out_of_range_is_used_with_a_warning() -> None:
    """The warning names the parameter, the value and the range."""
    trial = PlainTrial(PlainStudy(), pure(PartialFixedSampler({"y": 9}, RandomSampler(0))))
    with pytest.warns(UserWarning, match="9 for 'y'.*out of the range of IntDistribution"):
        assert trial.suggest_int("y", 0, 5) == 9


def test_a_grid_of_the_rest_is_exhausted_as_it_is_alone() -> None:
    """Preparing, observing and the end are passed on."""
    sampler = pure(PartialFixedSampler({"y": 3}, GridSampler({"x": [1, 2]})))
    tried = run(
        PlainStudy(), sampler, lambda t: (t.suggest_int("x", 0, 5), t.suggest_int("y", 0, 5))
    )
    assert sorted(p["x"] for p in tried) == [1, 2]
    assert all(p["y"] == 3 for p in tried)


def test_a_users_sampler_is_asked_in_the_documented_way() -> None:
    """Through every documented method, and never for a fixed parameter."""
    base = Users()
    sampler = PartialFixedSampler({"y": 3}, base)
    assert not isinstance(sampler, ArraySampler)
    study = PlainStudy()
    trial = study.history.frozen(study.start())
    sampler.before_trial(study, trial)
    space = sampler.infer_relative_search_space(study, trial)
    assert space == {"x": X}
    assert sampler.sample_relative(study, trial, space) == {"x": 0.25}
    assert sampler.sample_independent(study, trial, "y", Y) == 3
    assert sampler.sample_independent(study, trial, "z", Y) == 4
    sampler.after_trial(study, trial, TrialState.COMPLETE, [1.0])
    sampler.reseed_rng()
    assert base.calls == [
        "before",
        "relative ['x']",
        "independent z",
        "after COMPLETE [1.0]",
        "reseed",
    ]


def test_the_documented_methods_of_a_wrapped_pure_sampler_work_too() -> None:
    """For a user's sampler that wraps one of ours."""
    sampler = PartialFixedSampler({"y": 3}, Joint())
    study = PlainStudy()
    trial = study.history.frozen(study.start())
    space = sampler.infer_relative_search_space(study, trial)
    assert sampler.sample_relative(study, trial, space) == {"x": 0.5}
    assert sampler.sample_independent(study, trial, "y", Y) == 3
    assert sampler.sample_independent(study, trial, "z", Y) == 1


def test_reseeding_changes_what_the_base_sampler_draws() -> None:
    """The wrapper has no random numbers of its own."""
    sampler = pure(PartialFixedSampler({"y": 3}, RandomSampler(7)))
    before = ask(sampler).params
    sampler.reseed_rng()
    assert ask(sampler).params != before


def test_two_wrappers_fix_both_parameters() -> None:
    """The outer one over the inner one."""
    inner = PartialFixedSampler({"y": 3}, Joint())
    assert ask(pure(PartialFixedSampler({"z": 2}, inner))).params == {"x": 0.5, "y": 3, "z": 2}


@pytest.mark.parametrize("base", [RandomSampler(7), Users()])
def test_it_pickles_and_copies(base: BaseSampler) -> None:
    """Whatever it wraps."""
    sampler = PartialFixedSampler({"y": 3}, base)

    def first(sampler: BaseSampler, name: str) -> Any:
        study = PlainStudy()
        trial = study.history.frozen(study.start())
        return sampler.sample_independent(study, trial, name, Y)

    for clone in (pickle.loads(pickle.dumps(sampler)), copy.copy(sampler)):
        assert type(clone) is type(sampler)
        assert first(clone, "y") == 3
        assert first(clone, "z") == first(sampler, "z")


def test_a_users_subclass_stays_what_it_is() -> None:
    """Its overrides are called."""

    class Mine(PartialFixedSampler):
        def sample_independent(self, *args: Any) -> Any:
            return "mine"

    mine = Mine({"y": 3}, RandomSampler(0))
    assert type(mine) is Mine
    assert mine.sample_independent(PlainStudy(), None, "z", Y) == "mine"


def test_later_changes_of_the_callers_dict_change_nothing() -> None:
    """The parameters are those at the time of the call."""
    fixed = {"y": 3}
    sampler = pure(PartialFixedSampler(fixed, RandomSampler(0)))
    fixed["y"] = 5
    assert ask(sampler).params["y"] == 3


@pytest.mark.parametrize("value", [True, 1, 1.0])
def test_fixed_choice_is_the_one_of_its_type(value: Any) -> None:
    sampler: Any = PartialFixedSampler({"x": value}, RandomSampler())
    trial = PlainTrial(PlainStudy(), sampler)
    found = trial.suggest_categorical("x", [1.0, True, 1])
    assert repr(found) == repr(value)
