"""NSGAIISampler and NSGAIIISampler: arguments, what they find, and that they repeat it."""

from __future__ import annotations

import csv
import math
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ahpo.exceptions import ExperimentalWarning, TrialPruned
from ahpo.pruners import HyperbandPruner
from ahpo.samplers import NSGAIIISampler, NSGAIISampler, RandomSampler, nsgaii
from ahpo.samplers.array_sampler import DOCUMENTED
from ahpo.samplers.nsgaiii.niching import das_dennis, nearest_lines
from ahpo.states import TrialState
from ahpo.study import Study, create_study, load_study
from ahpo.testing.problems import quietly
from tests.samplers.spaces import EVERY_KIND, of_every_kind

GOLDEN = Path(__file__).parent
BOTH = pytest.mark.parametrize("kind", [NSGAIISampler, NSGAIIISampler])
TWO: Any = ["minimize", "minimize"]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with quietly():
        yield


def zdt1(trial: Any, n: int = 6) -> tuple[float, float]:
    x = [trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(n)]
    g = 1 + 9 * sum(x[1:]) / (n - 1)
    return x[0], g * (1 - math.sqrt(x[0] / g))


def studied(sampler: Any, objective: Any, n: int, directions: Any = TWO) -> Study:
    study = create_study(directions=directions, sampler=sampler)
    study.optimize(objective, n_trials=n)
    return study


def params(study: Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]


# -- arguments ------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"population_size": 1}, "`population_size` must be at least 2, but it is 1"),
        ({"mutation_prob": 1.5}, r"`mutation_prob` must be in \[0, 1\], but it is 1.5"),
        ({"crossover_prob": -0.1}, r"`crossover_prob` must be in \[0, 1\], but it is -0.1"),
        ({"swapping_prob": 2}, r"`swapping_prob` must be in \[0, 1\], but it is 2"),
        ({"crossover": "SBX"}, "`crossover` must be a BaseCrossover or None, but it is 'SBX'"),
        ({"mutation": 0.1}, "`mutation` must be a BaseMutation or None, but it is 0.1"),
        (
            {"population_size": 2, "crossover": nsgaii.SPXCrossover()},
            "`population_size` must be at least 3, the number of parents of SPXCrossover",
        ),
    ],
)
def test_arguments_out_of_range_are_refused(kind: Any, arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reference_points": np.ones(3)}, r"`reference_points` must have two .* \(3,\)"),
        ({"reference_points": np.ones((0, 2))}, "`reference_points` must have two dimensions"),
        ({"dividing_parameter": 0}, "`dividing_parameter` must be at least 1, but it is 0"),
    ],
)
def test_reference_points_that_are_none_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NSGAIIISampler(**arguments)


def test_reference_points_must_fit_the_objectives() -> None:
    sampler = NSGAIIISampler(population_size=4, reference_points=np.eye(3))
    with pytest.raises(ValueError, match="a column for each of the 2 objectives"):
        studied(sampler, zdt1, 6)


@BOTH
def test_deprecated_and_experimental_arguments_warn(kind: Any) -> None:
    with pytest.warns(FutureWarning, match="`constraints_func` is deprecated"):
        kind(constraints_func=lambda trial: (0.0,))
    for name in (
        "elite_population_selection_strategy",
        "child_generation_strategy",
        "after_trial_strategy",
    ):
        with pytest.warns(ExperimentalWarning, match=f"`{name}` is experimental"):
            kind(**{name: lambda *args: None})


# -- what they find -------------------------------------------------------------------------


def values_of(trial: Any) -> list[float]:
    """Return the values of a trial that has some."""
    values: list[float] = trial.values
    return values


def area(study: Study, corner: tuple[float, float]) -> float:
    """Return the hypervolume of two losses."""
    points = sorted(values_of(t) for t in study.get_trials(states=(TrialState.COMPLETE,)))
    total, lowest = 0.0, corner[1]
    for x, y in points:
        if x < corner[0] and y < lowest:
            total += (corner[0] - x) * (lowest - y)
            lowest = y
    return total


