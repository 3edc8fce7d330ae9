"""Real worker processes are killed at any moment: what they acknowledged is there."""

from __future__ import annotations

import ast
import asyncio
import os
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.program import Program
from tests.outages.checking import assert_whole, created, place_of

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

WORKER = Path(__file__).parent / "worker.py"
KILLS = 8

READ_BY_OPTUNA = """
import sys, optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = JournalStorage(JournalFileBackend(sys.argv[1]))
study = optuna.load_study(study_name="study", storage=storage)
print([(t.number, t.value) for t in study.trials if t.state.name == "COMPLETE"])
"""


def _collect(worker: Program, told: dict[int, float], n: int) -> None:
    for _ in range(n):
        number, x = worker.line().split()
        told[int(number)] = float.fromhex(x)


def _killed(worker: Program, told: dict[int, float]) -> None:
    """Kill it in the middle of whatever it does, and hear what it said until then."""
    worker.kill()
    while True:
        try:
            _collect(worker, told, 1)
        except EOFError:
            return


@pytest.fixture(params=["sqlite", "postgresql", "journal"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    kind = {"sqlite": "sqlite:///", "journal": "journal:"}[request.param]
    return f"{kind}{tmp_path}/file"


async def test_workers_that_are_killed_lose_nothing_that_was_acknowledged(url: str) -> None:
    storage = place_of(url)
    await created(storage)
    await storage.aclose()
    told: dict[int, float] = {}
    moments = random.Random(0)
    path = url.rpartition(":")[2].removeprefix("//")
    workers = [Program(WORKER, url, "tell") for _ in range(2)]
    try:
        for _ in range(KILLS):
            worker = workers.pop(0)
            await asyncio.to_thread(_collect, worker, told, moments.randrange(1, 12))
            workers.append(Program(WORKER, url, "tell"))
            before = len(told)
            await asyncio.to_thread(_killed, worker, told)
            worker.__exit__()
            assert len(told) >= before
            if url.startswith("journal:"):
                # What others do when the holder gives no sign of life; one of them may be at work.
                await asyncio.to_thread(_release_if_dead, f"{path}.lock")
            await assert_whole(url, told, running=range(10**6))
            if url.startswith("sqlite"):
                with closing(sqlite3.connect(path)) as connection:
                    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        for worker in workers:
            worker.__exit__()
    if url.startswith("journal:"):
        await asyncio.to_thread(_release_if_dead, f"{path}.lock")
        with Program(READ_BY_OPTUNA, path) as optuna:
            known = dict(ast.literal_eval(await asyncio.to_thread(optuna.line)))
        assert {number: known[number] for number in told} == told


def _release_if_dead(lock: str) -> None:
    def sighting() -> object:
        try:
            return os.lstat(lock).st_ino, os.stat(lock).st_mtime_ns
        except OSError:
            return None

    seen, since = sighting(), time.monotonic()
    while seen is not None and sighting() == seen:
        if time.monotonic() - since > 0.5:
            os.unlink(lock)
            return
        time.sleep(0.02)
