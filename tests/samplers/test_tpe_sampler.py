"""TPESampler: its arguments, what it learns from, and that it finds what it looks for."""

from __future__ import annotations

import csv
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ahpo.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.exceptions import ExperimentalWarning
from ahpo.history.view import View
from ahpo.samplers import RandomSampler, TPESampler
from ahpo.states import TrialState
from tests.samplers.spaces import EVERY_KIND, PLANE, bowl, of_every_kind, random_params
from tests.samplers.trials import MAXIMIZE, MINIMIZE, Space, Trials

GOLDEN = Path(__file__).with_name("golden_tpe.csv")
# -- arguments ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("consider_prior", True),
        ("prior_weight", 1.0),
        ("consider_magic_clip", True),
        ("consider_endpoints", False),
        ("gamma", lambda n: n),
        ("weights", np.ones),
        ("warn_independent_sampling", False),
        ("constraints_func", lambda trial: (0.0,)),
    ],
)
def test_deprecated_arguments_warn(argument: str, value: Any) -> None:
    with pytest.warns(FutureWarning, match=f"`{argument}` is deprecated"):
        TPESampler(**{argument: value})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_ei_candidates": 0}, "`n_ei_candidates` must be at least 1, but it is 0"),
        ({"group": True, "multivariate": False}, "`group` must be False when `multivariate`"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TPESampler(**arguments)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_a_negative_prior_weight_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="`prior_weight` must not be negative"):
        TPESampler(prior_weight=weight)


