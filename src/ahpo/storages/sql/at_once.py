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
from itertools import repeat
from typing import Any, TypeVar

from ahpo.distributions.compatibility import incompatibility
from ahpo.history.facts import ParamSet, StudySystemAttrSet, StudyUserAttrSet, TrialFinished
from ahpo.history.records import FinishedTrial
from ahpo.storages.exchange import Request, Response, Seen, Start, Write
from ahpo.storages.sql.base import SQLLink
from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.exchange import (
    FINAL,
    NEWS,
    Exchanged,
    StudyRow,
    attrs_of,
    check_end,
    heads_of,
    response_of,
    select_news,
)
from ahpo.storages.sql.reading import Head, read_trials, record_of
from ahpo.storages.sql.server import ServerBackend
from ahpo.storages.sql.starting import check_numbers, start_at_once, startable
from ahpo.storages.sql.statements import Plan, Table
from ahpo.storages.sql.writes import Writes, cells_of_fact

__all__ = ("AtOnceDialect", "AtOnceLink")

T = TypeVar("T")

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


def _is_welcome(fact: ParamSet, seen: Seen) -> bool:
    known = seen.names.get(fact.name)
    if known is None or known is fact.distribution:
        return known is not None
    return incompatibility(known, fact.distribution) is None


def _writes_of(
    dialect: Dialect, study: StudyRow, request: Request
) -> tuple[Writes, set[int]] | None:
    """Return what is to be written and on which trials; None if there is more to it."""
    if request.repeated or request.beat or request.release:
        return None
    writes, owners = Writes(), set()
    for op in request.ops:
        if isinstance(op, Start):
            continue
        if not isinstance(op, Write):
            return None
        fact, trial_id = op
        if isinstance(fact, StudyUserAttrSet | StudySystemAttrSet) or trial_id in writes.ends:
            return None
        if isinstance(fact, ParamSet) and not _is_welcome(fact, request.seen):
            return None
        if isinstance(fact, TrialFinished) and trial_id not in request.seen.own:
            return None  # that of somebody else, who is told
        try:
            if isinstance(fact, TrialFinished):
                check_end(fact, study)
            cells = cells_of_fact(dialect, fact)
        except (ValueError, TypeError):
            return None
        owners.add(trial_id)
        writes.put(trial_id, cells)
        if isinstance(fact, TrialFinished):
            writes.ends[trial_id] = fact.state.name, dialect.time(fact.at)
    return writes, owners


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


class AtOnceLink(SQLLink):
    """Exchange with a database server in one round trip, where that is possible."""

    def __init__(self, backend: ServerBackend, row: StudyRow) -> None:
        super().__init__(backend, row)
        self._server = backend

    async def exchange(self, request: Request) -> Response:
        found = _writes_of(self._dialect, self._row, request)
        starts = startable(request)
        if found is None or starts is None or not (request.ops or request.read):
            return await super().exchange(request)
        started = await self._start(request.seen, starts) if starts else range(0)
        if len(started) < len(starts):
            return await super().exchange(request)
        done = await self._at_once(request, *found, started)
        if done is not None:
            self._attrs = done.attrs or self._attrs
            return done.response
        writes = [op for op in request.ops if not isinstance(op, Start)]
        rest = await super().exchange(request._replace(ops=writes, read=True))
        return rest._replace(answers=_answers(request, started, rest.answers))

    @property
    def _dialect(self) -> AtOnceDialect:
        dialect = self._server.dialect
        assert isinstance(dialect, AtOnceDialect)
        return dialect

    async def _start(self, seen: Seen, starts: Sequence[Start]) -> range:
        plan = partial(start_at_once, self._dialect, self.study_id, seen, starts)
        return await self._server.transact(plan, durable=False, alone=True)

    async def _at_once(
        self, request: Request, writes: Writes, owners: set[int], started: range
    ) -> Exchanged | None:
        query = _Query(self._dialect)
        if owners:
            query.write(writes, owners, self.study_id)
            if not request.durable:
                query.in_background()
        if request.read or started:
            query.read(self._row, request.seen, set(writes.ends), request.read)
        rows = await self._server.transact(query.plan, durable=request.durable, alone=True)
        states = [row[3] for row in rows if row[0] == _STATE]
        if len(states) < len(owners) or not FINAL.isdisjoint(states):
            return None
        current = attrs_of(self._row, request.seen, rows) if request.read else None
        trials = await self._read(heads_of(rows), started)
        answers = _answers(request, started, repeat(None))
        return response_of(answers, trials, current, self._attrs)

    async def _read(self, heads: list[Head], started: range) -> list[FinishedTrial]:
        check_numbers(heads, started)
        trials = [record_of(head) for head in heads if head.number in started]
        full = [head for head in heads if head.number not in started]
        if full:
            # States come before contents: so the contents of a finished trial are its last. Each
            # statement sees what is there when it begins: a transaction would make no difference.
            read = partial(read_trials, self._server.dialect, full)
            trials += await self._server.transact(read, writes=False, alone=True)
        return sorted(trials, key=lambda trial: trial.number)


def _answers(request: Request, started: Iterable[int], others: Iterable[Any]) -> list[Any]:
    numbers, rest = iter(started), iter(others)
    return [next(numbers if isinstance(op, Start) else rest) for op in request.ops]
