"""The documented methods of built-in samplers, as a sampler that a user wrote calls them."""

from __future__ import annotations

from typing import Any

import pytest

from ahpo.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from ahpo.samplers import BaseSampler, RandomSampler, TPESampler
from ahpo.states import TrialState
from tests.samplers.trials import MINIMIZE, Trials

SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(-5.0, 5.0),
    "c": CategoricalDistribution(("a", "b")),
}


def studied(n: int = 20, objectives: int = 1) -> Trials:
    trials = Trials(SPACE, [MINIMIZE] * objectives)
    for position in range(n):
        x = (position * 0.7) % 10 - 5
        trials.add({"x": x, "c": "ab"[position % 2]}, *[x * x] * objectives)
    return trials


class Delegating(BaseSampler):
    """Leave everything to other samplers."""

    def __init__(self, relative: BaseSampler, independent: BaseSampler) -> None:
        self.relative, self.independent = relative, independent

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        return self.relative.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Any, trial: Any, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.relative.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Any, trial: Any, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.independent.sample_independent(study, trial, param_name, param_distribution)


def test_a_sampler_may_leave_all_to_others() -> None:
    trials = studied()
    number = trials.start()
    frozen = trials.history.frozen(number)
    tpe, random = TPESampler(seed=1), RandomSampler(seed=2)
    sampler = Delegating(tpe, random)
    space = sampler.infer_relative_search_space(trials, frozen)
    assert space == dict(sorted(SPACE.items()))
    values = sampler.sample_relative(trials, frozen, space)
    proposal = tpe.propose(trials.view(), number)
    assert values == {name: SPACE[name].to_external_repr(proposal[name]) for name in SPACE}
    assert values["c"] in ("a", "b")
    drawn = sampler.sample_independent(trials, frozen, "c", SPACE["c"])
    internal = random.draw(trials.view(), number, "c", SPACE["c"])
    assert drawn == ("a", "b")[int(internal)]
    sampler.before_trial(trials, frozen)
    sampler.after_trial(trials, frozen, TrialState.COMPLETE, [1.0])
    assert str(sampler) == "Delegating"


@pytest.mark.parametrize("objectives", [1, 2])
def test_a_part_of_the_space_may_be_sampled(objectives: int) -> None:
    trials = studied(objectives=objectives)
    frozen = trials.history.frozen(trials.start())
    values = TPESampler(seed=1).sample_relative(trials, frozen, {"c": SPACE["c"]})
    assert set(values) == {"c"}
    assert TPESampler(seed=1).sample_relative(trials, frozen, {}) == {}


def test_what_samples_independently_only_has_no_relative_space() -> None:
    trials = studied()
    frozen = trials.history.frozen(trials.start())
    sampler = RandomSampler(seed=1)
    assert sampler.infer_relative_search_space(trials, frozen) == {}
    assert sampler.sample_relative(trials, frozen, SPACE) == {}
    assert sampler.propose(trials.view(), 3) == {}
    assert sampler.observe(trials.view(), frozen, TrialState.COMPLETE, [1.0]) is None


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_constraints_are_put_into_the_trial_after_it() -> None:
    trials = studied()
    frozen = trials.history.frozen(trials.start({"x": 2.0}))
    sampler = TPESampler(constraints_func=lambda trial: (trial.params["x"] - 1.0,))
    sampler.after_trial(trials, frozen, TrialState.COMPLETE, [4.0])
    assert frozen.system_attrs["constraints"] == (1.0,)


def test_a_reseeded_sampler_draws_other_values() -> None:
    view = studied().view()
    sampler = RandomSampler(seed=1)
    before = sampler.draw(view, 0, "x", SPACE["x"])
    assert sampler.draw(view, 0, "x", SPACE["x"]) == before
    sampler.reseed_rng()
    assert sampler.draw(view, 0, "x", SPACE["x"]) != before
