"""`ahpo` and `ahpo.aio` offer the same; what may have to wait is a coroutine in the second."""

from __future__ import annotations

import importlib
import inspect
import pickle
from typing import Any

import pytest

import ahpo
from ahpo import aio
from ahpo.distributions import FloatDistribution
from ahpo.trial import BaseTrial

FUNCTIONS = (
    "copy_study",
    "create_study",
    "delete_study",
    "get_all_study_names",
    "get_all_study_summaries",
    "load_study",
)
# The other modules are shared.
MODULES = ("", "study", "trial")
OF_EACH_FACE = {*MODULES, "Study", "Trial", "FixedTrial"}
NAMES = [
    f"{module}.{name}".lstrip(".")
    for module in MODULES
    for name in importlib.import_module(f"ahpo.{module}".rstrip(".")).__all__
    if name != "aio"
]
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


def find(root: Any, path: str) -> Any:
    """Return what a dotted path names; an empty one names the root."""
    for name in filter(None, path.split(".")):
        root = getattr(root, name)
    return root


def signature(function: Any) -> list[Any]:
    """Return the parameters with kinds, defaults and annotations."""
    return list(inspect.signature(function).parameters.values())


@pytest.mark.parametrize("module", MODULES)
def test_both_have_the_same_names(module: str) -> None:
    """What a script finds in one face, it finds in the other."""
    one, other = find(ahpo, module), find(aio, module)
    more = set() if module else {"FixedTrial"}
    assert set(one.__all__) - {"aio"} == set(other.__all__) - more
    assert set(one.__all__) <= set(dir(one)) and set(other.__all__) <= set(dir(other))


@pytest.mark.parametrize("path", NAMES)
def test_what_does_not_wait_is_the_same_object(path: str) -> None:
    one, other = find(ahpo, path), find(aio, path)
    name = path.rpartition(".")[2]
    assert (one is other) == (name not in {*FUNCTIONS, *OF_EACH_FACE})


def test_a_name_that_neither_has() -> None:
    for face in (ahpo, aio):
        with pytest.raises(AttributeError, match=f"'{face.__name__}' has no attribute 'tune'"):
            _ = face.tune


def test_both_have_the_same_functions() -> None:
    functions = {name for name in ahpo.__all__ if inspect.isfunction(getattr(ahpo, name))}
    assert functions == {*FUNCTIONS, "create_trial"}


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
    """It may say that it takes an AsyncTrial: `make check` reads this, too."""

    async def objective(trial: ahpo.AsyncTrial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.report(x, 0)
        return -1.0 if await trial.should_prune() else x

    assert await objective(aio.FixedTrial({"x": 0.5})) == 0.5
    assert await objective(aio.trial.FixedTrial({"x": 1.0}, number=3)) == 1.0
    async with aio.create_study() as study:
        await study.optimize(objective, n_trials=1)
        assert await objective(await study.ask({"x": FloatDistribution(0, 1)})) <= 1
        for given in (study.best_trial, ahpo.trial.FixedTrial({"x": study.best_params["x"]})):
            assert await of_any_trial(given) == study.best_value


async def of_any_trial(trial: BaseTrial) -> float:
    """Be an objective for running, fixed and frozen trials, of either face."""
    x = trial.suggest_float("x", 0, 1)
    return -1.0 if await trial.should_prune() else x


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "trial", [ahpo.trial.FixedTrial({}), ahpo.create_trial(value=1.0)], ids=["fixed", "frozen"]
)
async def test_trials_that_are_never_pruned_say_so_to_both_kinds_of_objectives(trial: Any) -> None:
    answer = trial.should_prune()
    assert not answer and answer == False and repr(answer) == str(answer) == "False"  # noqa: E712
    assert await answer is False
    assert await answer is False, "once more"
    assert pickle.loads(pickle.dumps(answer)) == answer


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


@pytest.mark.asyncio
async def test_a_script_needs_another_import_and_await() -> None:
    """What a plain script takes from its face, a coroutine finds in `ahpo.aio`."""
    from ahpo import aio as optuna

    assert optuna.logging.get_verbosity() == ahpo.logging.get_verbosity()

    async def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", -10, 10)
        trial.report(x, 0)
        if await trial.should_prune() or x > 9:
            raise optuna.TrialPruned
        return x**2

    study: optuna.Study = await optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=1),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=1000),
        direction=optuna.study.StudyDirection.MINIMIZE,
        storage=optuna.storages.InMemoryStorage(),
    )
    distribution = optuna.distributions.FloatDistribution(-10, 10)
    await study.add_trial(
        optuna.create_trial(value=4.0, params={"x": 2.0}, distributions={"x": distribution})
    )
    await study.enqueue_trial({"x": 9.5})
    counts = optuna.study.MaxTrialsCallback(5, (optuna.trial.TrialState.COMPLETE,))
    await study.optimize(objective, callbacks=[counts], catch=optuna.exceptions.OptunaError)
    best: optuna.trial.FrozenTrial = study.best_trial
    assert optuna.search_space.intersection_search_space(study.trials) == {"x": distribution}
    assert await objective(optuna.trial.FixedTrial(best.params)) == best.value
    assert study.trials[1].state is optuna.trial.TrialState.PRUNED
    assert study.count_trials([optuna.trial.TrialState.COMPLETE]) == 5
