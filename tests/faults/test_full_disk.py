"""A small disk runs out of room, and a limited file stops to grow, as SQLite sees it."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.faults.full_disk import file_size_limit, fill, small_disk

KIBIBYTES = 256


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(small_disk(tmp_path, KIBIBYTES))
        except PermissionError as error:
            pytest.skip(str(error))
        yield folder


def grow(connection: sqlite3.Connection) -> None:
    with connection:
        for _ in range(KIBIBYTES):
            connection.execute("insert into t values (zeroblob(4096))")


def test_sqlite_finds_the_disk_full_and_goes_on_when_there_is_room(disk: Path) -> None:
    with closing(sqlite3.connect(disk / "file.db")) as connection:
        connection.execute("create table t (x blob)")
        filling = fill(disk)
        with pytest.raises(sqlite3.OperationalError, match="full"):
            grow(connection)
        filling.unlink()
        with connection:
            connection.execute("insert into t values (1)")
        assert connection.execute("select count(*) from t").fetchone() == (1,)


def test_a_full_disk_takes_no_more(disk: Path) -> None:
    size = fill(disk).stat().st_size
    assert 0 < size <= KIBIBYTES * 1024
    with pytest.raises(OSError) as caught:
        (disk / "more").write_bytes(b"x")
    assert caught.value.errno == errno.ENOSPC


def test_the_disk_is_gone_afterwards(disk: Path, tmp_path: Path) -> None:
    assert disk.is_mount()
    below = tmp_path / "below"
    below.mkdir()
    with small_disk(below, KIBIBYTES) as folder:
        (folder / "file").touch()
        assert folder.is_mount()
    assert not below.is_mount()
    assert not list(below.iterdir())


def test_sqlite_fails_to_write_where_files_may_not_grow(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "file.db")) as connection:
        connection.execute("create table t (x blob)")
        with file_size_limit(KIBIBYTES * 1024):
            with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
                grow(connection)
        grow(connection)
        assert connection.execute("select count(*) from t").fetchone() == (KIBIBYTES,)
