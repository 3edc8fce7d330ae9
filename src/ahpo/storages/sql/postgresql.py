"""PostgreSQL, by asyncpg."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import asyncpg

from ahpo.exceptions import StorageInternalError
from ahpo.storages.exchange import Link, StorageUnavailable
from ahpo.storages.sql.address import DatabaseURL
from ahpo.storages.sql.at_once import AtOnceDialect, AtOnceLink
from ahpo.storages.sql.dialect import conflict
from ahpo.storages.sql.exchange import StudyRow
from ahpo.storages.sql.listening import Ears, ListeningLink, channel_of
from ahpo.storages.sql.schema import ENUMS, TABLES, SchemaWords, create_statements
from ahpo.storages.sql.server import ServerBackend, Unsuitable
from ahpo.storages.sql.statements import Plan, Statement, Table
from ahpo.storages.sql.versions import stamp_version

__all__ = ("PostgreSQLBackend", "PostgreSQLDialect")

_WORDS = SchemaWords(
    serial="SERIAL NOT NULL",
    double="FLOAT(53)",
    time="TIMESTAMP WITHOUT TIME ZONE",
    enum="{type}",
    # Each exchange asks for the trials after the last one that it knows. Other databases have the
    # identifier in every index; here, all trials of the study would be looked at.
    of_study="study_id, trial_id",
)
# Seconds to wait for a connection, and for the answer to a statement.
_CONNECT_TIMEOUT, _COMMAND_TIMEOUT = 15.0, 30.0
# Any number will do, as long as all of us take the same one.
_ADVISORY_LOCK = 0x6168706F
# What the server says when it is worth trying again: connection lost, resources short, shutting
# down or query cancelled, serialization failure or deadlock, lock not available, transaction ended
# by the server, prepared statement of another session.
_PASSING = ("08", "53", "57", "40", "55P03", "25P", "26", "42P05")
_DISK_FULL = "53100"
# Two who make the same tables at once.
_RACE = frozenset(("42P07", "42710", "23505", "42P06"))
# What a pooler such as PgBouncer makes of prepared statements of another session.
_FOREIGN_STATEMENT = frozenset(("42P05", "26000"))
_PLAIN_TYPES = frozenset(("int", "text", "float8", "timestamp"))


class PostgreSQLDialect(AtOnceDialect):
    """Word statements for PostgreSQL."""

    for_update = " FOR UPDATE"
    no_time = "CAST(NULL AS timestamp)"
    now = "CAST(clock_timestamp() AS timestamp)"

    def translate(self, sql: str) -> str:
        # As text, enums need not be looked up by the driver.
        parts = re.sub(r"#(\w+)", r"CAST(\1 AS text)", sql).split("?")
        return "".join(
            part if place == 0 else f"${place}{part}" for place, part in enumerate(parts)
        )

    def within(self, ids: Sequence[int]) -> tuple[str, tuple[Any, ...]]:
        return " = ANY(?::int[])", (list(ids),)

    def write(self, table: Table, rows: Sequence[Sequence[Any]]) -> Plan[None]:
        yield self.run(self.insert_from(table), *map(list, zip(*rows, strict=True)))

    def update(self, sets: Sequence[tuple[int, str, Any]], column: str) -> Plan[None]:
        yield self.run(self.update_from(column), *self.update_args(sets))

    def insert_from(self, table: Table, guard: str = "") -> str:
        """Return the statement that inserts rows, which are given as an array for each column.

        :param guard: the name of a query with a column ``is_so``, which must be true
        """
        names = ", ".join(name for name, _ in table.columns)
        arrays, cells = [], []
        for place, (_, kind) in enumerate(table.columns):
            plain = kind in _PLAIN_TYPES
            arrays.append(f"?::{kind if plain else 'text'}[]")
            cells.append(f"c{place}" if plain else f"CAST(c{place} AS {kind})")
        aliases = ", ".join(f"c{place}" for place in range(len(cells)))
        guarded = f", {guard} WHERE is_so" if guard else ""
        return (
            f"INSERT INTO {table.name} ({names}) SELECT {', '.join(cells)} "
            f"FROM unnest({', '.join(arrays)}) AS new ({aliases}){guarded}{conflict(table)}"
        )

    def update_from(self, column: str, guard: str = "") -> str:
        """Return the statement that sets states and times, as `insert_from` does for rows."""
        source, condition = (f", {guard}", " AND is_so") if guard else ("", "")
        return (
            f"UPDATE trials SET state = CAST(c1 AS trialstate), {column} = c2 "
            f"FROM unnest(?::int[], ?::text[], ?::timestamp[]) AS new (c0, c1, c2){source} "
            f"WHERE trial_id = c0 AND trial_id = ANY(?::int[]){condition}"
        )

    def update_args(self, sets: Sequence[tuple[int, str, Any]]) -> list[list[Any]]:
        # The identifiers twice: in a table without statistics, joined rows are looked for one by
        # one among all, but not those that a condition names.
        columns = list(map(list, zip(*sets, strict=True)))
        return [*columns, columns[0]]

    def announce(self, study_id: int) -> Plan[None]:
        yield self.fetch("SELECT pg_notify(?, '')", channel_of(study_id))

    def before(self, seconds: float) -> tuple[str, Any]:
        return f"{self.now} - make_interval(secs => ?)", float(seconds)

    def check_key(self, what: str, key: str) -> None:
        super().check_key(what, key)
        if "\0" in key:
            raise ValueError(f"{what} must not hold NUL to be stored, but it is {key!r}.")


class PostgreSQLBackend(ServerBackend):
    """Keep studies in a database of PostgreSQL.

    It may be behind a pooler, such as PgBouncer in transaction mode: then the URL should have the
    argument ``statement_cache_size=0``, without which this is found out by an error.

    :param parts: the URL; its arguments are those that asyncpg knows
    :param connect_args: ``timeout`` (how many seconds to wait for a connection), and more of the
        arguments that the URL may have; ``server_settings`` (a dict of parameters of the session)
    :param limit: the largest number of connections, None for any number
    """

    errors = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

    def __init__(
        self,
        parts: DatabaseURL,
        connect_args: Mapping[str, Any] | None = None,
        limit: int | None = None,
        *,
        skip_compatibility_check: bool = False,
        skip_table_creation: bool = False,
    ) -> None:
        super().__init__(parts, limit, skip_compatibility_check, skip_table_creation)
        self.dialect = PostgreSQLDialect()
        query: dict[str, Any] = {**parts.query, **(connect_args or {})}
        timeout = query.pop("connect_timeout", _CONNECT_TIMEOUT)
        self._arguments: dict[str, Any] = {
            "timeout": float(query.pop("timeout", timeout)),
            "command_timeout": float(query.pop("command_timeout", _COMMAND_TIMEOUT)),
        }
        if "server_settings" in query:
            self._arguments["server_settings"] = _settings(query.pop("server_settings"))
        for name in ("statement_cache_size", "prepared_statement_cache_size"):
            if name in query:
                self._arguments["statement_cache_size"] = int(query.pop(name))
        for name in [name for name in query if name.startswith("keepalives")]:
            del query[name]  # of libpq, which is not here
        self._dsn = _dsn(parts, query)
        self._ears: Ears | None = Ears()

    # -- what the driver does ---------------------------------------------------------------

    def link(self, row: StudyRow) -> Link:
        ears = self._ears
        return AtOnceLink(self, row) if ears is None else ListeningLink(self, row, ears)

    async def _connect(self) -> Any:
        return await asyncpg.connect(self._dsn, **self._arguments)

    async def _begin(self, connection: Any, durable: bool) -> None:
        # In one go. What is set, is set for this transaction alone: behind a pooler, the next one
        # may have another session.
        sql = "BEGIN ISOLATION LEVEL READ COMMITTED"
        await connection.execute(sql if durable else f"{sql}; SET LOCAL synchronous_commit TO OFF")

    async def _tune(self, connection: Any) -> None:
        if self._ears is None:
            return
        try:
            await self._ears.tune(connection)
        except asyncpg.PostgresError as exc:
            if getattr(exc, "sqlstate", None) in _FOREIGN_STATEMENT:
                self._without_cache(connection, exc)
            if isinstance(self._translated(exc), StorageUnavailable):
                self._drop(connection)  # the driver may think that it listens
                raise
            self._ears = None  # there are servers that do not have it
            await connection.execute("ROLLBACK")

    async def _run(self, connection: Any, statement: Statement) -> Any:
        try:
            if statement.rows:
                return await connection.fetch(statement.sql, *statement.args)
            status: str = await connection.execute(statement.sql, *statement.args)
        except asyncpg.PostgresError as exc:
            if getattr(exc, "sqlstate", None) in _FOREIGN_STATEMENT:
                self._without_cache(connection, exc)
            raise
        last = status.rsplit(" ", 1)[-1]
        return int(last) if last.isdigit() else 0

    def _without_cache(self, connection: Any, exc: Exception) -> None:
        """Do without prepared statements from now on, unless they were asked for."""
        self._drop(connection)
        if "statement_cache_size" not in self._arguments:
            self._arguments["statement_cache_size"] = 0
            self._drop_idle()
            raise Unsuitable from exc

    async def _end(self, connection: Any, word: str) -> None:
        await connection.execute(word)

    def _is_closed(self, connection: Any) -> bool:
        return bool(connection.is_closed())

    def _drop(self, connection: Any) -> None:
        connection.terminate()

    async def _close(self, connection: Any) -> None:
        await connection.close(timeout=5.0)

    def _translated(self, exc: Exception) -> Exception:
        where, reason = self._parts.shown(), str(exc) or type(exc).__name__
        state = getattr(exc, "sqlstate", None)
        if isinstance(exc, asyncpg.InvalidCachedStatementError):  # somebody changed a table
            passes = True
        elif state is None:
            passes = not isinstance(exc, ValueError)  # which is an argument that means nothing
        else:
            passes = state != _DISK_FULL and state.startswith(_PASSING)
        if passes:
            return StorageUnavailable(f"The database {where} is not available: {reason}.")
        return StorageInternalError(f"The database {where} can not be used: {reason}.")

    # -- the schema -------------------------------------------------------------------------

    def _is_race(self, exc: Exception) -> bool:
        return getattr(exc.__cause__, "sqlstate", None) in _RACE

    def _existing(self) -> Plan[set[str]]:
        rows = yield self.dialect.fetch(
            "SELECT name FROM unnest(?::text[]) AS name WHERE to_regclass(name) IS NOT NULL",
            list(TABLES),
        )
        return {row[0] for row in rows}

    def _has_tables(self) -> Plan[bool]:
        existing = yield from self._existing()
        if not existing >= TABLES.keys():
            return False
        for table in ("version_info", "alembic_version"):
            if not (yield Statement(f"SELECT 1 FROM {table}")):
                return False
        return True

    def _make_tables(self) -> Plan[None]:
        yield self.dialect.fetch("SELECT pg_advisory_xact_lock(?)", _ADVISORY_LOCK)
        existing = yield from self._existing()
        rows = yield self.dialect.fetch(
            "SELECT typname::text FROM pg_type WHERE typname = ANY(?::text[]) "
            "AND pg_type_is_visible(oid)",
            list(ENUMS),
        )
        types = {row[0] for row in rows}
        for name, words in ENUMS.items():
            if name not in types:
                listed = ", ".join(f"'{word}'" for word in words)
                yield Statement(f"CREATE TYPE {name} AS ENUM ({listed})", rows=False)
        for sql in create_statements(_WORDS, sorted(existing)):
            yield Statement(sql, rows=False)
        yield from stamp_version(self.dialect)


def _settings(settings: Any) -> dict[str, str]:
    if not isinstance(settings, Mapping):
        raise ValueError(f"`server_settings` must be a dict, but it is {settings!r}.")
    return {str(name): str(value) for name, value in settings.items()}


def _dsn(parts: DatabaseURL, query: Mapping[str, Any]) -> str:
    """Return the URL as asyncpg wants it, which takes its arguments apart itself."""
    user = "" if parts.user is None else quote(parts.user, safe="")
    if parts.password is not None:
        user += ":" + quote(parts.password, safe="")
    host = f"[{parts.host}]" if parts.host and ":" in parts.host else parts.host or ""
    port = "" if parts.port is None else f":{parts.port}"
    at = f"{user}@" if user else ""
    arguments = f"?{urlencode(query)}" if query else ""
    return f"postgresql://{at}{host}{port}/{quote(parts.database, safe='')}{arguments}"
