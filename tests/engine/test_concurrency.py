"""Many trials at once: coroutines by the thousand, threads, several threads at `ask` and `tell`."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import ahpo
from ahpo.states import TrialState
from tests.engine.faults import WaitingStorage
from tests.engine.loops import LOOPS, run
from tests.engine.studies import assert_clean, async_study, new_session, states, sync_study
from tests.engine.ways import ON_LOOP, WAYS, Way

COMPLETE, WAITING = TrialState.COMPLETE, TrialState.WAITING


@pytest.mark.parametrize(
    ("n_jobs", "kind"), [(1_000, "asyncio"), (1_000, "uvloop"), (10_000, "asyncio")]
)
def test_thousands_of_coroutines(n_jobs: int, kind: str) -> None:
    """All of them run at once, none twice, and the study holds each of them."""
    study = async_study()

    async def main() -> None:
        all_running, running = asyncio.Event(), set()

        async def objective(trial: Any) -> float:
            running.add(trial.number)
            if len(running) == n_jobs:
                all_running.set()
            await all_running.wait()
            return float(trial.number)

        await study.optimize(objective, n_trials=n_jobs + 500, n_jobs=n_jobs)

    run(main, kind, debug=False)
    trials = study.get_trials(deepcopy=False)
    assert [trial.number for trial in trials] == list(range(n_jobs + 500))
    assert all(trial.value == trial.number for trial in trials)


@pytest.mark.parametrize("way", sorted(WAYS))
def test_all_cpus(way: str) -> None:
    """`n_jobs=-1` runs as many trials at once as there are CPUs."""
    n_cpus = os.cpu_count() or 1
    gate = threading.Barrier(n_cpus)
    session = new_session()
    if way in ON_LOOP:
        most, now = [0], [0]

        async def objective(trial: Any) -> float:
            now[0] += 1
            most[0] = max(most[0], now[0])
            for _ in range(3):
                await asyncio.sleep(0)
            now[0] -= 1
            return 1.0

        study: Any = sync_study(session) if way == "own loop" else async_study(session)
        if way == "own loop":
            study.optimize(objective, n_trials=4 * n_cpus, n_jobs=-1)
        else:
            run(lambda: study.optimize(objective, n_trials=4 * n_cpus, n_jobs=-1))
        assert most[0] == n_cpus
        return

    def meets_all_others(trial: Any) -> float:
        gate.wait(30)
        return 1.0

    WAYS[way](session, meets_all_others, n_trials=4 * n_cpus, n_jobs=-1)
    assert states(sync_study(session)) == [COMPLETE] * 4 * n_cpus


def test_hundred_threads() -> None:
    """Threads run at once as many as asked for, however many CPUs there are."""
    session = new_session()
    barrier = threading.Barrier(100)

    def objective(trial: Any) -> float:
        barrier.wait(30)
        x: float = trial.suggest_float("x", 0, 1)
        return x

    sync_study(session).optimize(objective, n_trials=200, n_jobs=100)
    assert_clean(sync_study(session))
    assert states(sync_study(session)) == [COMPLETE] * 200


def test_more_jobs_than_trials(way: Way) -> None:
    """No more runs than there are trials."""
    session = new_session()
    way(session, lambda trial: trial.suggest_float("x", 0, 1), n_trials=3, n_jobs=50)
    assert states(sync_study(session)) == [COMPLETE] * 3


def test_no_trials(way: Way) -> None:
    """`n_trials=0` runs nothing."""
    session = new_session()
    way(session, lambda trial: 1.0, n_trials=0, n_jobs=3)
    assert sync_study(session).trials == []


@pytest.mark.parametrize("n_jobs", [1, 7])
def test_same_trials_at_any_concurrency(way: Way, n_jobs: int) -> None:
    """The n-th trial of a seeded random search is the same, whoever runs it and beside whom."""
    session = new_session(sampler=ahpo.samplers.RandomSampler(seed=5))
    way(session, lambda trial: trial.suggest_float("x", 0, 1), n_trials=20, n_jobs=n_jobs)
    alone = sync_study(sampler=ahpo.samplers.RandomSampler(seed=5))
    alone.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=20)
    assert [t.value for t in sync_study(session).trials] == [t.value for t in alone.trials]


def test_threads_ask_and_tell() -> None:
    """Several threads share a study; each trial is one thread's, and none is lost."""
    study = sync_study()
    for n in range(40):
        study.enqueue_trial({"x": n / 100})

    def work(worker: int) -> list[int]:
        numbers = []
        for _ in range(50):
            trial = study.ask()
            trial.suggest_float("x", 0, 1)
            trial.report(0.5, 0)
            trial.should_prune()
            trial.set_user_attr("worker", worker)
            study.tell(trial, float(worker))
            numbers.append(trial.number)
        return numbers

    with ThreadPoolExecutor(8) as threads:
        asked = list(threads.map(work, range(8)))
    assert sorted(n for numbers in asked for n in numbers) == list(range(400))
    assert_clean(study)
    trials = study.trials
    for worker, numbers in enumerate(asked):
        assert all(trials[n].value == worker for n in numbers)
        assert all(trials[n].user_attrs == {"worker": worker} for n in numbers)
    enqueued = [t.params["x"] for t in trials if "fixed_params" in t.system_attrs]
    assert sorted(enqueued) == [n / 100 for n in range(40)]


