"""The parts of CmaEsSampler: coordinates, optimizers, generations, restarts."""

from __future__ import annotations

import math
import pickle
from typing import Any

import cmaes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.distributions import FloatDistribution, IntDistribution
from ahpo.history.view import View
from ahpo.samplers import CmaEsSampler, RandomSampler
from ahpo.samplers.cmaes.box import Box, numeric
from ahpo.samplers.cmaes.generations import MARK, Generation, Rules, advanced
from ahpo.samplers.cmaes.optimizers import Start, clipped, copied, make, narrowed, sampled, shape_of
from ahpo.samplers.cmaes.restarts import Restarts
from ahpo.streams import Stream
from ahpo.testing.problems import distributions_drawn
from tests.samplers.spaces import EVERY_KIND, PLANE, bowl
from tests.samplers.trials import Space, Trials

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ahpo.exceptions.ExperimentalWarning"),
]

NUMBERS: Space = {name: kind for name, kind in EVERY_KIND.items() if numeric(kind)}
KINDS = {"full": {}, "separable": {"separable": True}, "margin": {"margin": True}}


# -- coordinates ----------------------------------------------------------------------------


@given(st.data(), st.booleans())
def test_coordinates_give_the_value_they_are_of(data: st.DataObject, with_margin: bool) -> None:
    drawn = distributions_drawn(finite=False).filter(numeric)
    box = Box({"p": data.draw(drawn)}, with_margin)
    (value,) = box.decode([data.draw(st.floats(-0.5, 1.5))]).values()
    assert box.distributions[0]._contains(value)
    point = box.encode_point({"p": value})
    assert point is not None
    assert -1e-9 <= point[0] <= 1.0 + 1e-9
    (again,) = box.decode(point.tolist()).values()
    assert again == pytest.approx(value, rel=1e-6, abs=1e-6)


def test_cells_have_equal_shares_of_the_range() -> None:
    box = Box({"i": IntDistribution(1, 4), "s": FloatDistribution(0.0, 1.0, step=0.25)}, False)
    units = (np.arange(1000) + 0.5) / 1000
    values = [box.decode([u, u]) for u in units]
    assert np.unique([v["i"] for v in values], return_counts=True)[1].tolist() == [250] * 4
    assert np.unique([v["s"] for v in values], return_counts=True)[1].tolist() == [200] * 5


def test_with_margin_the_ends_of_the_range_are_values() -> None:
    box = Box({"i": IntDistribution(1, 5), "l": IntDistribution(1, 5, log=True)}, True)
    assert box.stepped.tolist() == [0]
    assert box.steps.tolist() == [0.25, 0.0]
    assert [box.decode([u, 0.5])["i"] for u in (-3.0, 0.0, 0.2, 0.5, 1.0, 9.0)] == [
        1,
        1,
        2,
        3,
        5,
        5,
    ]


def test_what_lacks_a_parameter_or_has_it_out_of_range_is_not_inside() -> None:
    box = Box(PLANE, False)
    _, inside = box.encode(np.array([[0.0, np.nan, 5.1, 5.0], [0.0, 0.0, 0.0, -5.0]]))
    assert inside.tolist() == [True, False, False, True]


def test_values_before_rounding_come_back_if_they_round_to_the_value() -> None:
    box = Box({"i": IntDistribution(0, 10), "x": FloatDistribution(0.0, 1.0)}, True)
    point = [0.73, 0.4]
    unrounded = box.unrounded(point)
    assert unrounded == {"i": pytest.approx(7.3)}
    cell = np.array([0.7, 0.4])
    assert box.unround(cell, unrounded).tolist() == pytest.approx(point)
    assert box.unround(np.array([0.2, 0.4]), unrounded).tolist() == [0.2, 0.4]  # somebody fixed it
    assert box.unround(np.array([1.0, 0.4]), {"i": 13.0})[0] == pytest.approx(1.3)
    assert box.unround(np.array([0.0, 0.4]), {"i": -2.0})[0] == pytest.approx(-0.2)


# -- optimizers -----------------------------------------------------------------------------