def test_group_is_experimental() -> None:
    with pytest.warns(ExperimentalWarning, match="`group` is experimental"):
        TPESampler(group=True)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_parameters_of_hyperopt_are_accepted() -> None:
    parameters = TPESampler.hyperopt_parameters()
    assert parameters["n_startup_trials"] == 20
    assert [parameters["gamma"](n) for n in (1, 16, 17, 100, 10_000, 40_000)] == [
        1,
        1,
        2,
        3,
        25,
        25,
    ]
    assert parameters["weights"](27)[:3] == pytest.approx([1 / 27, 1.0, 1.0])
    trials = Trials(PLANE)
    assert len(trials.run(TPESampler(seed=0, **parameters), bowl, 30)) == 30


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (lambda n: [-1.0] * n, "not negative"),
        (lambda n: [0.0] * n, "not all zero"),
        (lambda n: [float("nan")] * n, "finite weights"),
        (lambda n: [1.0] * (n + 1), "one weight for each of"),
        (lambda n: 1.0, r"one weight for each of 1 trials, but it returned an array of shape \(\)"),
    ],
)
def test_bad_weights_are_refused(weights: Callable[[int], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Trials(PLANE).run(TPESampler(weights=weights, n_startup_trials=3), bowl, 5)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "arguments",
    [
        {"n_startup_trials": 0},
        {"n_ei_candidates": 1},
        {"prior_weight": 0.0},
        {"gamma": lambda n: 0, "prior_weight": 0.0},
        {"gamma": lambda n: n + 5},
        {"gamma": lambda n: n // 2},
        {"weights": lambda n: np.arange(n) + 1.0},
        {"consider_magic_clip": False},
        {"consider_endpoints": True},
        {"constant_liar": False},
    ],
)
@pytest.mark.parametrize("multivariate", [True, False])
def test_any_arguments_give_values_in_range(arguments: dict[str, Any], multivariate: bool) -> None:
    trials = Trials(EVERY_KIND)
    sampler = TPESampler(seed=1, multivariate=multivariate, **arguments)
    for params in trials.run(sampler, of_every_kind, 40):
        for name, value in params.items():
            distribution = EVERY_KIND[name]
            assert distribution._contains(distribution.to_internal_repr(value))


# -- what it learns from --------------------------------------------------------------------


def suggestion(trials: Trials, sampler: TPESampler, number: int = 1000) -> dict[str, float]:
    """Return what a sampler proposes for a trial of some number."""
    return sampler.propose(trials.view(), number)


def middle_of(trials: Trials, name: str, n: int = 60, **arguments: Any) -> float:
    """Return the median of what n trials would be given."""
    sampler = TPESampler(seed=0, n_startup_trials=1, **arguments)
    return float(np.median([suggestion(trials, sampler, 1000 + i)[name] for i in range(n)]))


def around(trials: Trials, target: float, n: int = 60, offset: float = 0.0, **more: Any) -> None:
    """Add trials all over a line, with their distances from a target as values."""
    for x in np.linspace(-5.0, 5.0, n).tolist():
        trials.add({"x": x}, abs(x - target) + offset, **more)


LINE: Space = {"x": FloatDistribution(-5.0, 5.0)}


@pytest.mark.parametrize("multivariate", [True, False])
def test_it_suggests_what_is_near_good_values(multivariate: bool) -> None:
    lowest, highest = Trials(LINE, [MINIMIZE]), Trials(LINE, [MAXIMIZE])
    around(lowest, 3.0)
    around(highest, 1.0)  # the farthest from there is -5
    assert middle_of(lowest, "x", multivariate=multivariate) == pytest.approx(3.0, abs=0.4)
    assert middle_of(highest, "x", multivariate=multivariate) == pytest.approx(-5.0, abs=0.6)


def test_trials_that_break_constraints_are_not_good() -> None:
    trials = Trials(LINE)
    around(trials, 3.0, attrs={"constraints": [0.5]})
    around(trials, -3.0, offset=20.0)
    assert middle_of(trials, "x") == pytest.approx(-3.0, abs=0.4)


def test_pruned_trials_count_after_complete_ones() -> None:
    trials = Trials(LINE)
    for x in np.linspace(-5.0, 5.0, 60).tolist():
        for step, target in ((5, 3.0), (2, -3.0)):
            trials.add(
                {"x": x}, state=TrialState.PRUNED, reports={step: abs(x - target) - 9 / step}
            )
    assert middle_of(trials, "x") == pytest.approx(3.0, abs=0.4)
    around(trials, 0.0, offset=50.0)
    assert middle_of(trials, "x") == pytest.approx(0.0, abs=0.7)


def test_failed_trials_teach_nothing() -> None:
    trials = Trials(LINE)
    around(trials, 3.0)
    sampler = TPESampler(seed=0)
    before = suggestion(trials, sampler)
    for _ in range(5):
        trials.add({"x": 3.0}, state=TrialState.FAIL)
    assert suggestion(trials, sampler) == pytest.approx(before)


@pytest.mark.parametrize("multivariate", [True, False])
def test_running_trials_are_kept_away_from_unless_told_otherwise(multivariate: bool) -> None:
    trials = Trials(LINE)
    around(trials, 3.0)
    sampler = TPESampler(seed=0, multivariate=multivariate)
    deaf = TPESampler(seed=0, multivariate=multivariate, constant_liar=False)
    points = {n: suggestion(trials, sampler, n)["x"] for n in range(1000, 1040)}
    for _ in range(20):
        trials.start({"x": points[1000]})

    def distance(n: int) -> float:
        return abs(suggestion(trials, sampler, n)["x"] - points[1000])

    before = [abs(point - points[1000]) for point in points.values()]
    assert np.median([distance(n) for n in points]) > 1.5 * np.median(before)
    assert all(suggestion(trials, deaf, n)["x"] == points[n] for n in points)


def test_what_was_proposed_to_a_running_trial_counts_before_it_is_suggested() -> None:
    trials = Trials(LINE)
    around(trials, 3.0)
    sampler = TPESampler(seed=0)
    before = suggestion(trials, sampler)
    for _ in range(30):
        trials.history.open_trial(trials.start()).proposal = dict(before)
    after = suggestion(trials, sampler)
    assert after != pytest.approx(before)
    # An enqueued trial gets other values than those proposed: it counts when they are known.
    enqueued = Trials(LINE)
    around(enqueued, 3.0)
    for _ in range(30):
        number = enqueued.start(attrs={"fixed_params": {"x": 0.0}})
        enqueued.history.open_trial(number).proposal = dict(before)
    assert suggestion(enqueued, sampler) == pytest.approx(before)


def test_it_starts_at_random_and_failed_trials_do_not_count() -> None:
    trials = Trials(PLANE)
    tpe, random = TPESampler(seed=3, n_startup_trials=5), RandomSampler(seed=3)
    for number in range(4):
        trials.add({"x": 1.0 * number, "y": 0.0}, 0.0)
    trials.add({"x": 0.0, "y": 0.0}, state=TrialState.FAIL)
    view = trials.view()
    assert tpe.propose(view, 5) == {}
    drawn = [tpe.draw(view, 5, name, PLANE[name]) for name in PLANE]
    assert drawn == [random.draw(view, 5, name, PLANE[name]) for name in PLANE]
    trials.add({"x": 2.0, "y": 0.0}, 0.0)
    assert set(tpe.propose(trials.view(), 6)) == {"x", "y"}


def test_joint_sampling_sees_that_parameters_depend_on_each_other() -> None:
    rng = np.random.default_rng(0)
    trials = Trials(PLANE)
    for x, y in rng.uniform(-5, 5, (300, 2)).tolist():
        trials.add({"x": x, "y": y}, abs(x - y) + 0.1 * abs(x))

    def miss(multivariate: bool) -> float:
        sampler = TPESampler(seed=0, multivariate=multivariate)
        found = [suggestion(trials, sampler, 1000 + i) for i in range(60)]
        return float(np.mean([abs(params["x"] - params["y"]) for params in found]))

    assert miss(True) < 0.7 * miss(False)


def test_parameters_that_not_all_trials_have_are_sampled_by_themselves() -> None:
    trials = Trials({**LINE, "z": FloatDistribution(0.0, 1.0)})
    rng = np.random.default_rng(0)
    for position in range(30):
        x = float(rng.uniform(-5, 5))
        z = float(rng.random())
        trials.add({"x": x, "z": z} if position % 2 else {"x": x}, abs(z - 0.9))
    sampler = TPESampler(seed=0)
    assert set(suggestion(trials, sampler)) == {"x"}
    view, of_z = trials.view(), trials.space["z"]
    drawn = [sampler.draw(view, 100 + i, "z", of_z) for i in range(50)]
    assert np.mean(drawn) > 0.6
    with pytest.warns(FutureWarning):
        told = TPESampler(seed=0, multivariate=True, warn_independent_sampling=True)
    with pytest.warns(UserWarning, match="'z' of trial 7 is sampled by itself"):
        told.draw(view, 7, "z", of_z)


@pytest.mark.filterwarnings("ignore::ahpo.exceptions.ExperimentalWarning")
def test_groups_are_sampled_jointly_each() -> None:
    space: Space = {
        "kind": CategoricalDistribution(("a", "b")),
        "a1": FloatDistribution(0.0, 1.0),
        "a2": FloatDistribution(0.0, 1.0),
        "b1": IntDistribution(1, 100, log=True),
        "fixed": FloatDistribution(1.0, 1.0),
    }
    trials = Trials(space)
    rng = np.random.default_rng(0)
    for position in range(40):
        if position % 2:
            u, v = rng.random(2).tolist()
            params = {"kind": "a", "a1": u, "a2": v}
            trials.add({**params, "fixed": 1.0}, abs(u - v))
        else:
            trials.add({"kind": "b", "b1": int(rng.integers(1, 101))}, 1.0 + rng.random())
    sampler = TPESampler(seed=0, group=True)
    found = [suggestion(trials, sampler, 1000 + i) for i in range(40)]
    assert all(set(params) == {"kind", "a1", "a2", "b1"} for params in found)
    assert np.mean([abs(params["a1"] - params["a2"]) for params in found]) < 0.2
    assert np.mean([params["kind"] == 0.0 for params in found]) > 0.7
    assert sampler.relative_space(trials.view()).keys() == {"kind", "a1", "a2", "b1"}


def test_ranges_may_change_from_trial_to_trial() -> None:
    trials = Trials(LINE)
    sampler = TPESampler(seed=0, n_startup_trials=3)
    rng = np.random.default_rng(0)
    for number in range(30):
        high = float(1 + rng.integers(5))
        space: Space = {"x": FloatDistribution(0.0, high), "n": IntDistribution(1, 2 + number)}
        asked = trials.ask(sampler, space)
        params = trials.params(asked)
        assert 0.0 <= params["x"] <= high
        assert 1 <= params["n"] <= 2 + number
        trials.end(asked, abs(params["x"] - 0.5))
    drawn = [
        sampler.draw(trials.view(), 100 + i, "x", FloatDistribution(0.0, 2.0)) for i in range(40)
    ]
    assert np.mean(np.abs(np.array(drawn) - 0.5)) < 0.4


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_constraints_of_a_function_are_observed() -> None:
    sampler = TPESampler(constraints_func=lambda trial: [trial.params["x"] - 1, -2])
    trials = Trials(LINE)
    number = trials.add({"x": 3.5}, 1.0)
    frozen = trials.history.frozen(number)
    view = trials.view()
    expected = {"constraints": (2.5, -2.0)}
    assert sampler.observe(view, frozen, TrialState.COMPLETE, [1.0]) == expected
    assert sampler.observe(view, frozen, TrialState.PRUNED, None) == expected
    assert sampler.observe(view, frozen, TrialState.FAIL, None) is None
    assert TPESampler().observe(view, frozen, TrialState.COMPLETE, [1.0]) is None


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (1.0, TypeError, "`constraints_func` must return a sequence of floats, but for trial 0"),
        (["a"], TypeError, "`constraints_func` must return a sequence of floats"),
        ([float("nan")], ValueError, "`constraints_func` must not return NaN"),
    ],
)
def test_bad_constraints_are_refused(returned: Any, error: type[Exception], message: str) -> None:
    sampler = TPESampler(constraints_func=lambda trial: returned)
    trials = Trials(LINE)
    frozen = trials.history.frozen(trials.add({"x": 1.0}, 1.0))
    with pytest.raises(error, match=message):
        sampler.observe(trials.view(), frozen, TrialState.COMPLETE, [1.0])


