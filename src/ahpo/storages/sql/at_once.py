"""An exchange as one statement, for databases in which a query can write several tables.

What a running trial does is nearly always welcome: it is there, nobody else has finished it, and
its parameters are known. So all of it is written, and all news are read, in one round trip, on the
condition that this is so; and if it is not, nothing has happened, and the exchange takes the long
way round, on which everything has its answer.

New trials are started before that, in a round trip of their own (`starting.py`), so that the disk
has nothing to do with how long the row of the study is locked. An exchange that breaks off between
the two has started trials whose numbers did not arrive: which the repeated request finds.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from ahpo.storages.exchange import Request, Response, Seen, Start
from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.exchange import FINAL, NEWS, StudyRow, select_news
from ahpo.storages.sql.quick import QuickLink, Welcome, answers_of
from ahpo.storages.sql.starting import start_at_once
from ahpo.storages.sql.statements import Plan, Table
from ahpo.storages.sql.writes import Writes

__all__ = ("AtOnceDialect", "AtOnceLink")

# What the rows are, beside those of news, whose columns all queries have.
_STATE, _SETTING = NEWS.stop, NEWS.stop + 1
_OWNERS = (
    "owner AS MATERIALIZED (SELECT trial_id, #state AS state FROM trials "
    "WHERE trial_id{} AND study_id = ? ORDER BY trial_id FOR UPDATE), "
    "may AS MATERIALIZED (SELECT count(*) = ? AND count(*) FILTER (WHERE state IN ({})) = 0 "
    "AS is_so FROM owner)"
)


class AtOnceDialect(Dialect):
    """Word statements that write several tables."""

    @abstractmethod
    def insert_from(self, table: Table, guard: str = "") -> str:
        """Return a statement that inserts rows, if a query of the name ``guard`` allows it."""

    @abstractmethod
    def update_from(self, column: str, guard: str = "") -> str:
        """Return a statement that sets states and times, on the same condition."""

    @abstractmethod
    def update_args(self, sets: Sequence[tuple[int, str, Any]]) -> list[list[Any]]:
        """Return the arguments of that statement: identifier, state and time of each trial."""


class _Query:
    """Put the statement together, with its arguments in their order."""

    def __init__(self, dialect: AtOnceDialect) -> None:
        self._dialect = dialect
        self._withs: list[str] = []
        self._selects: list[str] = []
        self._with_args: list[Any] = []
        self._select_args: list[Any] = []

    def write(self, writes: Writes, owners: set[int], study_id: int) -> None:
        dialect = self._dialect
        within, ids = dialect.within(sorted(owners))
        final = ", ".join(f"'{state}'" for state in sorted(FINAL))
        self._withs.append(_OWNERS.format(within, final))
        self._with_args += [*ids, study_id, len(owners)]
        for table, rows in writes.rows():
            self._with(dialect.insert_from(table, "may"), map(list, zip(*rows, strict=True)))
        if writes.ends:
            args = dialect.update_args(writes.sets())
            self._with(dialect.update_from("datetime_complete", "may"), args)
        none = dialect.no_time
        self._select(f"SELECT {_STATE}, trial_id, 0, state, '', {none}, {none} FROM owner", ())

    def read(self, study: StudyRow, seen: Seen, ends: set[int], news: bool) -> None:
        self._select(*select_news(self._dialect, study, seen, ends=ends, news=news))

    def in_background(self) -> None:
        """Let the commit return before it is on disk, for this transaction alone."""
        none = self._dialect.no_time
        setting = "set_config('synchronous_commit', 'off', true)"
        self._select(f"SELECT {_SETTING}, 0, 0, {setting}, '', {none}, {none}", ())

    def _with(self, sql: str, args: Iterable[list[Any]]) -> None:
        self._withs.append(f"w{len(self._withs)} AS ({sql})")
        self._with_args += args

    def _select(self, sql: str, args: Sequence[Any]) -> None:
        self._selects.append(sql)
        self._select_args += args

    def plan(self) -> Plan[Sequence[Any]]:
        withs = f"WITH {', '.join(self._withs)} " if self._withs else ""
        sql = withs + " UNION ALL ".join(self._selects)
        rows: Sequence[Any] = yield self._dialect.fetch(sql, *self._with_args, *self._select_args)
        return rows


class AtOnceLink(QuickLink):
    """Exchange with a database server in one round trip, where that is possible."""

    async def _quick(self, request: Request, welcome: Welcome) -> Response | None:
        started = range(0)
        if welcome.starts:
            plan = partial(
                start_at_once, self._dialect, self.study_id, request.seen, welcome.starts
            )
            started = await self._server.transact(plan, durable=False, alone=True)
            if not started:
                return None
        query = _Query(self._dialect)
        if welcome.owners:
            query.write(welcome.writes, welcome.owners, self.study_id)
            if not request.durable:
                query.in_background()
        if request.read or started:
            query.read(self._row, request.seen, set(welcome.writes.ends), request.read)
        rows = await self._server.transact(query.plan, durable=request.durable, alone=True)
        states = [row[3] for row in rows if row[0] == _STATE]
        if len(states) == len(welcome.owners) and FINAL.isdisjoint(states):
            return await self._respond(request, rows, started)
        if not started:
            return None
        writes = [op for op in request.ops if not isinstance(op, Start)]
        rest = await self._long_way(request._replace(ops=writes, read=True))
        return rest._replace(answers=answers_of(request, started, rest.answers))

    @property
    def _dialect(self) -> AtOnceDialect:
        dialect = self._server.dialect
        assert isinstance(dialect, AtOnceDialect)
        return dialect
