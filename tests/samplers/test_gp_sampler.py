"""GPSampler: its arguments, what it learns from, and what it does where little can be learned."""

from __future__ import annotations

import csv
import threading
import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy.stats import kstest

import ahpo
from ahpo import aio
from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.history.view import View
from ahpo.samplers import BaseSampler, GPSampler, PartialFixedSampler, RandomSampler
from ahpo.states import TrialState
from tests.samplers.spaces import EVERY_KIND, PLANE, bowl, of_every_kind
from tests.samplers.trials import MAXIMIZE, MINIMIZE, Space, Trials

GOLDEN = Path(__file__).with_name("golden_gp.csv")


def quiet_gp(**arguments: Any) -> GPSampler:
    return GPSampler(warn_independent_sampling=False, **arguments)


# -- arguments ------------------------------------------------------------------------------


def test_constraints_func_is_deprecated() -> None:
    with pytest.warns(FutureWarning, match="`constraints_func` is deprecated"):
        GPSampler(constraints_func=lambda trial: (0.0,))


def test_an_independent_sampler_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="`independent_sampler` must be a BaseSampler"):
        GPSampler(independent_sampler=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("n_startup_trials", [0, 1, 2, 30])
def test_any_number_of_startup_trials_is_accepted(n_startup_trials: int) -> None:
    trials = Trials(PLANE)
    sampler = GPSampler(seed=0, n_startup_trials=n_startup_trials)
    trials.run(sampler, bowl, 5)
    proposed = sampler.propose(View(trials.history), trials.start())
    assert bool(proposed) is (n_startup_trials <= 5)


def test_first_trials_are_spread_evenly() -> None:
    trials = Trials(PLANE)
    trials.run(GPSampler(seed=0, n_startup_trials=64), bowl, 64)
    points = np.array([[trials.params(number)[name] for name in "xy"] for number in range(64)])
    cells = np.floor((points + 5.0) / 10.0 * [8, 3]).astype(int)
    assert len(np.unique(cells[:, 0] * 3 + cells[:, 1])) == 24


def test_first_values_over_seeds_are_uniform() -> None:
    found = [Trials(PLANE).run(GPSampler(seed=seed), bowl, 3)[2]["y"] for seed in range(300)]
    assert kstest(found, "uniform", (-5.0, 10.0)).pvalue > 1e-3


class Lowest(BaseSampler):
    """Be a sampler that a user wrote."""

    def infer_relative_search_space(self, study: Any, trial: Any) -> Space:
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Space) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Any, trial: Any, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        assert isinstance(param_distribution, FloatDistribution)
        return param_distribution.low


@pytest.mark.parametrize("independent", [Lowest(), RandomSampler(seed=5)])
def test_independent_sampler_samples_the_first_trials(independent: BaseSampler) -> None:
    def objective(trial: Any) -> float:
        return float(trial.suggest_float("x", -1.0, 1.0) ** 2)

    def first_values(sampler: BaseSampler) -> list[float]:
        study = ahpo.create_study(sampler=sampler)
        study.optimize(objective, n_trials=6)
        return [trial.params["x"] for trial in study.trials]

    found = first_values(GPSampler(seed=0, n_startup_trials=4, independent_sampler=independent))
    assert found[:4] == first_values(independent)[:4]
    assert found[4:] != first_values(independent)[4:6]


def conditional(trial: Any) -> float:
    x = trial.suggest_float("x", -1.0, 1.0)
    extra = trial.suggest_float("extra", 0.0, 1.0) if trial.number % 2 else 0.0
    return float(x * x + extra)