# -- the same, whoever asks and whenever ----------------------------------------------------


def filled(n: int = 60, objectives: int = 1) -> Trials:
    """Return a study of n trials of every kind of parameter."""
    rng = np.random.default_rng(0)
    trials = Trials(EVERY_KIND, [MINIMIZE] * objectives)
    for _ in range(n):
        params = random_params(rng)
        loss = of_every_kind(params)
        trials.add(params, *[loss, -loss + rng.random()][:objectives])
    return trials


@pytest.mark.parametrize("objectives", [1, 2])
def test_what_is_cached_never_shows(objectives: int) -> None:
    trials = filled(40, objectives)
    sampler = TPESampler(seed=0)
    rng = np.random.default_rng(1)
    views: list[tuple[View, dict[str, float]]] = []
    for _ in range(60):
        view = trials.view()
        cached = sampler.propose(view, 1000)
        assert sampler.propose(view.select(np.arange(view.n)), 1000) == cached
        views.append((view, cached))
        params = random_params(rng)
        loss = of_every_kind(params)
        trials.add(params, *[loss - 10 * rng.random(), rng.random()][:objectives])
    # Nor is an old view disturbed by what came after it.
    for view, cached in views:
        assert sampler.propose(view, 1000) == cached


@pytest.mark.parametrize("multivariate", [True, False])
def test_running_trials_count_the_same_however_they_became_known(multivariate: bool) -> None:
    trials = filled(40)
    sampler = TPESampler(seed=0, multivariate=multivariate)
    rng = np.random.default_rng(1)
    running: list[int] = []
    proposals = [sampler.propose(trials.view(), 900 + i) for i in range(60)]
    for proposal in proposals:
        number = trials.start()
        if rng.random() < 0.7:
            trials.history.open_trial(number).proposal = proposal
        running.append(number)
        if rng.random() < 0.4:
            late = trials.history.open_trial(running[int(rng.integers(len(running)))])
            late.proposal = late.proposal or proposal
        if rng.random() < 0.3:
            ended = running.pop(int(rng.integers(len(running))))
            trials.end(ended, 1.0, state=TrialState.FAIL)
        view = trials.view()
        fresh = sampler.propose(view.select(np.arange(view.n)), 1000)
        assert sampler.propose(view, 1000) == fresh


