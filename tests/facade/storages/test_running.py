"""`optimize` over each durable storage: ways of running, ends of trials, loops, seeds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

import ahpo
from ahpo import aio
from ahpo.pruners import MedianPruner, NopPruner
from ahpo.samplers import GridSampler, RandomSampler, TPESampler
from ahpo.trial import TrialState
from tests.facade.storages.places import KINDS, Place, seen

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def objective(trial: Any) -> float:
    x = trial.suggest_float("x", -1, 1)
    n = trial.suggest_int("n", 1, 5)
    kind = trial.suggest_categorical("kind", ("a", "b", None))
    for step in range(3):
        trial.report(x**2 + step / n, step)
        if trial.should_prune():
            raise ahpo.TrialPruned
    return x**2 * n + (kind == "a")


async def awaited(trial: Any) -> float:
    x = trial.suggest_float("x", -1, 1)
    for step in range(2):
        trial.report(x, step)
        await trial.should_prune()
    return x


def test_ways_of_running(place: Place, face: Any) -> None:
    """One at a time, in threads, as coroutines: all is written, and numbers are consecutive."""
    study = face.create_study(
        study_name="study", storage=place.named(), sampler=RandomSampler(), pruner=NopPruner()
    )
    threads: set[int] = set()

    def here(trial: Any) -> float:
        threads.add(threading.get_ident())
        return objective(trial)

    study.optimize(here, n_trials=3)
    assert (threads == {threading.get_ident()}) == (face is ahpo)
    study.optimize(here, n_trials=16, n_jobs=8)
    study.optimize(awaited, n_trials=40, n_jobs=20)

    loaded = place.load()
    assert seen(loaded) == seen(study)
    assert [trial.number for trial in loaded.trials] == list(range(59))
    assert all(trial.state is COMPLETE and trial.values for trial in loaded.trials)


def test_ends_of_trials(place: Place, face: Any) -> None:
    """`catch`, pruning, `trial_timeout`, callbacks and `stop`."""
    study = face.create_study(study_name="study", storage=place.named())
    called: list[tuple[int, TrialState]] = []

    async def body(trial: Any) -> float:
        trial.suggest_float("x", 0, 1)
        if trial.number == 1:
            raise ahpo.TrialPruned
        if trial.number == 2:
            raise KeyError("caught")
        if trial.number == 3:
            await asyncio.Event().wait()
        return 1.0

    def callback(study: ahpo.Study, trial: Any) -> None:
        called.append((trial.number, trial.state))
        study.set_user_attr("last", trial.number)
        if trial.number == 4:
            study.stop()

    study.optimize(body, catch=KeyError, callbacks=[callback], trial_timeout=0.3)

    states = [COMPLETE, PRUNED, FAIL, FAIL, COMPLETE]
    assert called == list(enumerate(states))
    loaded = place.load()
    assert [trial.state for trial in loaded.trials] == states
    assert "trial_timeout" in loaded.trials[3].system_attrs["fail_reason"]
    assert loaded.user_attrs == {"last": 4}
    with pytest.raises(ZeroDivisionError):
        study.optimize(lambda trial: 1 / 0, n_trials=1)
    assert place.load().trials[5].state is FAIL


SAMPLERS: dict[str, Callable[[], Any]] = {
    "random": lambda: RandomSampler(seed=3),
    "tpe": lambda: TPESampler(seed=3, n_startup_trials=4),
    "grid": lambda: GridSampler(
        {"x": [-0.5, 0.25, 1.0], "n": [1, 2, 3], "kind": ["a", "b"]}, seed=3
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_trials_are_the_same_as_in_memory_even_after_reopening(
    kind: str, sampler: str, place_of: Callable[[str], Place]
) -> None:
    """The storage makes no difference to what is sampled and pruned, nor does a break."""
    parts = {"sampler": SAMPLERS[sampler](), "pruner": MedianPruner(n_startup_trials=2)}
    memory = ahpo.create_study(study_name="study", **parts)
    memory.optimize(objective, n_trials=14)

    place = place_of(kind)
    study = ahpo.create_study(study_name="study", storage=place.named(), **parts)
    study.optimize(objective, n_trials=5)
    parts["sampler"] = SAMPLERS[sampler]()
    study = ahpo.load_study(study_name="study", storage=place.named(), **parts)
    study.optimize(objective, n_trials=9)

    assert seen(study) == seen(memory)
    assert PRUNED in {trial.state for trial in study.trials}


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_event_loops_one_after_the_other(place: Place, run: Callable[..., Any]) -> None:
    """What an asynchronous study holds belongs to no loop; plain code works within one."""
    study = run(_create(place))

    async def more() -> None:
        await study.optimize(awaited, n_trials=4, n_jobs=4)
        trial = await study.ask()
        await study.tell(trial, 1.0)

    async def plain_within_a_loop() -> None:
        plain = place.load()
        plain.optimize(objective, n_trials=2)
        plain.optimize(awaited, n_trials=2, n_jobs=2)
        await study.refresh()

    for main in (more, more, plain_within_a_loop, more):
        run(main())
    assert len(study.trials) == 19
    assert seen(study) == seen(place.load())
    run(study.aclose())


async def _create(place: Place) -> aio.AsyncStudy:
    return await aio.create_study(
        study_name="study", storage=place.storage(), pruner=NopPruner(), sampler=RandomSampler()
    )
