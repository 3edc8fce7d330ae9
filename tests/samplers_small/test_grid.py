"""GridSampler: each point once, in the order of Optuna, whoever else works on the study."""

from __future__ import annotations

import itertools
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.samplers.grid import GridSampler
from ahpo.states import TrialState
from tests.pruners.plain_study import PlainStudy
from tests.samplers_small.asking import PlainTrial, run

GRID: dict[str, list[Any]] = {"y": ["a", "b"], "x": [3, 1, 2]}
POINTS = sorted(itertools.product([1, 2, 3], ["a", "b"]))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Silence Optuna."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield


def objective(trial: Any) -> tuple[Any, Any]:
    """Ask for what the grid has, from wider ranges."""
    return trial.suggest_int("x", 0, 5), trial.suggest_categorical("y", ["a", "b", "c"])


def points(params: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    """Return the points of trials."""
    return [(p["x"], p["y"]) for p in params]


@pytest.mark.parametrize("seed", [None, 0, 1, 7])
def test_the_order_and_the_attributes_are_those_of_optuna(seed: int | None) -> None:
    """So that workers of both can share a study."""
    theirs = optuna.create_study(sampler=optuna.samplers.GridSampler(GRID, seed=seed))
    theirs.optimize(lambda trial: len(objective(trial)))
    study = PlainStudy()
    ours = run(study, GridSampler(GRID, seed), objective)
    assert ours == [trial.params for trial in theirs.trials]
    assert [t.system_attrs for t in study.trials] == [t.system_attrs for t in theirs.trials]


@given(
    st.dictionaries(
        st.sampled_from("abcd"),
        st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True),
        min_size=1,
    ),
    st.integers(0, 5),
)
def test_every_point_is_tried_once(grid: dict[str, list[int]], seed: int) -> None:
    """And then the sampler is exhausted, not before."""
    study, sampler = PlainStudy(), GridSampler(grid, seed)
    assert not sampler.is_exhausted(study)
    tried = run(study, sampler, lambda t: [t.suggest_int(name, 0, 9) for name in grid])
    expected = [dict(zip(grid, p, strict=True)) for p in itertools.product(*grid.values())]
    assert sorted(tried, key=repr) == sorted(expected, key=repr)
    assert sampler.is_exhausted(study)


def test_pruned_and_failed_trials_count_as_evaluated() -> None:
    """A point is visited in whatever way its trial ended."""
    ends = itertools.cycle([TrialState.FAIL, TrialState.PRUNED, TrialState.COMPLETE])

    def end(trial: PlainTrial) -> TrialState:
        objective(trial)
        return next(ends)

    assert sorted(points(run(PlainStudy(), GridSampler(GRID), end))) == POINTS


def test_running_trials_get_points_of_their_own() -> None:
    """Also those that start out of turn; when nothing is free, unfinished points come again."""
    study, sampler = PlainStudy(), GridSampler(GRID)
    for _ in range(4):  # numbers that are taken by trials of something else
        study.add({})
    trials = [PlainTrial(study, sampler) for _ in range(6)]
    assert sorted(objective(trial) for trial in trials) == POINTS
    trials[0].finish()
    again = PlainTrial(study, sampler)
    assert objective(again) in [objective(trial) for trial in trials[1:]]
    for trial in (*trials[1:], again):
        assert not sampler.exhausted(study.view())
        trial.finish()
        if trial is trials[-1]:
            break
    assert sampler.exhausted(study.view())
    assert objective(PlainTrial(study, sampler)) in POINTS  # goes on if it is made to


def test_an_enqueued_trial_takes_no_point_and_needs_all_parameters() -> None:
    """As documented."""
    study, sampler = PlainStudy(), GridSampler(GRID)
    enqueued = PlainTrial(study, sampler, fixed={"x": 1, "y": "a"})
    assert objective(enqueued) == (1, "a")
    enqueued.finish()
    assert "grid_id" not in study.trials[0].system_attrs
    partial = PlainTrial(study, sampler, fixed={"x": 1})
    with pytest.raises(ValueError, match="'y'.*must have all parameters"):
        objective(partial)
    partial.finish(TrialState.FAIL)
    assert sorted(points(run(study, sampler, objective))) == POINTS