@BOTH
def test_front_of_zdt1_is_reached(kind: Any) -> None:
    """The area below (1.1, 1.1) is 0.21 + 2/3 at most."""
    found = [area(studied(kind(seed=seed), zdt1, 1500), (1.1, 1.1)) for seed in range(3)]
    assert min(found) > (0.7 if kind is NSGAIISampler else 0.6)
    assert area(studied(RandomSampler(seed=0), zdt1, 1500), (1.1, 1.1)) < 0.1


@pytest.mark.parametrize(
    "crossover",
    [
        nsgaii.UniformCrossover(),
        nsgaii.BLXAlphaCrossover(),
        nsgaii.SBXCrossover(),
        nsgaii.VSBXCrossover(),
        nsgaii.SPXCrossover(),
        nsgaii.UNDXCrossover(),
    ],
    ids=str,
)
@pytest.mark.parametrize("mutation", [None, nsgaii.PolynomialMutation()], ids=str)
def test_every_crossover_finds_the_middle_of_a_bowl(crossover: Any, mutation: Any) -> None:
    def bowl(trial: Any) -> float:
        return sum((trial.suggest_float(f"x{i}", -5.0, 5.0) - 1.0) ** 2 for i in range(4))

    sampler = NSGAIISampler(seed=0, population_size=20, crossover=crossover, mutation=mutation)
    study = studied(sampler, bowl, 600, ["minimize"])
    random = studied(RandomSampler(seed=0), bowl, 600, ["minimize"])
    assert study.best_value < 0.3 * random.best_value


def dtlz2(trial: Any) -> tuple[float, float, float]:
    x = [trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(6)]
    g = 1 + sum((v - 0.5) ** 2 for v in x[2:])
    a, b = (v * math.pi / 2 for v in x[:2])
    return g * math.cos(a) * math.cos(b), g * math.cos(a) * math.sin(b), g * math.sin(a)


def test_nsga3_spreads_over_the_sphere_of_dtlz2() -> None:
    """Its front is the unit sphere; reference points are 28 directions."""
    sampler = NSGAIIISampler(seed=0, population_size=28, dividing_parameter=6)
    study = studied(sampler, dtlz2, 1400, ["minimize"] * 3)
    generation = study.trials[-1].system_attrs["NSGAIIISampler:generation"]
    parents = np.array([t.values for t in sampler.get_parent_population(study, generation)])
    length = np.linalg.norm(parents, axis=1)
    assert length.mean() < 1.1
    lines, _ = nearest_lines(parents / length[:, None], das_dennis(3, 6))
    assert len(set(lines.tolist())) >= 22
    random = studied(RandomSampler(seed=0), dtlz2, 28, ["minimize"] * 3)
    assert np.linalg.norm([values_of(t) for t in random.trials], axis=1).mean() > 1.25


def test_nsga3_prefers_what_is_near_the_reference_points() -> None:
    means = []
    for points in (np.array([[0.1, 0.9], [0.05, 1.0]]), np.array([[0.9, 0.1], [1.0, 0.05]])):
        first = []
        for seed in range(4):
            sampler = NSGAIIISampler(seed=seed, population_size=20, reference_points=points)
            parents = sampler.get_parent_population(studied(sampler, zdt1, 800), 39)
            first += [values_of(trial)[0] for trial in parents]
        means.append(np.mean(first))
    assert means[1] > means[0] + 0.05


def binh_korn(trial: Any) -> tuple[float, float]:
    x, y = trial.suggest_float("x", -15, 30), trial.suggest_float("y", -15, 30)
    trial.set_user_attr("constraint", ((x - 5) ** 2 + y**2 - 25, 7.7 - (x - 8) ** 2 - (y + 3) ** 2))
    return 4 * x**2 + 4 * y**2, (x - 5) ** 2 + (y - 5) ** 2


def with_set_constraint(trial: Any) -> tuple[float, float]:
    values = binh_korn(trial)
    for name, value in zip(("c0", "c1"), trial.user_attrs["constraint"], strict=True):
        trial.set_constraint(name, value)
    return values