def test_parameters_that_not_all_trials_have_are_sampled_by_themselves_with_a_warning() -> None:
    study = ahpo.create_study(sampler=GPSampler(seed=0, n_startup_trials=4))
    with pytest.warns(UserWarning, match="'extra' is sampled by itself, not by the model"):
        study.optimize(conditional, n_trials=12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study.sampler = quiet_gp(seed=0, n_startup_trials=4)
        study.optimize(conditional, n_trials=4)


def test_first_trials_are_sampled_by_themselves_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Trials(PLANE).run(GPSampler(seed=0), bowl, 14)


# -- what it learns from --------------------------------------------------------------------


def test_same_seed_gives_the_same_trials_and_another_one_others() -> None:
    first, again, other = (Trials(PLANE).run(GPSampler(seed=seed), bowl, 18) for seed in (0, 0, 1))
    assert first == again
    assert first[12:] != other[12:]


@pytest.mark.parametrize("odd", ["", "infinite", "pruned", "constrained"])
def test_suggestions_do_not_depend_on_what_was_computed_before(odd: str) -> None:
    """A study that is resumed has no cache."""
    trials = Trials(EVERY_KIND)
    sampler = GPSampler(seed=0)
    for place in range(43):  # after the last fit, which comes every other time by then
        number = trials.ask(sampler)
        loss = of_every_kind(trials.params(number))
        if odd == "infinite" and place % 7 == 0:
            loss = np.inf
        if odd == "constrained":
            constraint = f"constraints:{'ab'[place % 2]}"
            trials.history.open_trial(number).system_attrs[constraint] = loss - 5.0
        if odd == "pruned" and place % 3 == 0:
            trials.end(number, state=TrialState.PRUNED, reports={1: loss - 3.0})
        else:
            trials.end(number, loss)
    number = trials.start()
    with_cache = GPSampler(seed=0).propose(View(trials.history), number)
    trials.history.cache.clear()
    assert GPSampler(seed=0).propose(View(trials.history), number) == with_cache


def test_maximizing_is_minimizing_the_negative() -> None:
    down = Trials(PLANE).run(GPSampler(seed=0), bowl, 20)
    up = Trials(PLANE, [MAXIMIZE]).run(GPSampler(seed=0), lambda params: -bowl(params), 20)
    assert up == down


def test_pending_trials_are_kept_away_from() -> None:
    trials = Trials(PLANE)
    sampler = GPSampler(seed=0)
    trials.run(sampler, bowl, 15)
    points = [trials.params(trials.ask(sampler)) for _ in range(8)]
    for place, point in enumerate(points):
        for other in points[:place]:
            assert np.hypot(point["x"] - other["x"], point["y"] - other["y"]) > 1e-4


def test_a_batch_of_discrete_points_is_distinct() -> None:
    space: Space = {"n": IntDistribution(0, 4), "c": CategoricalDistribution("abcd")}
    trials = Trials(space)
    sampler = GPSampler(seed=0, n_startup_trials=5)
    trials.run(sampler, lambda params: float(params["n"]), 5)
    known = {tuple(trials.params(number).values()) for number in range(5)}
    batch = [tuple(trials.params(trials.ask(sampler)).values()) for _ in range(20 - len(known))]
    assert len({*batch, *known}) == 20


def test_a_batch_from_nothing_uses_the_first_that_finish() -> None:
    trials = Trials(PLANE)
    sampler = GPSampler(seed=0, n_startup_trials=10)
    asked = [trials.ask(sampler) for _ in range(12)]
    for number in asked[:3]:
        trials.end(number, bowl(trials.params(number)))
    assert sampler.propose(View(trials.history), trials.start())


def test_places_where_trials_failed_are_kept_away_from() -> None:
    trials = Trials(PLANE)
    sampler = GPSampler(seed=0)
    trials.run(sampler, bowl, 15)
    found = []
    for _ in range(6):
        number = trials.ask(sampler)
        found.append(trials.params(number))
        trials.end(number, state=TrialState.FAIL)
    points = np.array([[params["x"], params["y"]] for params in found])
    apart = np.sqrt(((points[:, None] - points) ** 2).sum(axis=2))
    assert apart[np.triu_indices(6, 1)].min() > 1e-4


def test_pruned_trials_count_as_no_better_than_the_median() -> None:
    trials = Trials(PLANE)
    sampler = GPSampler(seed=0)
    trials.run(sampler, bowl, 14)
    for x in (-4.5, -4.0, -3.5, -3.0):
        number = trials.start({"x": x, "y": 4.0})
        trials.end(number, state=TrialState.PRUNED, reports={1: -1e3})
    proposal = sampler.propose(View(trials.history), trials.start())
    assert proposal["x"] > -2.0


def test_other_ranges_than_those_of_the_space_do_not_count() -> None:
    trials = Trials(PLANE)
    sampler = GPSampler(seed=0)
    trials.run(sampler, bowl, 14)
    wide: Space = {"x": FloatDistribution(-50.0, 50.0), "y": PLANE["y"]}
    trials.add({"x": 40.0, "y": 0.0}, 5.0, space=wide)
    assert set(sampler.propose(View(trials.history), trials.start())) == {"y"}


def test_views_of_some_rows_have_no_cache_and_give_what_these_rows_say() -> None:
    trials = Trials(PLANE)
    sampler = GPSampler(seed=0)
    trials.run(sampler, bowl, 30)
    number = trials.start()
    view = View(trials.history)
    part = sampler.propose(view.select(np.arange(20)), number)
    assert part == sampler.propose(view.select(np.arange(20)), number)
    assert part != sampler.propose(view, number)


class Noting(GPSampler):
    """Note in which threads it proposes."""

    threads: ClassVar[set[int]] = set()

    def propose_within(self, view: View, number: int, space: Space) -> dict[str, float]:
        self.threads.add(threading.get_ident())
        return super().propose_within(view, number, space)


@pytest.mark.asyncio
@pytest.mark.parametrize("fixed", [False, True])
async def test_no_event_loop_waits_for_it(fixed: bool) -> None:
    """Neither for its first computation, before which all trials took no time to speak of."""
    Noting.threads.clear()
    sampler: BaseSampler = Noting(seed=0, n_startup_trials=4)
    if fixed:
        sampler = PartialFixedSampler({"y": 0.0}, sampler)
    async with aio.create_study(sampler=sampler) as study:
        await study.optimize(
            lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1),
            n_trials=6,
        )
    assert Noting.threads
    assert threading.get_ident() not in Noting.threads


