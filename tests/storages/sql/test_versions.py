"""Schemas of other versions are refused, unless one asks for them to be opened all the same."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ahpo.exceptions import StorageInternalError
from ahpo.storages.sql.sqlite import SQLiteBackend

pytestmark = pytest.mark.asyncio


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "study.db")


async def _made(path: str, *statements: str) -> SQLiteBackend:
    backend = SQLiteBackend(path)
    await backend.study_names()
    await backend.aclose()
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return backend


def _rows(path: str, table: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    rows = connection.execute(f"SELECT * FROM {table}").fetchall()
    connection.close()
    return rows


OLDER = "UPDATE alembic_version SET version_num = 'v3.0.0.d'"
NEWER = "UPDATE alembic_version SET version_num = 'v9.0.0.a'"
NONE = "DELETE FROM alembic_version"
OLD_INFO = "UPDATE version_info SET schema_version = 11"


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        ((OLDER,), r"older .*`optuna storage upgrade --storage sqlite:///.*study.db`"),
        ((NONE, OLD_INFO), r"older .*`optuna storage upgrade --storage sqlite:///.*study.db`"),
        ((NEWER,), "newer than this program understands .*v9.0.0.a"),
        (("INSERT INTO alembic_version VALUES ('v9.0.0.b')",), "newer"),
    ],
)
async def test_another_version_is_refused(
    path: str, statements: tuple[str, ...], message: str
) -> None:
    backend = await _made(path, *statements)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=message):
            await backend.study_names()
    unchecked = SQLiteBackend(path, skip_compatibility_check=True)
    assert await unchecked.study_names() == []
    await unchecked.aclose()
    await backend.aclose()


@pytest.mark.parametrize(
    "statement",
    [NONE, "DROP TABLE alembic_version", "DELETE FROM version_info", "DROP TABLE version_info"],
)
async def test_missing_version_is_added(path: str, statement: str) -> None:
    backend = await _made(path, statement)
    assert await backend.study_names() == []
    await backend.aclose()
    assert _rows(path, "alembic_version") == [("v3.2.0.a",)]
    assert _rows(path, "version_info") == [(1, 12, "ahpo")]


async def test_missing_table_is_created(path: str) -> None:
    backend = await _made(path, "DROP TABLE trial_heartbeats")
    await backend.study_names()
    await backend.aclose()
    assert _rows(path, "trial_heartbeats") == []


async def test_tables_are_left_alone_if_one_asks_for_that(path: str) -> None:
    backend = SQLiteBackend(path, skip_table_creation=True)
    with pytest.raises(StorageInternalError, match="no such table: studies"):
        await backend.study_names()
    await backend.aclose()


async def test_tables_are_those_that_optuna_makes(path: str, tmp_path: Path) -> None:
    import optuna

    await _made(path)
    theirs = str(tmp_path / "theirs.db")
    optuna.storages.RDBStorage(f"sqlite:///{theirs}").engine.dispose()

    def shape(file: str) -> dict[str, object]:
        connection = sqlite3.connect(file)
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        found: dict[str, object] = {}
        for (table,) in tables.fetchall():
            columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
            keys = connection.execute(f"PRAGMA foreign_key_list({table})").fetchall()
            indexes = connection.execute(f"PRAGMA index_list({table})").fetchall()
            parts = [
                (unique, connection.execute(f"PRAGMA index_info({name})").fetchall())
                for _, name, unique, *_ in sorted(indexes)
            ]
            found[table] = columns, keys, parts
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        connection.close()
        return {**found, "indexes": sorted(names)}

    assert shape(path) == shape(theirs)
