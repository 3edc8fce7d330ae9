"""SQLite: one connection of aiosqlite, in whose thread each transaction runs as one function."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

import aiosqlite

from ahpo.exceptions import StorageInternalError
from ahpo.storages.exchange import Link, NotInPlace, Request, Response, StorageUnavailable
from ahpo.storages.pending import in_plain_code
from ahpo.storages.sql.base import SQLBackend, on_study_refused
from ahpo.storages.sql.dialect import SQLiteDialect
from ahpo.storages.sql.exchange import (
    LOOKED_AT,
    UNKNOWN,
    Attrs,
    Exchanged,
    StudyRow,
    exchange,
    writes_anything,
)
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
_READ_ONLY = 8
_REASONS = {
    _READ_ONLY: "it is read-only",
    10: "its disk can not be read or written",
    11: "its file is damaged",
    13: "its disk is full",
    14: "its file can not be opened",
    26: "its file is no database of SQLite",
}
# Optuna reads that a trial is waiting, or running, and writes what it makes of that without a look
# at what others did in between: so on SQLite, where it locks no row, it may start a trial twice, or
# finish it again. The database refuses that; Optuna takes it for what it is, and goes on.
_GUARD = "ahpo_one_writer_only"
_MAKE_GUARD = f"""
CREATE TRIGGER IF NOT EXISTS {_GUARD} BEFORE UPDATE OF state ON trials
WHEN OLD.state IN ('COMPLETE', 'PRUNED', 'FAIL') OR 'RUNNING' = OLD.state AND OLD.state = NEW.state
BEGIN SELECT RAISE(ABORT, 'somebody else has started or finished this trial'); END
"""
_SMALLEST_PAGE = 512
_CONNECT_ARGS = frozenset(("timeout", "uri", "cached_statements", "check_same_thread"))


class _Version(NamedTuple):
    """Tell what a connection knows of the writes of others: none came if it stays the same."""

    data_version: int  # changes when another connection commits
    n_own: int  # how many transactions of this connection have written


class SQLiteBackend(SQLBackend):
    """Keep studies in a file of SQLite, or in memory.

    :param path: the path of the file, or ``":memory:"``
    :param connect_args: arguments of `sqlite3.connect`: ``timeout`` (how many seconds to wait for
        other writers; 5 by default), ``uri``, ``cached_statements``
    :param skip_compatibility_check: whether to open a schema of another version
    :param skip_table_creation: whether to leave the tables as they are
    :param folder: where a relative path begins; "" for the working directory of this moment
    """

    def __init__(
        self,
        path: str,
        connect_args: Mapping[str, Any] | None = None,
        *,
        skip_compatibility_check: bool = False,
        skip_table_creation: bool = False,
        folder: str = "",
    ) -> None:
        arguments = dict(connect_args or {})
        unknown = arguments.keys() - _CONNECT_ARGS
        if unknown:
            raise ValueError(
                f"The connect arguments of SQLite may be {', '.join(sorted(_CONNECT_ARGS))}, "
                f"but {sorted(unknown)[0]!r} is among them."
            )
        timeout = arguments.get("timeout", 0.0)
        if not isinstance(timeout, int | float):
            raise ValueError(f"`timeout` must be a number of seconds, but it is {timeout!r}.")
        arguments.pop("check_same_thread", None)  # one thread has the connection anyway
        self.in_memory = self.lives_while_open = ":memory:" in path or "mode=memory" in path
        # The file stays the same one wherever the process goes until it is opened.
        named = self.in_memory or arguments.get("uri")
        self.path = path if named else os.path.abspath(os.path.join(folder, path))
        self.dialect = SQLiteDialect()
        self._arguments = arguments
        self._check = not skip_compatibility_check
        self._create = not skip_table_creation
        self._connection: aiosqlite.Connection | None = None
        self._opening: asyncio.Lock = asyncio.Lock()
        self._durable = True
        self.n_own = 0
        self._using = threading.Lock()  # held while something is done with what is open
        self._opened: sqlite3.Connection | None = None
        self._file: tuple[str, int, int] | None = None  # its path, device and inode
        _backends.add(self)

    # -- in the thread of the connection ----------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        folder = os.path.dirname(self.path)
        if folder and not self._arguments.get("uri") and not os.path.isdir(folder):
            raise StorageInternalError(
                f"The folder {folder!r} of the database {self.path!r} does not exist."
            )
        self._check_kind()
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
        self._opened = connection
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        self._file = (path, *_identity(path)) if path else None
        return connection

    def _check_kind(self) -> None:
        """Raise StorageInternalError if the file is something else, which may be of value."""
        if self.in_memory or self._arguments.get("uri"):
            return
        # SQLite itself takes what is smaller than a page for an empty file, and overwrites it. (To
        # look into it is not for us: with the closing of a file, POSIX drops all locks on it that
        # any connection of this process holds.)
        try:
            size = os.stat(self.path).st_size
        except OSError:
            return  # there is none as yet, or SQLite will say what is wrong with it
        if 0 < size < _SMALLEST_PAGE:
            raise StorageInternalError(
                f"The database {self.path!r} can not be used: {_REASONS[26]}."
            )

    def _first_open(self) -> sqlite3.Connection:
        with self._using:
            return self._open()

    def _again(self, connection: aiosqlite.Connection) -> sqlite3.Connection:
        """Open the file again, which was closed for a fork."""
        connection._connection = opened = self._open()
        self.n_own += 1  # whether others have written meanwhile is not known
        return opened

    def _check_file(self) -> None:
        """Raise StorageInternalError if what is written would be in no file that has a name."""
        if self._file is not None and _identity(self._file[0]) != self._file[1:]:
            raise StorageInternalError(
                f"The file of the database {self.path!r} must stay where it is while it is in use, "
                "but it has been deleted or replaced."
            )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        self._durable = True
        # Where it is refused, as by a file that can not be written, the mode stays as it is.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        if self._check:
            plan = check_version(self.dialect, f"sqlite:///{self.path}", _tables(connection))
            _transact(connection, plan, "BEGIN")
        if self._create:
            if not self._is_complete(connection):
                _transact(connection, self._make_tables(), "BEGIN IMMEDIATE")
            self._guard(connection)

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

    def _guard(self, connection: sqlite3.Connection) -> None:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        if (_GUARD,) not in rows.fetchall():
            try:
                connection.execute(_MAKE_GUARD)
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorcode & 0xFF != _READ_ONLY:
                    raise

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

    # -- on the event loop ------------------------------------------------------------------

    async def _connected(self) -> aiosqlite.Connection:
        async with self._opening:
            connection = self._connection
            if connection is None:
                connection = aiosqlite.Connection(self._first_open, 64)
                # A process that ends with a storage open must not wait for it for ever. (Up to
                # aiosqlite 0.21 a connection is its thread.)
                thread: Any = getattr(connection, "_thread", connection)
                thread.daemon = True
                self._connection = await connection
            return connection

    async def transact(
        self, plan: Callable[[], Plan[T]], *, durable: bool = True, writes: bool = True
    ) -> T:
        if in_plain_code() and self._connection is None:
            raise NotInPlace
        connection = await self._connected()
        done: list[T] = []
        failed: list[BaseException] = []

        def job() -> None:
            try:
                with self._using:
                    opened = self._opened or self._again(connection)
                    self._check_file()
                    if writes:
                        self._set_durable(opened, durable)
                    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
                    done.append(_transact(opened, plan(), begin))
                    self.n_own += writes
            except BaseException as exc:
                failed.append(exc)

        if in_plain_code():
            job()
        else:
            # One function for the whole transaction: an await for each of its statements would take
            # 40 times as long, and leave the transaction open where it is cancelled. aiosqlite has
            # no public name for it. Its thread keeps what it was given last, and what came of it:
            # so not an error, which holds on to whatever its traceback goes through.
            await connection._execute(job)  # type: ignore[no-untyped-call]
        try:
            if failed:
                raise failed.pop()
        except sqlite3.Error as exc:
            raise self._translated(exc) from exc
        return done.pop()

    def link(self, row: StudyRow) -> Link:
        return _SQLiteLink(self, row)

    async def aclose(self) -> None:
        async with self._opening:
            connection, self._connection = self._connection, None
            if connection is not None:
                await connection.close()


class _SQLiteLink(Link):
    """Exchange, and notice when nobody else has written."""

    in_place = True

    def __init__(self, backend: SQLiteBackend, row: StudyRow) -> None:
        self.study_id, self.study_name, self.directions = row
        self._backend = backend
        self._row = row
        self._attrs: Attrs | None = None
        self._known: _Version | None = None
        self._last_id = -1  # of the trials that the store knows after the last response

    def _plan(
        self, request: Request, known: _Version | None, attrs: Attrs | None
    ) -> Plan[tuple[Exchanged, _Version | None]]:
        writes = writes_anything(request)
        if not writes:  # only by reading, the transaction gets its view of the database
            yield Statement("SELECT 1 FROM sqlite_master LIMIT 1")
        rows = yield Statement("PRAGMA data_version")
        quiet = known == (rows[0][0], self._backend.n_own)
        quiet = quiet and len(request.seen.running) <= LOOKED_AT  # or some are still to be read
        done = yield from exchange(self._backend.dialect, self._row, request, attrs, quiet)
        version = _Version(rows[0][0], self._backend.n_own + writes)
        return done, version if quiet or request.read else None

    async def exchange(self, request: Request) -> Response:
        known, attrs = self._known, self._attrs
        if request.repeated or request.seen.last_id != self._last_id:
            known = attrs = None  # the last response may not have arrived
        done, version = await self._backend.transact(
            partial(self._plan, request, known, attrs),
            durable=request.durable,
            writes=writes_anything(request),
        )
        # The response is certain to arrive: no await comes after this.
        response = done.response
        self._known, self._attrs = version, done.attrs or attrs
        if on_study_refused(request, response):  # the store has it: all is to be read again
            self._known, self._attrs = None, UNKNOWN
        self._last_id = max(
            request.seen.last_id, *(trial.trial_id for trial in response.trials[-1:]), -1
        )
        return response


def _identity(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (-1, -1)
    return found.st_dev, found.st_ino


def _tables(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {row[0] for row in rows}


def _run(connection: sqlite3.Connection, statement: Statement) -> Any:
    if statement.many is not None:
        connection.executemany(statement.sql, statement.many)
        return None
    cursor = connection.execute(statement.sql, statement.args)
    if statement.once:
        return cursor
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


# -- fork ---------------------------------------------------------------------------------------

# What SQLite knows of its locks would not be true in a child: there it would believe to hold those
# of the parent, and the parent could remove the log that the child is writing. So a file is closed
# while the process forks, and opened again by whoever needs it.
_backends: weakref.WeakSet[SQLiteBackend] = weakref.WeakSet()
_held: list[SQLiteBackend] = []
_forking = threading.Lock()  # one thread at a time


def _before_fork() -> None:
    _forking.acquire()
    _held[:] = list(_backends)
    for backend in _held:
        backend._using.acquire()
        if backend._opened is not None and not backend.in_memory:
            backend._opened.close()
            backend._opened = None


def _in_parent() -> None:
    for backend in _held:
        backend._using.release()
    _held.clear()
    _forking.release()


def _in_child() -> None:
    for backend in _held:
        if backend._connection is not None:
            backend._connection._connection = None  # its thread is the parent's
    _in_parent()


os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
