"""Several optimizes of one study at the same time, and one inside another."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable

import pytest

import ahpo
from ahpo import aio


def test_several_threads_optimize_one_study() -> None:
    """Each thread runs its trials; numbers are consecutive and unique over all of them."""
    study = ahpo.create_study()
    threads = [
        threading.Thread(
            target=study.optimize,
            args=(lambda t: t.suggest_float("x", 0, 1),),
            kwargs={"n_trials": 20},
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [trial.number for trial in study.trials] == list(range(120))
    assert {trial.state for trial in study.trials} == {ahpo.trial.TrialState.COMPLETE}


@pytest.mark.asyncio
async def test_several_tasks_optimize_one_study() -> None:
    """Each task runs its trials, and a stop from one objective stops them all."""
    study = await aio.create_study()

    async def objective(trial: ahpo.AsyncTrial) -> float:
        await asyncio.sleep(0)
        return trial.suggest_float("x", 0, 1)

    await asyncio.gather(*[study.optimize(objective, n_trials=10, n_jobs=3) for _ in range(4)])
    assert study.count_trials() == 40

    async def stops(trial: ahpo.AsyncTrial) -> float:
        if trial.number >= 60:
            trial.study.stop()
        return await objective(trial)

    await asyncio.gather(study.optimize(stops), study.optimize(stops))
    assert not study.get_trials(states=(ahpo.trial.TrialState.RUNNING,))


@pytest.mark.parametrize(
    "inner",
    [
        lambda study: study.optimize(lambda trial: 1.0, n_trials=1),
        lambda study: study.optimize(lambda trial: 1.0, n_trials=2, n_jobs=2),
    ],
)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_nested_optimize_is_refused(inner: Callable[[ahpo.Study], None], n_jobs: int) -> None:
    """An objective may not optimize its own study, but another one it may."""
    study, other = ahpo.create_study(), ahpo.create_study()

    def nested(trial: ahpo.Trial) -> float:
        inner(other)
        inner(study)
        return 1.0

    with pytest.raises(RuntimeError, match="Nested invocation"):
        study.optimize(nested, n_trials=1, n_jobs=n_jobs)
    assert study.trials[0].state is ahpo.trial.TrialState.FAIL
    assert other.count_trials((ahpo.trial.TrialState.COMPLETE,)) >= 1
    study.optimize(lambda trial: 1.0, n_trials=1)  # and it can go on
    assert study.count_trials((ahpo.trial.TrialState.COMPLETE,)) == 1


def test_task_that_outlives_its_run_may_optimize() -> None:
    """Only a run that is under way is nested in; what it has left behind is free again."""

    async def main() -> None:
        study = await aio.create_study()
        left: list[asyncio.Task[None]] = []
        refused, may_go_on = asyncio.Event(), asyncio.Event()

        async def fine(trial: ahpo.AsyncTrial) -> float:
            return trial.suggest_float("x", 0, 1)

        async def later() -> None:
            with pytest.raises(RuntimeError, match="Nested invocation"):
                await study.optimize(fine, n_trials=1)
            refused.set()
            await may_go_on.wait()
            await study.optimize(fine, n_trials=2)

        async def objective(trial: ahpo.AsyncTrial) -> float:
            left.append(asyncio.ensure_future(later()))
            await refused.wait()
            return await fine(trial)

        await study.optimize(objective, n_trials=1)
        may_go_on.set()
        await asyncio.gather(*left)
        assert [trial.number for trial in study.trials] == [0, 1, 2]

    asyncio.run(main())


def test_thread_that_outlives_its_run_may_optimize() -> None:
    """The same holds for a thread that has taken over the context."""
    study, may_go_on = ahpo.create_study(), threading.Event()
    left: list[threading.Thread] = []
    errors: list[BaseException] = []

    def later() -> None:
        assert may_go_on.wait(30)
        try:
            study.optimize(lambda trial: 1.0, n_trials=2)
        except BaseException as error:
            errors.append(error)

    def objective(trial: ahpo.Trial) -> float:
        context = contextvars.copy_context()
        left.append(threading.Thread(target=context.run, args=(later,)))
        left[-1].start()
        return 1.0

    study.optimize(objective, n_trials=1)
    may_go_on.set()
    left[0].join()
    assert errors == []
    assert len(study.trials) == 3


def test_an_unseeded_sampler_draws_anew_in_each_study() -> None:
    """One sampler object, two studies: other trials without a seed, the same with one."""

    def first_value(sampler: ahpo.samplers.BaseSampler) -> float:
        study = ahpo.create_study(sampler=sampler)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
        return study.best_value

    unseeded, seeded = ahpo.samplers.RandomSampler(), ahpo.samplers.RandomSampler(seed=1)
    assert first_value(unseeded) != first_value(unseeded)
    assert first_value(seeded) == first_value(seeded)
