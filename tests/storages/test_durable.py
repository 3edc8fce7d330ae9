"""The durable storages keep the promises of the protocol, each behind several handles."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from ahpo.storages import (
    JournalFileBackend,
    JournalRedisBackend,
    JournalStorage,
    RDBStorage,
)
from ahpo.storages.protocol import StudyStore
from ahpo.testing import StorageMachine, StorageTests
from ahpo.testing.storage_handles import NOW, Connect, Handles, complete, trials


class TestSQLite(StorageTests):
    @pytest.fixture
    def connect(self, tmp_path: Path) -> Connect:
        return lambda: RDBStorage(f"sqlite:///{tmp_path}/file.db")


class TestPostgreSQL(StorageTests):
    @pytest.fixture
    def connect(self, postgresql_url: str) -> Connect:
        return lambda: RDBStorage(postgresql_url)


class TestMySQL(StorageTests):
    @pytest.fixture
    def connect(self, mysql_url: str) -> Connect:
        return lambda: RDBStorage(mysql_url)

    async def test_times_are_kept_to_the_microsecond(
        self, store: StudyStore, another: Handles
    ) -> None:
        """They are kept to the second: so Optuna made the columns."""
        await store.create([complete(started=NOW + 1, completed=NOW + 10**6)])
        (trial,) = await trials(await another())
        assert (trial.started, trial.completed) == (NOW, NOW + 10**6)


class TestJournalFile(StorageTests):
    @pytest.fixture
    def connect(self, tmp_path: Path) -> Connect:
        return lambda: JournalStorage(JournalFileBackend(str(tmp_path / "file.journal")))


class TestJournalOnRedis(StorageTests):
    @pytest.fixture
    def connect(self, redis_url: str) -> Connect:
        return lambda: JournalStorage(JournalRedisBackend(redis_url))


class InFolder(StorageMachine):
    """Keep what one sequence of operations writes in a folder of its own."""

    numbers = itertools.count()

    def new_storage(self) -> Connect:
        self.folder = Path(tempfile.mkdtemp())
        return self.in_folder(self.folder)

    def in_folder(self, folder: Path) -> Connect:
        raise NotImplementedError

    def forget_storage(self) -> None:
        shutil.rmtree(self.folder)


class SQLiteMachine(InFolder):
    def in_folder(self, folder: Path) -> Connect:
        return lambda: RDBStorage(f"sqlite:///{folder}/file.db")


class JournalMachine(InFolder):
    def in_folder(self, folder: Path) -> Connect:
        return lambda: JournalStorage(JournalFileBackend(str(folder / "file.journal")))


TestSQLiteMachine = SQLiteMachine.TestCase
TestSQLiteMachine.settings = settings(max_examples=15, stateful_step_count=20)
TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(max_examples=15, stateful_step_count=20)