def distance_to_front(values: list[float]) -> float:
    """Return how far a point is from the true front, where each objective goes from 0 to 1.

    In these ranges it is x = y from 0 to 5: the straight way from where one objective is lowest to
    where the other one is, which breaks no constraint.
    """
    t = np.linspace(0.0, 5.0, 2001)
    front = np.column_stack([8 * t**2 / 200, 2 * (t - 5) ** 2 / 50])
    return float(np.linalg.norm(front - np.array(values) / [200, 50], axis=1).min())


@BOTH
@pytest.mark.parametrize("by_function", [True, False])
def test_front_of_binh_and_korn_is_reached(kind: Any, by_function: bool) -> None:
    if by_function:
        with pytest.warns(FutureWarning):
            sampler = kind(seed=1, constraints_func=lambda trial: trial.user_attrs["constraint"])
        study = studied(sampler, binh_korn, 1000)
        assert (
            study.trials[0].system_attrs["constraints"] == study.trials[0].user_attrs["constraint"]
        )
    else:
        study = studied(kind(seed=1), with_set_constraint, 1000)
    front = study.best_trials
    assert all(max(trial.user_attrs["constraint"]) <= 0 for trial in front)
    found = [distance_to_front(values_of(trial)) for trial in front]
    assert np.median(found) < 0.015 and np.mean(found) < 0.035
    first = [values_of(trial)[0] for trial in front]
    assert min(first) < 20 and max(first) > 140  # from end to end


def test_trials_that_break_constraints_are_no_parents_if_others_keep_them() -> None:
    sampler = NSGAIISampler(seed=0, population_size=10)

    def objective(trial: Any) -> tuple[float, float]:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        trial.set_constraint("c", 0.5 - x)
        return x, y

    study = studied(sampler, objective, 60)
    parents = sampler.get_parent_population(study, 5)
    assert all(trial.params["x"] >= 0.5 for trial in parents)


def test_branches_of_a_conditional_space_are_inherited() -> None:
    """What only one branch has is learned too, and every branch keeps a share."""

    def objective(trial: Any) -> float:
        if trial.suggest_categorical("model", ["svm", "tree"]) == "svm":
            return 1.0 + abs(trial.suggest_float("c", 0.0, 1.0) - 0.5)
        xs = [trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(4)]
        return sum((x - 0.3) ** 2 for x in xs)

    study = studied(NSGAIISampler(seed=0, population_size=20), objective, 500, ["minimize"])
    late = [trial for trial in study.trials[300:] if "x0" in trial.params]
    assert np.mean([trial.value for trial in late]) < 0.15  # at random it is 0.49
    assert 100 < len(late) < 200
    assert study.best_value < 0.01


def test_range_that_changes_is_kept() -> None:
    def objective(trial: Any) -> float:
        n = trial.suggest_int("n", 1, 9)
        k = trial.suggest_int("k", 0, n)
        assert 0 <= k <= n
        return abs(n - 7) + abs(k - 5)

    study = studied(NSGAIISampler(seed=0, population_size=10), objective, 200, ["minimize"])
    random = studied(RandomSampler(seed=0), objective, 200, ["minimize"])
    late, at_random = (np.mean([t.value for t in s.trials[100:]]) for s in (study, random))
    assert study.best_value == 0
    assert late < 0.6 * at_random


# -- repeatable -----------------------------------------------------------------------------


def all_kinds(trial: Any) -> tuple[float, float]:
    found = {name: trial._suggest(name, (kind, None)) for name, kind in EVERY_KIND.items()}
    return of_every_kind(found), found["float"]


@BOTH
@pytest.mark.parametrize("crossover", [None, nsgaii.SBXCrossover()], ids=str)
def test_suggestions_are_those_on_record(kind: Any, crossover: Any) -> None:
    mutation = crossover and nsgaii.PolynomialMutation()
    sampler = kind(seed=11, population_size=6, crossover=crossover, mutation=mutation)
    found = params(studied(sampler, all_kinds, 40))
    name = f"golden_{kind.__name__}{'_SBX' if crossover else ''}.csv"
    with (GOLDEN / name).open(newline="") as file:
        recorded = list(csv.DictReader(file))
    for expected, got in zip(recorded, found, strict=True):
        for name, text in expected.items():
            if isinstance(got[name], float):
                assert got[name] == pytest.approx(float(text), rel=1e-6), name
            else:
                assert str(got[name]) == text, name