def test_a_copy_of_a_trial_keeps_its_point() -> None:
    """A retried trial has the attributes of the failed one."""
    study, sampler = PlainStudy(), GridSampler(GRID)
    first = PlainTrial(study, sampler)
    wanted = objective(first)
    first.finish(TrialState.FAIL)
    copy = PlainTrial(study, sampler, system_attrs=study.trials[0].system_attrs)
    assert objective(copy) == wanted


def test_points_of_another_grid_do_not_count() -> None:
    """A new sampler on an old study starts from nothing, an equal one goes on."""
    study = PlainStudy()
    run(study, GridSampler({"x": [1, 2]}), lambda t: t.suggest_int("x", 0, 9))
    assert GridSampler({"x": [1, 2]}).is_exhausted(study)
    larger = run(study, GridSampler({"x": [1, 2, 3]}), lambda t: t.suggest_int("x", 0, 9))
    assert sorted(p["x"] for p in larger) == [1, 2, 3]


def test_a_resumed_study_goes_on_where_it_was() -> None:
    """With a new sampler, on a history without its indexes."""
    study = PlainStudy()
    first = run(study, GridSampler(GRID), objective, most=4)
    resumed = PlainStudy()
    resumed.history = pickle.loads(pickle.dumps(study.history))
    rest = run(resumed, GridSampler(GRID), objective)
    assert len(rest) == 2
    assert sorted(points(first + rest)) == POINTS


def test_values_are_used_as_they_stand() -> None:
    """Between the steps silently, out of the range with a warning."""
    study = PlainStudy()
    off_step = GridSampler({"x": [-0.25, None]}, 1)
    tried = run(study, off_step, lambda t: t.suggest_categorical("x", [None, -0.25]))
    assert {p["x"] for p in tried} == {None, -0.25}
    outside = PlainTrial(PlainStudy(), GridSampler({"x": [10]}))
    with pytest.warns(UserWarning, match="10 for 'x'.*out of the range"):
        assert outside.suggest_int("x", 0, 5) == 10


def test_nan_in_a_grid_is_one_point_also_from_a_storage() -> None:
    """NaN does not equal itself, but its point does."""
    study, nan = PlainStudy(), float("nan")
    sampler = GridSampler({"x": [nan, 1.0]})
    for point in (0, 1):
        number = study.start({"search_space": {"x": [float("nan"), 1.0]}, "grid_id": point})
        study.finish(number, 0.0)
    assert sampler.is_exhausted(study)


def test_a_name_that_is_not_in_the_grid_is_an_error() -> None:
    """The message names it and the names that would be right."""
    trial = PlainTrial(PlainStudy(), GridSampler(GRID))
    with pytest.raises(ValueError, match=r"'z' is not in the `search_space`.*\['x', 'y'\]"):
        trial.suggest_float("z", 0, 1)


def test_bad_grids_are_refused() -> None:
    """No values is an error; values that a storage can not keep are warned of."""
    with pytest.raises(ValueError, match="'x' has none"):
        GridSampler({"x": []})
    with pytest.warns(UserWarning, match=r"\(1, 2\) for 'x'"):
        GridSampler({"x": [(1, 2)]})  # type: ignore[list-item]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GridSampler({"x": [None, True, 1, 1.5, "a"]})


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_that_numpy_does_not_take_is_named(seed: int) -> None:
    sentence = f"`seed` must be at least 0 and below 2..32, but it is {seed}."
    with pytest.raises(ValueError, match=sentence):
        GridSampler({"x": [1]}, seed)
    with pytest.raises(ValueError, match="Seed must be between"):
        optuna.samplers.GridSampler({"x": [1]}, seed)


def test_values_that_are_equal_are_points_of_their_own() -> None:
    choices: list[Any] = [0, False, 0.0, 1]
    found = run(
        PlainStudy(),
        GridSampler({"x": choices}),
        lambda trial: trial.suggest_categorical("x", choices),
    )
    assert sorted(repr(params["x"]) for params in found) == ["0", "0.0", "1", "False"]


def test_grids_of_equal_values_of_other_types_are_two_grids() -> None:
    study = PlainStudy()
    spaces: list[list[Any]] = [[0, 1], [False, True]]

    def objective(trial: PlainTrial) -> Any:
        return trial.suggest_categorical("x", choices)

    for choices in spaces:
        assert len(run(study, GridSampler({"x": choices}), objective)) == 2
