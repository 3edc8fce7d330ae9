"""`ahpo` and `ahpo.aio` offer the same; what may have to wait is a coroutine in the second."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import ahpo
from ahpo import aio

FUNCTIONS = (
    "copy_study",
    "create_study",
    "delete_study",
    "get_all_study_names",
    "get_all_study_summaries",
    "load_study",
)
# These return what can be awaited and entered by `async with`.
OPENERS = ("create_study", "load_study")
# What touches the storage of a study, and what only memory does.
WAITS = ("optimize", "ask", "tell", "enqueue_trial", "add_trial", "add_trials")
PLAIN = (
    "count_trials",
    "get_trials",
    "set_metric_names",
    "set_user_attr",
    "stop",
    "trials_dataframe",
    "view",
)
# What only coroutines need.
ASYNC_ONLY = {"aclose", "refresh", "stream", "trial"}


def public(cls: type) -> set[str]:
    """Return the names of the members that a class shows."""
    return {name for name in dir(cls) if not name.startswith("_")}


def signature(function: Any) -> list[Any]:
    """Return the parameters with kinds, defaults and annotations."""
    return list(inspect.signature(function).parameters.values())


def test_both_have_the_same_functions() -> None:
    sync_functions = {name for name in ahpo.__all__ if inspect.isfunction(getattr(ahpo, name))} - {
        "create_trial"
    }
    assert sync_functions == set(FUNCTIONS)
    assert set(aio.__all__) == {*FUNCTIONS, "AsyncStudy", "AsyncTrial", "FixedTrial"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_have_the_same_signature(name: str) -> None:
    one, other = getattr(ahpo, name), getattr(aio, name)
    assert signature(one) == signature(other)
    assert inspect.iscoroutinefunction(other) == (name not in OPENERS)
    assert not inspect.iscoroutinefunction(one)


@pytest.mark.asyncio
async def test_openers_can_be_awaited_and_entered() -> None:
    storage = ahpo.storages.InMemoryStorage()
    created = await aio.create_study(study_name="s", storage=storage)
    async with aio.load_study(study_name="s", storage=storage) as loaded:
        await loaded.tell(await loaded.ask(), 1.0)
    assert isinstance(created, ahpo.AsyncStudy) and isinstance(loaded, ahpo.AsyncStudy)
    assert created.best_value == 1.0


def test_studies_have_the_same_members() -> None:
    assert public(aio.AsyncStudy) - public(ahpo.Study) == ASYNC_ONLY
    assert public(ahpo.Study) - public(aio.AsyncStudy) == set()


@pytest.mark.parametrize("name", sorted(public(ahpo.Study)))
def test_members_of_studies_are_alike(name: str) -> None:
    one = inspect.getattr_static(ahpo.Study, name)
    other = inspect.getattr_static(aio.AsyncStudy, name)
    if isinstance(one, property):
        assert isinstance(other, property), "properties stay properties"
        assert (one.fset is None) == (other.fset is None)
        return
    assert name in WAITS or name in PLAIN, "say in which table it belongs"
    assert inspect.iscoroutinefunction(other) == (name in WAITS)
    assert not inspect.iscoroutinefunction(one)
    assert signature(one) == signature(other)


def test_trials_have_the_same_members() -> None:
    assert public(ahpo.AsyncTrial) == public(ahpo.Trial)


@pytest.mark.parametrize("name", sorted(public(ahpo.Trial)))
def test_members_of_trials_are_plain(name: str) -> None:
    one = inspect.getattr_static(ahpo.Trial, name)
    other = inspect.getattr_static(ahpo.AsyncTrial, name)
    assert type(one) is type(other)
    if not isinstance(one, property):
        assert not inspect.iscoroutinefunction(other)
        assert signature(one) == signature(other)


@pytest.mark.parametrize("name", sorted(public(ahpo.trial.FixedTrial)))
def test_members_of_fixed_trials_are_alike(name: str) -> None:
    one = inspect.getattr_static(ahpo.trial.FixedTrial, name)
    other = inspect.getattr_static(aio.FixedTrial, name)
    assert type(one) is type(other)
    if not isinstance(one, property):
        assert signature(one) == signature(other)


@pytest.mark.asyncio
async def test_an_objective_can_be_awaited_with_fixed_parameters() -> None:
    async def objective(trial: Any) -> float:
        x: float = trial.suggest_float("x", 0, 1)
        trial.report(x, 0)
        return -1.0 if await trial.should_prune() else x

    assert await objective(aio.FixedTrial({"x": 0.5})) == 0.5


@pytest.mark.asyncio
async def test_should_prune_is_what_is_awaited() -> None:
    async with aio.create_study() as study:
        trial = await study.ask()
        assert await trial.should_prune() is False
        with pytest.raises(TypeError, match=r"await trial\.should_prune\(\)"):
            bool(trial.should_prune())


@pytest.mark.asyncio
async def test_both_faces_see_one_study() -> None:
    """Whoever writes through one face, the other knows it at once."""
    storage = ahpo.storages.InMemoryStorage()
    plainly = ahpo.create_study(study_name="s", storage=storage)
    async with aio.load_study(study_name="s", storage=storage) as study:
        plainly.tell(plainly.ask(), 2.0)
        await study.tell(await study.ask(), 1.0)
        assert plainly.best_value == study.best_value == 1.0
        assert [trial.number for trial in study.trials] == [0, 1]