@BOTH
def test_study_is_resumed_as_if_it_had_not_stopped(kind: Any, tmp_path: Path) -> None:
    whole = studied(kind(seed=4, population_size=7), zdt1, 60)
    storage = f"sqlite:///{tmp_path}/s.db"
    for n in (20, 23, 17):
        study = create_study(
            storage=storage,
            study_name="s",
            load_if_exists=True,
            directions=TWO,
            sampler=kind(seed=4, population_size=7),
        )
        study.optimize(zdt1, n_trials=n)
    assert params(study) == params(whole)


@BOTH
def test_copies_go_on_alike(kind: Any) -> None:
    study = studied(kind(seed=4, population_size=7), zdt1, 30)
    copy = pickle.loads(pickle.dumps(study))
    for one in (study, copy):
        one.optimize(zdt1, n_trials=20)
    assert params(copy) == params(study)


@BOTH
def test_reseeding_gives_other_trials(kind: Any) -> None:
    found = []
    for reseed in (False, True):
        sampler = kind(seed=0, population_size=5)
        study = studied(sampler, zdt1, 10)
        if reseed:
            sampler.reseed_rng()
        study.optimize(zdt1, n_trials=10)
        found.append(params(study))
    assert found[0][:10] == found[1][:10]
    assert all(a != b for a, b in zip(found[0][10:], found[1][10:], strict=True))


def test_subclass_that_passes_all_on_samples_the_same() -> None:
    calls: set[str] = set()

    def method(name: str) -> Any:
        def call(self: Any, *args: Any) -> Any:
            calls.add(name)
            return getattr(NSGAIISampler, name)(self, *args)

        return call

    mine: Any = type("Mine", (NSGAIISampler,), {name: method(name) for name in DOCUMENTED})
    for objective in (zdt1, all_kinds):
        alone = studied(NSGAIISampler(seed=3, population_size=6), objective, 40)
        assert params(studied(mine(seed=3, population_size=6), objective, 40)) == params(alone)
    assert calls == set(DOCUMENTED)


def test_mutated_parameters_are_sampled_independently() -> None:
    """A subclass that has its own way to do that is asked."""

    class Middle(NSGAIISampler):
        def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
            return (distribution.low + trial.number / 100) / 2

    sampler = Middle(seed=0, population_size=5, mutation_prob=0.5)
    study = studied(sampler, zdt1, 30)
    mutated = [
        trial.params[name] == trial.number / 200
        for trial in study.trials[5:]
        for name in trial.params
    ]
    assert 0.3 < np.mean(mutated) < 0.7


def test_unseeded_studies_differ() -> None:
    sampler = NSGAIISampler(population_size=5)
    assert params(studied(sampler, zdt1, 12)) != params(studied(sampler, zdt1, 12))


# -- among other trials ---------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("pending", [8, 32])
def test_trials_that_end_out_of_order_are_not_lost(kind: Any, pending: int) -> None:
    """Sequentially the area is about 0.7 at that budget."""
    study = create_study(directions=TWO, sampler=kind(seed=2))
    rng = np.random.default_rng(0)
    running: list[Any] = []
    for _ in range(1500):
        trial = study.ask()
        running.append((trial, zdt1(trial)))
        if len(running) == pending:
            study.tell(*running.pop(int(rng.integers(pending))))
    assert area(study, (1.1, 1.1)) > 0.6
    marks = [trial.system_attrs[f"{kind.__name__}:generation"] for trial in study.trials]
    assert marks == sorted(marks)
    assert np.bincount(marks)[:-1].min() >= 50


