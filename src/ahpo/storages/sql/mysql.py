"""MySQL and MariaDB, by asyncmy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from ahpo.exceptions import StorageInternalError
from ahpo.storages.exchange import Link, StorageUnavailable
from ahpo.storages.sql.address import DatabaseURL
from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.exchange import StudyRow
from ahpo.storages.sql.packet import PacketLink
from ahpo.storages.sql.rows import datetime_of
from ahpo.storages.sql.schema import TABLES, SchemaWords, create_statements
from ahpo.storages.sql.server import ServerBackend
from ahpo.storages.sql.statements import Plan, Statement, Table
from ahpo.storages.sql.versions import stamp_version

try:
    import asyncmy
    from asyncmy.constants import CLIENT
    from asyncmy.cursors import Cursor
    from asyncmy.errors import MySQLError
except ImportError as exc:
    raise ImportError(
        "A storage in MySQL or MariaDB needs asyncmy, which is not installed: "
        "install it by `pip install 'ahpo[mysql]'`."
    ) from exc

__all__ = ("MySQLBackend", "MySQLDialect")

_WORDS = SchemaWords(
    serial="INTEGER NOT NULL AUTO_INCREMENT",
    double="FLOAT(53)",
    time="DATETIME",
    enum="ENUM({names})",
    quote="`",
    # Names that differ in case, or in an accent, are different names.
    suffix=" ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
)
# Seconds to wait for a connection, and for the next bytes of an answer.
_CONNECT_TIMEOUT, _READ_TIMEOUT = 15, 30
# Servers refuse packets of more than so many bytes, 16 million as a rule.
_MAX_ROWS, _MAX_BYTES = 1000, 1_000_000
# Too many connections or resources in use, shutting down, network trouble, a row changed or a lock
# not got in time, deadlock, interrupted, killed; from 2000 on, what the driver itself says.
_PASSING = frozenset(
    map(
        int,
        "1020 1040 1053 1152 1153 1154 1155 1156 1157 1158 1159 1160 1161 1184 1189 1190 1203 1205 "
        "1213 1226 1317 1412 1637 1927 3024 4031 2002 2003 2006 2013 2014 2055".split(),
    )
)
# The driver could not connect.
_SILENCE = frozenset((2002, 2003))
# Two who make the same tables at once: table, index, row are there already.
_RACE = frozenset((1050, 1061, 1062))
_TIMEOUTS = {"timeout": "connect_timeout"}
_NUMBERS = {"connect_timeout": float, "read_timeout": float, "max_allowed_packet": int}
_SSL = {"ssl_ca": "ca", "ssl_capath": "capath", "ssl_cert": "cert", "ssl_key": "key"}
_ARGUMENTS = _NUMBERS.keys() | {"charset", "ssl", "unix_socket", "init_command", "program_name"}


class _Cursor(Cursor):
    async def _show_warnings(self, connection: Any) -> None:
        """Leave them: newer servers warn of words without which older ones do not understand us."""


class _Session:
    """Hold a connection, and the statements that go ahead of the next one.

    Each packet is a round trip: so statements of which nobody wants to know anything wait for one
    of which somebody does.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.ahead: list[str] = []
        self.begun = False

    def begin(self) -> None:
        self.begun = True
        self.ahead.append("BEGIN")

    async def end(self, word: str) -> None:
        """End a transaction, if its last statement has not done so."""
        if word == "ROLLBACK":
            self.ahead.clear()
        elif not self.begun:
            return
        await self.run(word)

    async def run(self, sql: str, args: Sequence[Any] = (), heard: bool = True) -> Any:
        """Run a statement; return its rows, or how many it changed, or None if it has to wait."""
        self.begun = self.begun and sql != "COMMIT"
        async with self.driver.cursor() as cursor:
            self.ahead.append(cursor.mogrify(sql, args) if args else sql)
            if not heard and sum(map(len, self.ahead)) < _MAX_BYTES:
                return None
            together, self.ahead = ";".join(self.ahead), []
            await cursor.execute(together)
            while await cursor.nextset():
                pass
            return cursor.rowcount if cursor.description is None else await cursor.fetchall()