# -- little to learn ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        [1.0],
        [3.0] * 12,
        [np.inf] * 12,
        [-np.inf] * 12,
        [np.inf, 1.0, -np.inf, 2.0, 0.5, np.inf] * 2,
        [1e300, -1e300, 0.0, 1.0] * 3,
        [1e-300, 2e-300, 0.0] * 4,
        list(range(12)),
    ],
)
@pytest.mark.parametrize("same_place", [False, True])
def test_degenerate_losses_do_not_break_it(values: list[float], same_place: bool) -> None:
    trials = Trials(PLANE)
    rng = np.random.default_rng(0)
    for value in values:
        point = np.zeros(2) if same_place else rng.uniform(-5, 5, 2)
        trials.add({"x": float(point[0]), "y": float(point[1])}, float(value))
    proposal = GPSampler(seed=0, n_startup_trials=1).propose(View(trials.history), trials.start())
    assert set(proposal) == {"x", "y"}
    assert all(PLANE[name]._contains(value) for name, value in proposal.items())


@pytest.mark.parametrize("deterministic", [False, True])
def test_many_doubles_do_not_break_it(deterministic: bool) -> None:
    trials = Trials(PLANE)
    for at in range(60):
        trials.add({"x": 1.0 + 1e-9 * (at % 3), "y": float(at % 2)}, float(at % 5))
    sampler = GPSampler(seed=0, deterministic_objective=deterministic)
    assert sampler.propose(View(trials.history), trials.start())


def test_when_all_values_were_tried_it_goes_on() -> None:
    space: Space = {"n": IntDistribution(0, 2), "c": CategoricalDistribution((1, 2))}
    found = Trials(space).run(
        GPSampler(seed=0, n_startup_trials=3), lambda params: float(params["n"] + params["c"]), 25
    )
    assert len({tuple(params.values()) for params in found}) == 6


def test_a_choice_of_one_and_a_range_of_one_are_left_to_the_study() -> None:
    space: Space = {
        "one": CategoricalDistribution(("a",)),
        "n": IntDistribution(3, 3),
        **PLANE,
    }
    found = Trials(space).run(GPSampler(seed=0, n_startup_trials=3), bowl, 8)
    assert {(params["one"], params["n"]) for params in found} == {("a", 3)}


def test_a_space_of_every_kind_is_sampled_in_range() -> None:
    trials = Trials(EVERY_KIND)
    sampler = GPSampler(seed=0, n_startup_trials=5)
    trials.run(sampler, of_every_kind, 12)
    proposal = sampler.propose(View(trials.history), trials.start())
    assert set(proposal) == set(EVERY_KIND)
    assert all(EVERY_KIND[name]._contains(value) for name, value in proposal.items())


