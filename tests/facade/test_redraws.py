"""A user's sampler may ask a built-in one again, until it likes what it gets."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ahpo.distributions import BaseDistribution, FloatDistribution, IntDistribution
from ahpo.samplers import BaseSampler, PartialFixedSampler, RandomSampler, TPESampler
from ahpo.samplers.calls import Calls
from tests.facade.optimized import Optimize
from tests.samplers.trials import MINIMIZE, Trials

SPACE: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1), "n": IntDistribution(0, 9)}


class Choosy(BaseSampler):
    """Take no value twice, and of each pair of proposals the one with the smaller sum."""

    def __init__(self, inner: BaseSampler) -> None:
        self.inner = inner

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        return self.inner.infer_relative_search_space(study, trial)

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        pair = [self.inner.sample_relative(study, trial, search_space) for _ in range(2)]
        assert not pair[0] or pair[0] != pair[1]
        return min(pair, key=lambda params: sum(params.values()))

    def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
        taken = {t.params[name] for t in study.trials if name in t.params}
        for _ in range(1000):
            value = self.inner.sample_independent(study, trial, name, distribution)
            if value not in taken:
                return value
        raise AssertionError(f"a thousand draws of {name}, and nothing but {value}")


def objective(trial: Any) -> float:
    return float(trial.suggest_float("x", 0, 1)) + int(trial.suggest_int("n", 0, 9))


@pytest.mark.parametrize(
    "inner",
    [
        lambda: RandomSampler(seed=0),
        lambda: PartialFixedSampler({"y": 1}, RandomSampler(seed=0)),
        lambda: TPESampler(seed=0, n_startup_trials=4),
        lambda: TPESampler(seed=0, n_startup_trials=4, multivariate=False),
    ],
)
def test_redrawing_gives_new_values_and_is_reproducible(optimize: Optimize, inner: Any) -> None:
    runs = [optimize(objective, 10, sampler=Choosy(inner())) for _ in range(2)]
    found, again = ([t.params for t in study.trials] for study in runs)
    assert found == again
    if isinstance(inner(), RandomSampler):
        assert sorted(params["n"] for params in found) == list(range(10))


def test_a_subclass_may_redraw(optimize: Optimize) -> None:
    class Odd(RandomSampler):
        def sample_independent(self, *args: Any) -> Any:
            while not (value := super().sample_independent(*args)) % 2:
                pass
            return value

    study = optimize(lambda trial: trial.suggest_int("n", 0, 9), 10, sampler=Odd(seed=0))
    assert {t.params["n"] for t in study.trials} <= {1, 3, 5, 7, 9}


def test_how_often_a_trial_asks_makes_no_difference_to_others() -> None:
    """Nor to other names, samplers and studies."""
    sampler, trials, elsewhere = RandomSampler(seed=0), Trials(SPACE, [MINIMIZE]), Trials(SPACE)
    one, two = (trials.history.frozen(trials.start()) for _ in range(2))

    def ask(trial: Any, name: str, study: Any = trials, of: BaseSampler = sampler) -> Any:
        return of.sample_independent(study, trial, name, SPACE["x"])

    first = ask(one, "x")
    several = [ask(one, "x") for _ in range(20)]
    assert len({first, *several}) == 21
    other = elsewhere.history.frozen(elsewhere.start())
    for trial, name, study, of, expected in (
        (two, "x", trials, sampler, RandomSampler(seed=0)),
        (one, "y", trials, sampler, RandomSampler(seed=0)),
        (one, "x", trials, RandomSampler(seed=0), RandomSampler(seed=0)),
        (other, "x", elsewhere, sampler, RandomSampler(seed=0)),
    ):
        drawn = expected.draw(study.view(), trial.number, name, SPACE["x"])
        assert ask(trial, name, study, of) == drawn
    assert first == sampler.draw(trials.view(), 0, "x", SPACE["x"])


def test_asking_jointly_again_gives_other_values() -> None:
    trials = Trials(SPACE, [MINIMIZE])
    for position in range(8):
        trials.add({"x": position / 8, "n": position}, float(position))
    trial = trials.history.frozen(trials.start())
    sampler = TPESampler(seed=0, n_startup_trials=4)
    found = [sampler.sample_relative(trials, trial, SPACE)["x"] for _ in range(5)]
    assert len(set(found)) == 5
    assert found[0] == sampler.propose_within(trials.view(), trial.number, SPACE)["x"]


def test_a_sampler_without_a_seed_serves_several_studies(optimize: Optimize) -> None:
    """Within a user's sampler, too, each study gets trials of its own."""
    inner = RandomSampler()
    first, second = (optimize(objective, 2, sampler=Choosy(inner)).trials for _ in range(2))
    assert first[0].params != second[0].params


def test_calls_are_forgotten() -> None:
    """In the end, but not as long as they go on."""
    calls, often = Calls(), 0
    for number in range(100_000):
        assert calls.count(number) == 0
        if number % 100 == 0:
            assert calls.count("often") == often
            often += 1
    assert len(calls._recent) + len(calls._before) < 3000


def test_calls_are_counted_as_by_a_counter() -> None:
    calls, expected, rng = Calls(), dict.fromkeys(range(50), 0), random.Random(0)
    for _ in range(5000):
        key = rng.randrange(50)
        assert calls.count(key) == expected[key]
        expected[key] += 1