def test_batch_of_asks_gives_different_trials() -> None:
    study = studied(NSGAIISampler(seed=0, population_size=20), zdt1, 60)
    batch = [study.ask() for _ in range(100)]
    values = {zdt1(trial) for trial in batch}
    assert len(values) > 90
    for trial in batch[::-1]:
        study.tell(trial, zdt1(trial))
    study.optimize(zdt1, n_trials=30)
    assert study.trials[-1].system_attrs["NSGAIISampler:generation"] == 5


def test_threads_give_the_same_children() -> None:
    """The children of a block are made once, by whoever comes first."""
    study = studied(NSGAIISampler(seed=0, population_size=10), zdt1, 40)
    view = study.view()
    sampler: Any = study.sampler
    space = sampler.relative_space(view)

    def child(number: int) -> dict[str, float]:
        child: dict[str, float] = sampler.propose_within(view, number, space)
        return child

    numbers = [study.ask().number for _ in range(64)]
    alone = [child(number) for number in numbers]
    view.cache.clear()
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(child, numbers * 3)) == alone * 3


def test_failed_and_pruned_trials_are_survived() -> None:
    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", -1.0, 1.0)
        if trial.number % 4 == 1:
            raise TrialPruned
        if trial.number % 4 == 2:
            raise OSError
        return x * x

    study = create_study(sampler=NSGAIISampler(seed=0, population_size=8))
    study.optimize(objective, n_trials=120, catch=OSError)
    assert study.best_value < 1e-3
    assert study.trials[-1].system_attrs["NSGAIISampler:generation"] == 7


def test_infinite_values_are_survived() -> None:
    def objective(trial: Any) -> tuple[float, float]:
        x, y = zdt1(trial)
        return (math.inf, y) if trial.number % 3 == 0 else (x, -math.inf if x < 0.1 else y)

    for kind in (NSGAIISampler, NSGAIIISampler):
        assert len(studied(kind(seed=0, population_size=8), objective, 60).trials) == 60


def test_brackets_of_hyperband_have_generations_of_their_own() -> None:
    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", -1.0, 1.0)
        for step in range(1, 10):
            trial.report(x * x + 1 / step, step)
            if trial.should_prune():
                raise TrialPruned
        return x * x

    study = create_study(
        sampler=NSGAIISampler(seed=0, population_size=4),
        pruner=HyperbandPruner(min_resource=1, max_resource=9, reduction_factor=3),
    )
    study.optimize(objective, n_trials=120)
    marks = [trial.system_attrs["NSGAIISampler:generation"] for trial in study.trials]
    assert marks != sorted(marks) and max(marks) > 1
    assert study.best_value < 1e-2


def test_study_of_another_sampler_goes_on_from_its_best() -> None:
    study = studied(RandomSampler(seed=0), zdt1, 300)
    study.sampler = sampler = NSGAIISampler(seed=0, population_size=20)
    study.optimize(zdt1, n_trials=1)
    assert study.trials[-1].system_attrs == {"NSGAIISampler:generation": 1}
    parents = {trial.number for trial in sampler.get_parent_population(study, 1)}
    assert {trial.number for trial in study.best_trials if trial.number < 300} <= parents


def test_another_space_is_sampled_when_asked_for() -> None:
    """A user's sampler may ask for a part of the space, or for what nobody has."""
    study = studied(NSGAIISampler(seed=0, population_size=5), zdt1, 20)
    trial = study.ask()
    frozen = study.trials[trial.number]
    space = study.sampler.infer_relative_search_space(study, frozen)
    assert sorted(space) == [f"x{i}" for i in range(6)]
    part = {name: space[name] for name in ("x3", "x1")}
    assert set(study.sampler.sample_relative(study, frozen, part)) <= set(part)
    assert study.sampler.sample_relative(study, frozen, {}) == {}


def test_marks_of_another_worker_are_followed() -> None:
    storage_study = studied(NSGAIISampler(seed=0, population_size=5), zdt1, 23)
    again = load_study(
        study_name=storage_study.study_name,
        storage=storage_study._storage,
        sampler=NSGAIISampler(seed=9, population_size=50),
    )
    again.optimize(zdt1, n_trials=1)
    assert again.trials[-1].system_attrs["NSGAIISampler:generation"] == 4
