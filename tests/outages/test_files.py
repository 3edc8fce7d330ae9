"""A file of SQLite that is locked, full or read-only: the study waits, or says so and resumes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from ahpo.exceptions import StorageInternalError
from ahpo.states import TrialState
from ahpo.storages.patience import Patience
from tests.faults.full_disk import file_size_limit, fill, small_disk
from tests.faults.sqlite_lock import SqliteLock
from tests.outages.checking import BRIEF, Told, assert_whole, created, files, opened, place_of

pytestmark = pytest.mark.asyncio

TIMEOUT = "?timeout=0.1"  # for how long SQLite itself waits


async def test_study_goes_on_when_another_program_lets_go_of_the_file(tmp_path: Path) -> None:
    """Longer than SQLite waits, and shorter than the storage is patient."""
    url, told = f"sqlite:///{tmp_path}/file.db", Told()
    storage = place_of(url + TIMEOUT)
    storage.patience = BRIEF
    study = await created(storage)
    running = asyncio.create_task(
        study.optimize(told.objective(50), n_trials=60, n_jobs=50, callbacks=[told.note])
    )
    await told.all_run.wait()
    lock = await asyncio.to_thread(SqliteLock(tmp_path / "file.db").__enter__)
    told.go_on.set()
    await asyncio.sleep(0.5)  # the lock is held for five times as long as SQLite waits
    assert not told.values
    await asyncio.to_thread(lock.__exit__)
    await running
    assert len(told.values) == 60
    await storage.aclose()
    assert len(await assert_whole(url, told.values)) == 60


async def test_file_that_stays_locked_is_one_clear_error_and_the_study_resumes(
    tmp_path: Path,
) -> None:
    url, told = f"sqlite:///{tmp_path}/file.db", Told()
    storage = place_of(url + TIMEOUT)
    storage.patience = Patience(0.3, 0.05, 0.1)
    study = await created(storage)
    running = asyncio.create_task(
        study.optimize(told.objective(3), n_trials=5, n_jobs=3, callbacks=[told.note])
    )
    await told.all_run.wait()
    lock = await asyncio.to_thread(SqliteLock(tmp_path / "file.db").__enter__)
    told.go_on.set()
    with pytest.raises(StorageInternalError, match="could not be reached for .* is busy"):
        await running
    await asyncio.to_thread(lock.__exit__)
    storage.patience = BRIEF
    await _resumes(url, told, study, storage)


async def _resumes(url: str, told: Told, study: object, storage: object) -> None:
    """The same study goes on, and the trials that could not be ended are failed by their lease."""
    told.go_on.set()
    await study.optimize(told.objective(0), n_trials=3, callbacks=[told.note])  # type: ignore[attr-defined]
    await storage.aclose()  # type: ignore[attr-defined]
    later = place_of(url, heartbeat_interval=10.0, grace_period=1e-6)
    again = await opened(later)
    await again.optimize(told.objective(0), n_trials=1, callbacks=[told.note])
    await later.aclose()
    trials = await assert_whole(url, told.values)
    # What failed without an answer may have been written.
    complete = {trial.number for trial in trials if trial.state is TrialState.COMPLETE}
    assert complete >= told.values.keys()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(small_disk(tmp_path, 1024))
        except PermissionError as error:
            pytest.skip(str(error))
        yield folder


@pytest.mark.parametrize("kind", ["sqlite:///", "journal:"])
async def test_disk_that_is_full_for_a_while(disk: Path, kind: str) -> None:
    url, told = f"{kind}{disk}/file", Told()
    storage = place_of(url)
    storage.patience = Patience(0.3, 0.05, 0.1)
    study = await created(storage)
    told.go_on.set()
    await study.optimize(told.objective(0), n_trials=5, callbacks=[told.note])
    filling = fill(disk)
    with pytest.raises(StorageInternalError, match="full|No space left"):
        await study.optimize(told.objective(0), n_trials=500, n_jobs=3, callbacks=[told.note])
    filling.unlink()
    await _resumes(url, told, study, storage)


@pytest.mark.parametrize("kind", ["sqlite:///", "journal:"])
async def test_file_that_may_not_grow(tmp_path: Path, kind: str) -> None:
    """As a full disk, for those who may not mount one."""
    url, told = f"{kind}{tmp_path}/file", Told()
    storage = place_of(url)
    storage.patience = Patience(0.3, 0.05, 0.1)
    study = await created(storage)
    told.go_on.set()
    await study.optimize(told.objective(0), n_trials=5, callbacks=[told.note])
    size = max(path.stat().st_size for path in files(tmp_path))
    with file_size_limit(size + 9000):
        with pytest.raises(StorageInternalError, match="can not be|too large"):
            await study.optimize(told.objective(0), n_trials=500, n_jobs=3, callbacks=[told.note])
    await _resumes(url, told, study, storage)


async def test_study_that_may_only_be_read_can_be_read(tmp_path: Path) -> None:
    url, told = f"sqlite:///{tmp_path}/file.db", Told()
    storage = place_of(url)
    study = await created(storage)
    told.go_on.set()
    await study.optimize(told.objective(0), n_trials=3, callbacks=[told.note])
    await storage.aclose()
    reader = place_of(f"sqlite:///file:{tmp_path}/file.db?mode=ro&uri=true")
    read = await opened(reader)
    assert {trial.number: trial.value for trial in read.trials} == told.values
    with pytest.raises(StorageInternalError, match="read-only"):
        await read.ask()
    assert len(read.trials) == 3
    await reader.aclose()
    with closing(sqlite3.connect(tmp_path / "file.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