def test_a_long_history_is_learned_from_in_part() -> None:
    trials = Trials(PLANE)
    rng = np.random.default_rng(0)
    for x, y in rng.uniform(-5, 5, (1500, 2)).tolist():
        trials.add({"x": x, "y": y}, bowl({"x": x, "y": y}))
    proposal = GPSampler(seed=0).propose(View(trials.history), trials.start())
    assert bowl(proposal) < 0.1


# -- constraints ----------------------------------------------------------------------------


def test_constraints_of_both_forms_count() -> None:
    def broken(params: dict[str, Any]) -> float:
        return float(1.0 - params["x"])  # x must be at least 1

    proposals = []
    for form in ("listed", "named"):
        trials = Trials(PLANE)
        rng = np.random.default_rng(1)
        for x, y in rng.uniform(-5, 5, (25, 2)).tolist():
            params = {"x": x, "y": y}
            value = broken(params)
            attrs = {"constraints": [value]} if form == "listed" else {"constraints:c": value}
            trials.add(params, x * x + y * y, attrs=attrs)
        proposals.append(GPSampler(seed=0).propose(View(trials.history), trials.start()))
    assert proposals[0] == pytest.approx(proposals[1])
    assert 0.5 < proposals[0]["x"] < 2.0


def test_without_a_feasible_trial_it_looks_for_one() -> None:
    trials = Trials(PLANE)
    rng = np.random.default_rng(1)
    for x, y in rng.uniform(-5, 3, (20, 2)).tolist():
        trials.add({"x": x, "y": y}, x, attrs={"constraints": [4.0 - x, 4.0 - y]})
    proposal = GPSampler(seed=0).propose(View(trials.history), trials.start())
    assert min(proposal["x"], proposal["y"]) > 3.0


def test_trials_that_lack_constraints_or_values_of_them_are_no_error() -> None:
    trials = Trials(PLANE)
    rng = np.random.default_rng(1)
    for place, (x, y) in enumerate(rng.uniform(-5, 5, (20, 2)).tolist()):
        attrs = [{"constraints:a": x}, {"constraints:b": -np.inf, "constraints:a": np.inf}, {}]
        trials.add({"x": x, "y": y}, x, attrs=attrs[place % 3])
    assert GPSampler(seed=0).propose(View(trials.history), trials.start())


def test_constraints_func_is_called_for_trials_that_did_not_fail() -> None:
    with pytest.warns(FutureWarning):
        sampler = GPSampler(seed=0, constraints_func=lambda trial: (trial.params["x"] - 0.5,))
    study = ahpo.create_study(sampler=sampler)
    study.optimize(lambda trial: -trial.suggest_float("x", 0.0, 1.0), n_trials=25)
    assert all("constraints" in trial.system_attrs for trial in study.trials)
    assert 0.45 < study.best_trial.params["x"] <= 0.5


# -- golden ---------------------------------------------------------------------------------


def test_seeded_suggestions_are_those_of_the_golden_file() -> None:
    """Up to rounding, which may differ between builds of BLAS."""
    with GOLDEN.open(newline="") as file:
        expected = [
            {name: float(value) for name, value in row.items()} for row in csv.DictReader(file)
        ]
    assert len(expected) == 16
    trials = Trials(PLANE)
    sampler = GPSampler(seed=0)
    for row in expected:
        trials.ask(sampler)
        number = trials.history.n_trials - 1
        assert trials.params(number) == pytest.approx(row, abs=5e-3)
        # The next suggestion follows from the file, so that differences do not add up.
        trials.end(number, bowl(row))


def both(params: dict[str, Any]) -> list[float]:
    return [params["x"] ** 2 + params["y"] ** 2, (params["x"] - 2) ** 2 + params["y"] ** 2]


def test_several_objectives_with_pending_and_failed_trials() -> None:
    trials = Trials(PLANE, [MINIMIZE, MAXIMIZE])
    sampler = GPSampler(seed=0)
    trials.run(sampler, both, 12)
    trials.end(trials.ask(sampler), state=TrialState.FAIL)
    batch = [trials.params(trials.ask(sampler)) for _ in range(5)]
    assert len({tuple(params.values()) for params in batch}) == 5
