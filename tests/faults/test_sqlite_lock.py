"""Another process keeps a SQLite file locked as long as it is told to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.sqlite_lock import SqliteLock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table t (x int)")
    return path


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        yield connection


def read(connection: sqlite3.Connection) -> int:
    return connection.execute("select count(*) from t").fetchone()[0]


def write(connection: sqlite3.Connection) -> None:
    connection.execute("insert into t values (1)")


def test_writers_are_kept_out_until_the_release(path: Path, connection: sqlite3.Connection) -> None:
    with SqliteLock(path) as lock:
        assert read(connection) == 0
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            write(connection)
        lock.release()
        write(connection)
    assert read(connection) == 1


def test_an_exclusive_lock_keeps_readers_out(path: Path, connection: sqlite3.Connection) -> None:
    with SqliteLock(path, "exclusive"):
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            read(connection)
    assert read(connection) == 0


def test_a_reader_keeps_a_checkpoint_from_ending(
    path: Path, connection: sqlite3.Connection
) -> None:
    connection.execute("pragma journal_mode = wal").fetchone()
    with SqliteLock(path, "deferred"):
        write(connection)
        busy, *_ = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
        assert busy
    busy, *_ = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
    assert not busy


def test_a_lock_for_a_while_ends_by_itself(path: Path) -> None:
    with SqliteLock(path, seconds=0.2):
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as hasty:
            with pytest.raises(sqlite3.OperationalError, match="database is locked"):
                write(hasty)
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as patient:
            write(patient)
            assert read(patient) == 1
