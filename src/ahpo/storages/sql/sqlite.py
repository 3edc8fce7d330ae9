"""SQLite: one connection of aiosqlite, in whose thread each transaction runs as one function."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import aiosqlite

from ahpo.exceptions import StorageInternalError
from ahpo.states import StudyDirection
from ahpo.storages.exchange import Backend, Link, Request, Response, StorageUnavailable
from ahpo.storages.sql import studies
from ahpo.storages.sql.dialect import SQLiteDialect
from ahpo.storages.sql.exchange import Attrs, Exchanged, StudyRow, exchange, writes_anything
from ahpo.storages.sql.schema import TABLES, SchemaWords, create_statements
from ahpo.storages.sql.statements import Plan, Statement
from ahpo.storages.sql.versions import check_version, stamp_version

__all__ = ("SQLiteBackend",)

T = TypeVar("T")

_WORDS = SchemaWords(
    serial="INTEGER NOT NULL", double="FLOAT", time="DATETIME", enum="VARCHAR({width})", quote='"'
)
# The primary codes of errors that may pass: busy, locked, interrupted, protocol, schema changed.
_PASSING = frozenset((5, 6, 9, 15, 17))
_REASONS = {
    8: "it is read-only",
    10: "its disk can not be read or written",
    11: "its file is damaged",
    13: "its disk is full",
    14: "its file can not be opened",
    26: "its file is no database of SQLite",
}
_CONNECT_ARGS = frozenset(("timeout", "uri", "cached_statements", "check_same_thread"))


class _Version(NamedTuple):
    """Tell what a connection knows of the writes of others: none came if it stays the same."""

    data_version: int  # changes when another connection commits
    n_own: int  # how many transactions of this connection have written


class SQLiteBackend(Backend):
    """Keep studies in a file of SQLite, or in memory.

    :param path: the path of the file, or ``":memory:"``
    :param connect_args: arguments of `sqlite3.connect`: ``timeout`` (how many seconds to wait for
        other writers; 5 by default), ``uri``, ``cached_statements``
    :param skip_compatibility_check: whether to open a schema of another version
    :param skip_table_creation: whether to leave the tables as they are
    """

    def __init__(
        self,
        path: str,
        connect_args: Mapping[str, Any] | None = None,
        *,
        skip_compatibility_check: bool = False,
        skip_table_creation: bool = False,
    ) -> None:
        arguments = dict(connect_args or {})
        unknown = arguments.keys() - _CONNECT_ARGS
        if unknown:
            raise ValueError(
                f"The connect arguments of SQLite may be {', '.join(sorted(_CONNECT_ARGS))}, "
                f"but {sorted(unknown)[0]!r} is among them."
            )
        arguments.pop("check_same_thread", None)  # one thread has the connection anyway
        self.path = path
        self.dialect = SQLiteDialect()
        self._arguments = arguments
        self._check = not skip_compatibility_check
        self._create = not skip_table_creation
        self._connection: aiosqlite.Connection | None = None
        self._opening: asyncio.Lock = asyncio.Lock()
        self._durable = True
        self._n_own = 0

    # -- in the thread of the connection ----------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        folder = os.path.dirname(self.path)
        if folder and not self._arguments.get("uri") and not os.path.isdir(folder):
            raise StorageInternalError(
                f"The folder {folder!r} of the database {self.path!r} does not exist."
            )
        try:
            connection: sqlite3.Connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, **self._arguments
            )
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as exc:
            raise self._translated(exc) from exc
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        self._durable = True
        # Where it is refused, as by a file that can not be written, the mode stays as it is.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        if self._create:
            if not self._is_complete(connection):
                _transact(connection, self._make_tables(), "BEGIN IMMEDIATE")
        if self._check and "alembic_version" in _tables(connection):
            plan = check_version(self.dialect, f"sqlite:///{self.path}")
            _transact(connection, plan, "BEGIN")

    def _is_complete(self, connection: sqlite3.Connection) -> bool:
        return _tables(connection) >= TABLES.keys() and all(
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("version_info", "alembic_version")
        )

    def _make_tables(self) -> Plan[None]:
        rows = yield Statement("SELECT name FROM sqlite_master WHERE type = 'table'")
        for sql in create_statements(_WORDS, [row[0] for row in rows]):
            yield Statement(sql, rows=False)
        yield from stamp_version(self.dialect)

    def _translated(self, exc: sqlite3.Error) -> Exception:
        code = getattr(exc, "sqlite_errorcode", 1) & 0xFF
        if code in _PASSING:
            return StorageUnavailable(f"The database {self.path!r} is busy: {exc}.")
        reason = _REASONS.get(code, str(exc))
        return StorageInternalError(f"The database {self.path!r} can not be used: {reason}.")

    def _set_durable(self, connection: sqlite3.Connection, durable: bool) -> None:
        if durable is not self._durable:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable

    def _versioned(
        self, plan: Callable[[bool], Plan[T]], writes: bool, known: _Version | None
    ) -> Plan[tuple[T, _Version]]:
        if not writes:  # only by reading, the transaction gets its view of the database
            yield Statement("SELECT 1 FROM sqlite_master LIMIT 1")
        rows = yield Statement("PRAGMA data_version")
        quiet = known == (rows[0][0], self._n_own)
        result = yield from plan(quiet)
        return result, _Version(rows[0][0], self._n_own + writes)

    # -- on the event loop ------------------------------------------------------------------

    async def _connected(self) -> aiosqlite.Connection:
        async with self._opening:
            connection = self._connection
            if connection is None:
                connection = aiosqlite.Connection(self._open, 64)
                # A process that ends with a storage open must not wait for it for ever. (Up to
                # aiosqlite 0.21 a connection is its thread.)
                thread: Any = getattr(connection, "_thread", connection)
                thread.daemon = True
                self._connection = await connection
            return connection

    async def transact(
        self,
        plan: Callable[[bool], Plan[T]],
        *,
        durable: bool = True,
        writes: bool = True,
        known: _Version | None = None,
    ) -> tuple[T, _Version]:
        """Carry out a plan in one transaction; return its result, and what was known then.

        The plan is made by a function, which is told whether it is certain that nobody else has
        written since ``known`` was returned.
        """
        connection = await self._connected()

        def job() -> tuple[T, _Version]:
            if writes:
                self._set_durable(connection._conn, durable)
            begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
            done = _transact(connection._conn, self._versioned(plan, writes, known), begin)
            self._n_own += writes
            return done

        try:
            # One function for the whole transaction: an await for each of its statements would take
            # 40 times as long, and leave the transaction open where it is cancelled. aiosqlite has
            # no public name for it.
            return await connection._execute(job)  # type: ignore[no-any-return,no-untyped-call]
        except sqlite3.Error as exc:
            raise self._translated(exc) from exc

    async def create_study(self, study_name: str, directions: Sequence[StudyDirection]) -> Link:
        row, _ = await self.transact(
            lambda quiet: studies.create_study(self.dialect, study_name, directions)
        )
        return _SQLiteLink(self, row)

    async def open_study(self, study_name: str) -> Link:
        row, _ = await self.transact(
            lambda quiet: studies.open_study(self.dialect, study_name), writes=False
        )
        return _SQLiteLink(self, row)

    async def delete_study(self, study_name: str) -> None:
        await self.transact(lambda quiet: studies.delete_study(self.dialect, study_name))

    async def study_names(self) -> list[str]:
        names, _ = await self.transact(
            lambda quiet: studies.study_names(self.dialect), writes=False
        )
        return names

    async def aclose(self) -> None:
        async with self._opening:
            connection, self._connection = self._connection, None
            if connection is not None:
                await connection.close()


class _SQLiteLink(Link):
    def __init__(self, backend: SQLiteBackend, row: StudyRow) -> None:
        self.study_id, self.study_name, self.directions = row
        self._backend = backend
        self._row = row
        self._attrs: Attrs | None = None
        self._known: _Version | None = None
        self._last_id = -1  # of the trials that the store knows after the last response

    async def exchange(self, request: Request) -> Response:
        known = self._known
        if request.repeated or request.seen.last_id != self._last_id:
            known = None  # the last response may not have arrived
        attrs = None if request.repeated else self._attrs
        backend, row = self._backend, self._row

        def plan(quiet: bool) -> Plan[tuple[Exchanged, bool]]:
            done = yield from exchange(backend.dialect, row, request, attrs, quiet)
            return done, quiet

        (done, quiet), version = await backend.transact(
            plan, durable=request.durable, writes=writes_anything(request), known=known
        )
        # Not before the response is certain to arrive: no await comes after this.
        response = done.response
        self._known = version if quiet or request.read else None
        self._attrs = done.attrs or attrs
        ids = [request.seen.last_id, *(trial.trial_id for trial in response.trials[-1:])]
        self._last_id = max(ids)
        return response


def _tables(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {row[0] for row in rows}


def _run(connection: sqlite3.Connection, statement: Statement) -> Any:
    if statement.many is not None:
        connection.executemany(statement.sql, statement.many)
        return None
    cursor = connection.execute(statement.sql, statement.args)
    return cursor.fetchall() if statement.rows else cursor.rowcount


def _drive(connection: sqlite3.Connection, plan: Plan[T]) -> T:
    try:
        statement = next(plan)
        while True:
            statement = plan.send(_run(connection, statement))
    except StopIteration as stop:
        result: T = stop.value
        return result


def _transact(connection: sqlite3.Connection, plan: Plan[T], begin: str) -> T:
    connection.execute(begin)
    try:
        result = _drive(connection, plan)
        connection.execute("COMMIT")
        return result
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