def test_threads_optimize_one_study() -> None:
    """Several threads may each optimize the same study at the same time."""
    study = sync_study()
    barrier = threading.Barrier(4)

    def objective(trial: Any) -> float:
        if trial.number < 4:
            barrier.wait(30)
        x: float = trial.suggest_float("x", 0, 1)
        return x

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: study.optimize(objective, n_trials=25), range(4)))
    assert_clean(study)
    assert states(study) == [COMPLETE] * 100
    assert not study._session.runs


@pytest.mark.parametrize("kind", LOOPS)
def test_tasks_ask_and_tell(kind: str) -> None:
    """Hundreds of tasks ask and tell at once, behind a storage that waits."""

    async def main() -> None:
        study = async_study(storage=WaitingStorage())
        await asyncio.gather(*(study.enqueue_trial({"x": n / 100}) for n in range(50)))

        async def work() -> int:
            trial = await study.ask()
            value = trial.suggest_float("x", 0, 1)
            trial.report(value, 0)
            await trial.should_prune()
            await study.tell(trial, value)
            return trial.number

        numbers = await asyncio.gather(*(work() for _ in range(300)))
        assert sorted(numbers) == list(range(300))
        assert_clean(study)
        assert Counter(states(study)) == {COMPLETE: 300}
        first = [trial.params["x"] for trial in study.trials[:50]]
        assert sorted(first) == [n / 100 for n in range(50)]

    run(main, kind, debug=False)


def test_optimize_and_ask_and_enqueue_together(way: Way) -> None:
    """While a study is optimized, others may ask, tell and enqueue."""
    session = new_session()
    study = sync_study(session)
    asked: list[int] = []

    def objective(trial: Any) -> float:
        if trial.number % 3 == 0:
            other = study.ask()
            asked.append(other.number)
            study.tell(other, 1.0)
        if trial.number == 1:
            study.enqueue_trial({"x": 0.125})
        x: float = trial.suggest_float("x", 0, 1)
        return x

    way(session, objective, n_trials=20, n_jobs=4)
    assert_clean(study)
    trials = study.trials
    # The enqueued one ran if a trial was still to start; else it waits for the next `optimize`.
    [enqueued] = [trial for trial in trials if "fixed_params" in trial.system_attrs]
    assert enqueued.state is WAITING or enqueued.params in ({"x": 0.125}, {})
    n_waiting = states(study).count(WAITING)
    assert len(trials) == 20 + len(asked) + n_waiting


def test_second_tell_of_two_at_once_is_refused() -> None:
    """When two tasks tell the same trial, one of them does and the other one learns of it."""

    async def main() -> None:
        study = async_study(storage=WaitingStorage())
        trial = await study.ask()
        results = await asyncio.gather(
            study.tell(trial, 1.0), study.tell(trial, 2.0), return_exceptions=True
        )
        errors = [result for result in results if isinstance(result, BaseException)]
        assert [type(error) for error in errors] in (
            [ahpo.exceptions.UpdateFinishedTrialError],
            [ValueError],
        )
        assert study.trials[0].value in (1.0, 2.0)
        assert_clean(study)

    run(main)