class MySQLDialect(Dialect):
    """Word statements for MySQL and MariaDB."""

    for_update = " FOR UPDATE"
    max_text = 2**16 - 1

    def translate(self, sql: str) -> str:
        return sql.replace("#", "").replace('"', "`").replace("?", "%s")

    def text(self, sql: str) -> str:
        return self.translate(sql)  # none is kept: identifiers stand in the statements

    def within(self, ids: Sequence[int]) -> tuple[str, tuple[Any, ...]]:
        return f" IN ({','.join(str(int(one)) for one in ids)})", ()

    def write(self, table: Table, rows: Sequence[Sequence[Any]]) -> Plan[None]:
        names = [name for name, _ in table.columns]
        then = ""
        if table.key:
            kept = [f"{names[0]} = {names[0]}"]  # nothing is to change
            last = [f"{name} = VALUES({name})" for name in names[table.key :]]
            then = f" ON DUPLICATE KEY UPDATE {', '.join(kept if table.first_stays else last)}"
        yield from self._insert(
            f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ", rows, then
        )

    def update(self, sets: Sequence[tuple[int, str, Any]], column: str) -> Plan[None]:
        # The rows are there, and locked: so this is an update of all of them in one statement.
        yield from self._insert(
            f"INSERT INTO trials (trial_id, state, {column}) VALUES ",
            sets,
            f" ON DUPLICATE KEY UPDATE state = VALUES(state), {column} = VALUES({column})",
        )

    def _insert(self, start: str, rows: Sequence[Sequence[Any]], then: str) -> Plan[None]:
        one = f"({', '.join('?' * len(rows[0]))})"
        for some in _portions(rows):
            sql = start + ", ".join([one] * len(some)) + then
            yield self.run(sql, *chain.from_iterable(some))

    def insert_study(self, study_name: str) -> Plan[int]:
        n_rows: int = yield self.run(
            "INSERT INTO studies (study_name) VALUES (?) "
            "ON DUPLICATE KEY UPDATE study_id = study_id",
            study_name,
        )._replace(heard=True)
        return n_rows

    def beat(self, ids: Sequence[int]) -> Statement:
        within, args = self.within(ids)
        return self.run(
            f"INSERT INTO trial_heartbeats (trial_id, heartbeat) SELECT trial_id, {self.now} "
            f"FROM trials WHERE trial_id{within} AND state IN ('RUNNING', 'WAITING') "
            "ON DUPLICATE KEY UPDATE heartbeat = VALUES(heartbeat)",
            *args,
        )

    def before(self, seconds: float) -> tuple[str, Any]:
        return f"{self.now} - INTERVAL ? MICROSECOND", int(seconds * 10**6)

    def time(self, micros: int | None) -> Any:
        return datetime_of(self.kept(micros))

    def kept(self, micros: int | None) -> int | None:
        return None if micros is None else micros // 10**6 * 10**6


