"""Operations that are cancelled wherever they wait: no connection, transaction or lock is kept."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ahpo import aio
from ahpo.aio import AsyncStudy
from ahpo.engine.drive import drive
from ahpo.samplers import RandomSampler
from ahpo.states import TrialState
from ahpo.testing.cancelling import attempt
from tests.outages.checking import files, opened, place_of


@pytest.fixture(params=["sqlite", "postgresql", "journal"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    kind = {"sqlite": "sqlite:///", "journal": "journal:"}[request.param]
    return f"{kind}{tmp_path}/file"


async def _objective(trial: Any) -> float:
    x: float = trial.suggest_float("x", 0, 1)
    trial.report(x, 0)
    await trial.should_prune()
    return x


async def _ask_and_tell(study: AsyncStudy) -> None:
    trial = await study.ask()
    await study.tell(trial, trial.suggest_float("x", 0, 1))


async def _block(study: AsyncStudy) -> None:
    async with study.trial() as trial:
        trial.tell(trial.suggest_float("x", 0, 1))


async def _enqueue(study: AsyncStudy) -> None:
    await study.enqueue_trial({"x": 0.5})
    await study.refresh()


async def _open(study: AsyncStudy) -> None:
    await aio.load_study(study_name="study", storage=study._session.storage)
    await aio.get_all_study_names(study._session.storage)


OPERATIONS: dict[str, Callable[[AsyncStudy], Coroutine[Any, Any, None]]] = {
    "ask and tell": _ask_and_tell,
    "block": _block,
    "enqueue": _enqueue,
    "open": _open,
    "optimize": lambda study: study.optimize(_objective, n_trials=3, n_jobs=2),
}


async def _nothing_is_held(url: str, tmp_path: Path) -> None:
    """Assert that another program can write, and that no transaction is left open."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=5)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    elif url.startswith("journal"):
        assert files(tmp_path, "*lock*") == []
    else:
        import asyncpg

        connection = await asyncpg.connect(url)
        rows = await connection.fetch(
            "SELECT state FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.close()
        states = [row[0] for row in rows]
        assert "idle in transaction" not in states and "active" not in states
        assert len(states) <= 3


@pytest.mark.asyncio
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_operation_that_is_cancelled_anywhere_holds_nothing(
    url: str, operation: str, tmp_path: Path
) -> None:
    storage = place_of(url)
    study: AsyncStudy = await aio.create_study(
        study_name="study", storage=storage, sampler=RandomSampler(seed=0)
    )
    n, cancelled = 0, 0
    while True:
        n += 1
        done = await attempt(OPERATIONS[operation](study), n)
        cancelled += done.cancelled
        if not done.reached:
            break
        await study.refresh()  # after what was under way
        await _nothing_is_held(url, tmp_path)
        running = [t.number for t in study.trials if t.state is TrialState.RUNNING]
        assert operation == "ask and tell" or running == []
        for number in running:
            await study.tell(number, 0.5)
    assert cancelled > 0 or n == 1  # it was done before there was anything to wait for
    await storage.aclose()
    assert operation == "enqueue" or len(study.trials) > 0 or operation == "open"
    if url.startswith("sqlite"):
        assert files(tmp_path, "*-wal") == []  # the last connection has been closed
    other = place_of(url)
    trials = (await opened(other)).trials
    assert [trial.number for trial in trials] == list(range(len(trials)))
    await other.aclose()


async def _some(study: AsyncStudy) -> None:
    await study.optimize(_objective, n_trials=5, n_jobs=3)


def test_two_event_loops_share_a_study_at_the_same_time_and_in_turn(url: str) -> None:
    storage = place_of(url)

    async def new() -> AsyncStudy:
        study: AsyncStudy = await aio.create_study(study_name="study", storage=storage)
        return study

    study = asyncio.run(new())
    asyncio.run(_some(study))
    errors: list[BaseException] = []

    def in_thread(work: Callable[[AsyncStudy], Awaitable[None]]) -> None:
        async def main() -> None:
            await work(study)

        try:
            asyncio.run(main())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=in_thread, args=(_some,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    asyncio.run(_some(study))
    drive(storage.aclose())
    trials = drive(opened(other := place_of(url))).trials
    assert [trial.number for trial in trials] == list(range(20))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    drive(other.aclose())