def test_threads_that_ask_at_once_get_what_one_gets() -> None:
    trials = filled(80)
    sampler = TPESampler(seed=0)
    expected = [sampler.propose(trials.view(), number) for number in range(200, 240)]
    fresh = filled(80)
    for row in range(3):
        fresh.history.cache.clear()
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda n: sampler.propose(fresh.view(), n), range(200, 240)))
        assert found == expected, row


def test_a_seed_gives_the_same_trials_again() -> None:
    first = Trials(EVERY_KIND).run(TPESampler(seed=4), of_every_kind, 25)
    assert Trials(EVERY_KIND).run(TPESampler(seed=4), of_every_kind, 25) == first
    assert Trials(EVERY_KIND).run(TPESampler(seed=5), of_every_kind, 25) != first


def test_a_pickled_sampler_goes_on_as_if_nothing_had_happened() -> None:
    sampler = TPESampler(seed=4)
    trials = filled()
    copy = pickle.loads(pickle.dumps(sampler))
    assert suggestion(trials, copy) == suggestion(trials, sampler)


def test_suggestions_are_those_on_record() -> None:
    with GOLDEN.open(newline="") as file:
        recorded = list(csv.DictReader(file))
    found = Trials(EVERY_KIND).run(TPESampler(seed=11), of_every_kind, len(recorded))
    for expected, params in zip(recorded, found, strict=True):
        for name, text in expected.items():
            value = params[name]
            if isinstance(value, float):
                assert value == pytest.approx(float(text), rel=1e-6), name
            else:
                assert str(value) == text, name