def _portions(rows: Sequence[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """Give the rows in portions of which each fits into a packet."""
    some: list[Sequence[Any]] = []
    size = 0
    for row in rows:
        length = sum(len(cell) for cell in row if isinstance(cell, str))
        if some and (len(some) == _MAX_ROWS or size + length > _MAX_BYTES):
            yield some
            some, size = [], 0
        some.append(row)
        size += length
    yield some


class MySQLBackend(ServerBackend):
    """Keep studies in a database of MySQL or MariaDB.

    Times are kept in whole seconds, and attributes of at most 64 KiB.

    :param parts: the URL; it may have the arguments ``charset``, ``connect_timeout``,
        ``read_timeout``, ``unix_socket``, ``ssl_ca``, ``ssl_cert`` and ``ssl_key``
    :param connect_args: more of them, and ``timeout``: how many seconds to wait for a connection
    :param limit: the largest number of connections, None for any number
    """

    errors = (MySQLError,)

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
        self.dialect = MySQLDialect()
        self._arguments: dict[str, Any] = {
            "host": parts.host or "localhost",
            "port": parts.port or 3306,
            "user": parts.user,
            "password": (parts.password or "").encode(),  # as text, it would have to be Latin-1
            "database": parts.database,
            "charset": "utf8mb4",
            "connect_timeout": _CONNECT_TIMEOUT,
            "read_timeout": _READ_TIMEOUT,
            "autocommit": True,  # but for what stands between BEGIN and COMMIT
            "cursor_cls": _Cursor,
            "client_flag": CLIENT.MULTI_STATEMENTS,
            **_driver_arguments({**parts.query, **(connect_args or {})}),
        }

    # -- what the driver does ---------------------------------------------------------------

    def link(self, row: StudyRow) -> Link:
        return PacketLink(self, row)

    async def _connect(self) -> Any:
        session = _Session(await asyncmy.connect(**self._arguments))
        try:
            # Each statement is to see what was committed before it: with the usual level, the first
            # one would decide, and numbers of trials could come twice.
            await session.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        except BaseException:
            self._drop(session)
            raise
        return session

    async def _begin(self, connection: Any, durable: bool) -> None:
        connection.begin()

    async def _run(self, connection: Any, statement: Statement) -> Any:
        sql, args = statement[:2]
        return await connection.run(sql, args, heard=statement.rows or statement.heard)

    async def _end(self, connection: Any, word: str) -> None:
        await connection.end(word)

    def _is_closed(self, connection: Any) -> bool:
        return not connection.driver.connected

    def _drop(self, connection: Any) -> None:
        connection.driver.close()

    async def _close(self, connection: Any) -> None:
        await connection.driver.ensure_closed()

    def _translated(self, exc: Exception) -> Exception:
        where, reason = self._parts.shown(), str(exc) or type(exc).__name__
        code = _code(exc)
        if not isinstance(exc, MySQLError) or code in _PASSING or code == 0:
            return StorageUnavailable(f"The database {where} is not available: {reason}.")
        return StorageInternalError(f"The database {where} can not be used: {reason}.")

    # -- the schema -------------------------------------------------------------------------

    def _is_silence(self, exc: Exception) -> bool:
        return _code(exc) in _SILENCE or super()._is_silence(exc)

    def _is_race(self, exc: Exception) -> bool:
        # The lock of a connection that has failed stays until the connection is closed.
        self._drop_idle()
        return exc.__cause__ is not None and _code(exc.__cause__) in _RACE

    def _existing(self) -> Plan[set[str]]:
        rows = yield self.dialect.fetch(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
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
        lock = "CONCAT('ahpo.', LEFT(DATABASE(), 40))"
        yield self.dialect.fetch(f"SELECT GET_LOCK({lock}, ?)", _READ_TIMEOUT // 2)
        existing = yield from self._existing()
        for sql in create_statements(_WORDS, sorted(existing)):
            yield Statement(sql, rows=False)
        yield from stamp_version(self.dialect)
        yield Statement("COMMIT", rows=False)  # not before all is there, others may go on
        yield self.dialect.fetch(f"SELECT RELEASE_LOCK({lock})")


def _code(exc: BaseException) -> int:
    code = exc.args[0] if exc.args else 0
    return code if isinstance(code, int) else 0


def _driver_arguments(query: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in query.items():
        name = _TIMEOUTS.get(name, name)
        if name in _SSL:
            found.setdefault("ssl", {})[_SSL[name]] = value
        elif name in _ARGUMENTS:
            found[name] = _NUMBERS[name](value) if name in _NUMBERS else value
        else:
            raise ValueError(
                "The connect arguments of MySQL may be "
                f"{', '.join(sorted(_ARGUMENTS | _SSL.keys()))}, but {name!r} is among them."
            )
    return found
