"""Which versions of the schema are understood."""

from __future__ import annotations

from collections.abc import Collection

from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.statements import Plan

__all__ = ("HEAD", "LIBRARY", "SCHEMA", "check_version", "stamp_version")

SCHEMA = 12
HEAD = "v3.2.0.a"
LIBRARY = "ahpo"
_OLDER = frozenset(
    "v0.9.0.a v1.2.0.a v1.3.0.a v2.4.0.a v2.6.0.a v3.0.0.a v3.0.0.b v3.0.0.c v3.0.0.d".split()
)


def stamp_version(dialect: Dialect) -> Plan[None]:
    """Add the rows that name the version, where there are none; the tables exist."""
    rows = yield dialect.fetch("SELECT schema_version FROM version_info")
    if not rows:
        yield dialect.run("INSERT INTO version_info VALUES (1, ?, ?)", SCHEMA, LIBRARY)
        rows = [(SCHEMA,)]
    stamped = yield dialect.fetch("SELECT version_num FROM alembic_version")
    if not stamped and rows[0][0] == SCHEMA:
        yield dialect.run("INSERT INTO alembic_version VALUES (?)", HEAD)


def check_version(dialect: Dialect, url: str, existing: Collection[str]) -> Plan[None]:
    """Check that the tables that exist, if any, are of the schema that we know.

    :param url: the URL of the database, to be shown, so without a password
    :param existing: the names of the tables
    :raises RuntimeError: if they are not
    """
    found: list[str] = []
    if "alembic_version" in existing:
        rows = yield dialect.fetch("SELECT version_num FROM alembic_version")
        found = [row[0] for row in rows]
    if found == [HEAD]:
        return
    if not found:
        rows = []
        if "version_info" in existing:
            rows = yield dialect.fetch("SELECT schema_version FROM version_info")
        if not rows or rows[0][0] == SCHEMA:
            return  # no tables, or some that nobody has stamped yet
    if set(found) <= _OLDER:
        raise RuntimeError(
            f"The tables of {url} were made by an older version of Optuna (schema "
            f"{', '.join(found) or 'v0.9.0.a'}, needed is {HEAD}): upgrade them by "
            f"`optuna storage upgrade --storage {url}`."
        )
    raise RuntimeError(
        f"The tables of {url} were made by a version of Optuna that is newer than this program "
        f"understands (schema {', '.join(found)}, known is {HEAD}): use a newer version of ahpo."
    )