def told_optimizer(kind: str, generations: int = 12) -> tuple[Box, Any]:
    """Return an optimizer that has adapted to an ellipsoid."""
    space: Space = {
        "x": FloatDistribution(0.0, 1.0),
        "y": FloatDistribution(0.0, 1.0),
        "i": IntDistribution(0, 20),
    }
    box = Box(space, kind == "margin")
    start = Start(np.full(3, 0.5), 0.1, None, 8)
    optimizer = make(box, start, kind == "separable", False)
    rng = np.random.default_rng(0)
    for _ in range(generations):
        shape = shape_of(optimizer)
        normal = rng.standard_normal((8, 3))
        points = shape.mean + normal @ shape.scale.T
        loss = (points[:, 0] + points[:, 1] - 1.0) ** 2 + (points[:, 2] - 0.5) ** 2 / 100
        optimizer.tell(list(zip(points, loss.tolist(), strict=True)))
    return box, optimizer


@pytest.mark.parametrize("kind", KINDS)
def test_points_are_distributed_as_those_that_the_package_asks_for(kind: str) -> None:
    box, optimizer = told_optimizer(kind)
    asked = copied(optimizer)
    asked.reseed_rng(1)
    n = 4000
    if kind == "margin":
        theirs = np.array([asked.ask()[0] for _ in range(n)])
    else:
        theirs = np.array([asked.ask() for _ in range(n)])
    shape, rng = shape_of(optimizer), np.random.default_rng(2)
    ours = np.array(
        [
            sampled(shape, box, rng.standard_normal(3), lambda k: rng.standard_normal((k, 3)))
            for _ in range(n)
        ]
    )
    if kind == "margin":
        ours[:, 2] = [box.decode(point)["i"] / 20 for point in ours.tolist()]
    scale = theirs.std(axis=0) + 1e-12
    assert np.abs((ours.mean(axis=0) - theirs.mean(axis=0)) / scale).max() < 6 * math.sqrt(2 / n)
    assert ours.std(axis=0) == pytest.approx(theirs.std(axis=0), rel=0.12)
    correlation = np.corrcoef(ours[:, 0], ours[:, 1])[0, 1]
    assert correlation == pytest.approx(np.corrcoef(theirs[:, 0], theirs[:, 1])[0, 1], abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_told_without_changing_what_it_is_of(kind: str) -> None:
    _, optimizer = told_optimizer(kind)
    before = pickle.dumps(optimizer)
    twin = copied(optimizer)
    points = shape_of(twin).mean + np.random.default_rng(0).normal(0, 0.01, (8, 3))
    twin.tell([(point, float(i)) for i, point in enumerate(points)])
    assert twin.generation == optimizer.generation + 1
    shape_of(optimizer)
    assert pickle.loads(before).mean.tolist() == optimizer.mean.tolist()
    assert twin.mean.tolist() != optimizer.mean.tolist()


def test_each_option_makes_its_optimizer() -> None:
    start = Start(np.full(2, 0.5), 0.2, None, None)
    discrete: Space = {"i": IntDistribution(0, 5), "x": FloatDistribution(0.0, 1.0)}
    assert type(make(Box(PLANE, False), start, False, False)) is cmaes.CMA
    assert type(make(Box(PLANE, True), start, False, False)) is cmaes.CMA
    assert type(make(Box(PLANE, False), start, True, False)) is cmaes.SepCMA
    assert type(make(Box(discrete, True), start, False, False)) is cmaes.CMAwM
    assert make(Box(PLANE, False), start, False, True)._lr_adapt


def test_points_are_inside_even_if_the_distribution_is_not() -> None:
    box = Box({name: FloatDistribution(0.0, 1.0) for name in "abcdef"}, False)
    optimizer = make(box, Start(np.full(6, 0.5), 0.2, None, None), False, False)
    corner = shape_of(optimizer)._replace(mean=np.full(6, 1.2))
    rng = np.random.default_rng(0)
    draws = [
        sampled(corner, box, rng.standard_normal(6), lambda k: rng.standard_normal((k, 6)))
        for _ in range(50)
    ]
    assert np.min(draws) >= 0.0
    assert np.max(draws) <= 1.0


def test_far_points_are_told_at_the_limit_and_near_ones_as_they_are() -> None:
    _, optimizer = told_optimizer("full")
    shape = shape_of(optimizer)
    near = shape.mean + shape.scale @ np.array([1.0, -1.0, 0.5])
    far = shape.mean + shape.scale @ np.array([30.0, 0.0, -40.0])
    told = clipped(shape, np.array([near, far, shape.mean]))
    assert told[0] == pytest.approx(near)
    assert told[2].tolist() == shape.mean.tolist()
    limit = math.sqrt(3) + 2 * 3 / (3 + 2)
    assert shape.whiten @ (told[1] - shape.mean) == pytest.approx([0.6 * limit, 0, -0.8 * limit])


@pytest.mark.parametrize("kind", KINDS)
def test_a_wide_distribution_is_narrowed_as_a_whole(kind: str) -> None:
    _, optimizer = told_optimizer(kind)
    before = shape_of(optimizer)
    widest = float(np.sqrt((before.scale**2).sum(axis=1).max()))
    assert narrowed(optimizer, before, widest * 1.01) is before
    after = narrowed(optimizer, before, widest / 5)
    assert after.scale == pytest.approx(before.scale / 5)
    assert after.whiten @ after.scale == pytest.approx(np.eye(3), abs=1e-6)
    assert shape_of(optimizer).scale == pytest.approx(after.scale)


# -- generations ----------------------------------------------------------------------------


def generation(trials: Trials, sampler: CmaEsSampler) -> Generation:
    view = View(trials.history)
    now = sampler._generation(view, sampler.relative_space(view))
    assert now is not None
    return now


def test_a_population_is_told_when_so_many_trials_have_finished_whichever_they_are() -> None:
    trials, sampler = Trials(PLANE), CmaEsSampler(seed=0, popsize=6)
    trials.run(sampler, bowl, 1)
    asked = [trials.ask(sampler) for _ in range(30)]
    told = []
    for number in reversed(asked):
        trials.end(number, bowl(trials.params(number)))
        told.append(generation(trials, sampler).optimizer.generation)
    # The first time six; then four, with the two best ones of the last populations.
    assert told == [(n + 1 >= 6) + max(n - 5, 0) // 4 for n in range(1, 31)]


def test_brackets_are_learned_from_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    trials, sampler = Trials(PLANE), CmaEsSampler(seed=0)
    space = {name: PLANE[name] for name in sorted(PLANE)}
    told: list[int] = []

    def counted(now: Generation, view: View, rules: Rules) -> Generation:
        told.append(view.n - now.seen)
        return advanced(now, view, rules)

    monkeypatch.setattr("ahpo.samplers.cmaes.sampler.advanced", counted)
    rng = np.random.default_rng(0)
    for number in range(120):
        view = View(trials.history)
        bracket = view.select(np.array(view.numbers) % 3 == number % 3)
        fresh = CmaEsSampler(seed=0)
        if number > 5:
            mine = sampler.propose_within(bracket, number, space)
            assert mine == fresh.propose_within(bracket, number, space)
        trials.add({"x": rng.uniform(-5, 5), "y": rng.uniform(-5, 5)}, float(rng.random()))
    # What it takes in does not grow with the history.
    assert max(told[::2]) <= 8
    assert told[-1] == 39


def test_what_breaks_the_distribution_is_passed_over() -> None:
    trials, sampler = Trials(PLANE), CmaEsSampler(seed=0, popsize=4)
    for _ in range(4000):
        trials.add({"x": 1.0, "y": 1.0}, 0.0)  # nothing but one point, time and again
    now = generation(trials, sampler)
    assert now.shape.is_sound()
    params = trials.params(trials.ask(sampler))
    assert all(-5.0 <= value <= 5.0 for value in params.values())


def test_many_trials_of_another_sampler_do_not_widen_the_distribution() -> None:
    trials = Trials(PLANE)
    trials.run(RandomSampler(seed=0), bowl, 2000)
    sampler = CmaEsSampler(seed=0)
    scale = generation(trials, sampler)
    assert np.sqrt((scale.shape.scale**2).sum(axis=1)).max() <= 0.3 + 1e-9
    found = trials.run(sampler, bowl, 150)
    assert min(map(bowl, found)) < 1e-3


def test_infinite_values_are_the_worst_and_the_best() -> None:
    trials, sampler = Trials(PLANE), CmaEsSampler(seed=0)

    def objective(params: dict[str, Any]) -> float:
        return math.inf if params["x"] < 0.0 else bowl(params)

    found = trials.run(sampler, objective, 150)
    assert np.mean([params["x"] >= 0.0 for params in found[50:]]) > 0.9


def test_with_learning_rate_adaptation_no_trial_is_told_twice() -> None:
    trials, sampler = Trials(PLANE), CmaEsSampler(seed=0, popsize=6, lr_adapt=True)
    trials.run(sampler, bowl, 60)
    assert generation(trials, sampler).optimizer.generation == 10


def test_discrete_values_are_recorded_as_they_were_before_rounding() -> None:
    space: Space = {"i": IntDistribution(0, 30), "x": FloatDistribution(-5.0, 5.0)}
    trials, sampler = Trials(space), CmaEsSampler(seed=0, with_margin=True)
    trials.run(sampler, lambda params: params["x"], 5)
    number = trials.start()
    view = View(trials.history)
    marks = sampler.prepare(view, number)
    assert marks is not None
    assert round(marks[MARK]["i"]) == sampler.propose(view, number)["i"]
    enqueued = trials.start(attrs={"fixed_params": {"i": 3}})
    assert not sampler.prepare(View(trials.history), enqueued)


def test_what_was_before_rounding_is_told() -> None:
    space: Space = {"i": IntDistribution(0, 30), "x": FloatDistribution(-5.0, 5.0)}
    means: list[float] = []
    for attrs in ({}, {MARK: {"i": 15.4}}):
        trials, sampler = Trials(space), CmaEsSampler(seed=0, with_margin=True, popsize=4)
        for x in (0.0, 0.1, 0.2, 0.3):
            trials.add({"i": 15, "x": x}, x, attrs=attrs)
        means.append(generation(trials, sampler).shape.mean[0])
    assert means[0] == pytest.approx(15 / 30)
    assert means[1] == pytest.approx(15.4 / 30)


# -- restarts -------------------------------------------------------------------------------


def rastrigin(params: dict[str, Any]) -> float:
    """Return a loss with a basin around each point of a lattice; 0 at the best one."""
    away = [value - 1.3 for value in params.values()]
    return float(sum(10.0 + v**2 - 10.0 * math.cos(2.0 * math.pi * v) for v in away))


@pytest.mark.parametrize("strategy", ["ipop", "bipop"])
def test_restarts_find_better_basins_than_one_run(strategy: str) -> None:
    found = {None: 0.0, strategy: 0.0}
    for restart_strategy in found:
        for seed in range(6):
            sampler = CmaEsSampler(seed=seed, restart_strategy=restart_strategy)
            points = Trials(PLANE).run(sampler, rastrigin, 1200)
            found[restart_strategy] += min(map(rastrigin, points))
    assert found[strategy] < 0.8 * found[None]


def test_trials_from_before_a_restart_do_not_count_after_it() -> None:
    trials, sampler = Trials(PLANE), CmaEsSampler(seed=0, restart_strategy="ipop", popsize=4)
    trials.run(sampler, bowl, 10)
    now = generation(trials, sampler)
    restarted = now._replace(since=10**9, seen=0, waiting=())
    later = advanced(restarted, View(trials.history), sampler._rules())
    assert later.optimizer.generation == now.optimizer.generation
    assert not later.waiting


def test_populations_of_ipop_grow_by_the_factor() -> None:
    counts, popsize = Restarts(6), list[int]()
    for _ in range(3):
        counts, size = counts.told(100).next("ipop", 2, Stream(0))
        popsize.append(size)
    assert popsize == [12, 24, 48]


def test_bipop_gives_small_populations_as_many_trials_as_large_ones() -> None:
    counts, small, large = Restarts(6), list[int](), list[int]()
    for n in range(20):
        counts, size = counts.told(10 * (1 + n % 3)).next("bipop", 2, Stream(n))
        (small if counts.is_small else large).append(size)
        assert size <= 6 * 2**counts.n_large
    assert large == [6 * 2**k for k in range(1, len(large) + 1)]
    assert min(small) == 6
    assert len(small) >= 5
    assert abs(counts.in_small - counts.in_large) <= 60
