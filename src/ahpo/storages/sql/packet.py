"""An exchange as one packet of several statements, for MySQL and MariaDB.

A packet ends at the first statement that fails. So one of them is made to fail unless everything is
welcome, before anything is written: then all is rolled back, and the exchange takes the long way.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ahpo.exceptions import StorageInternalError
from ahpo.states import TrialState
from ahpo.storages.exchange import Request, Response
from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.exchange import NEWS, StudyRow, select_news
from ahpo.storages.sql.quick import QuickLink, Welcome
from ahpo.storages.sql.statements import Plan

__all__ = ("PacketLink",)

_RUNNING, _WAITING = TrialState.RUNNING.name, TrialState.WAITING.name
_LATER = NEWS.stop  # says how many trials there were which the store had not seen
_REFUSED = 1452  # a row that refers to none
# There is no such trial.
_REFUSE = (
    "INSERT INTO trial_values (trial_id, objective, value_type) "
    "SELECT -1, 0, 'FINITE' FROM studies WHERE NOT {} LIMIT 1"
)


def _plan(
    dialect: Dialect, study: StudyRow, request: Request, welcome: Welcome
) -> Plan[Sequence[Any]]:
    """Write, start and commit; return the rows of news."""
    writes, owners, starts = welcome
    seen, study_id = request.seen, study.study_id
    if starts:
        yield dialect.run(
            "SELECT COUNT(*) INTO @there FROM studies WHERE study_id = ? FOR UPDATE", study_id
        )
        # Each statement sees what is committed when it begins.
        yield dialect.run(
            f"SELECT COUNT(*), @there AND NOT COALESCE(SUM(state = '{_WAITING}'), 0) "
            "INTO @later, @free FROM trials WHERE study_id = ? AND trial_id > ?",
            study_id,
            seen.last_id,
        )
        yield dialect.run(_REFUSE.format("@free"))
    if owners:
        within, args = dialect.within(sorted(owners))
        yield dialect.run(
            f"SELECT COUNT(*) = ? INTO @open FROM trials WHERE trial_id{within} AND study_id = ? "
            f"AND state IN ('{_RUNNING}', '{_WAITING}') FOR UPDATE",
            len(owners),
            *args,
            study_id,
        )
        yield dialect.run(_REFUSE.format("@open"))
    yield from writes.run(dialect)
    if starts:
        first = seen.n_trials
        new = ", ".join(
            [f"({first + place} + @later, ?, '{_RUNNING}', ?)" for place in range(len(starts))]
        )
        args = tuple(cell for op in starts for cell in (study_id, dialect.time(op.at)))
        yield dialect.run(
            f"INSERT INTO trials (number, study_id, state, datetime_start) VALUES {new}", *args
        )
        if starts[0].lease:
            yield dialect.run(
                f"INSERT INTO trial_heartbeats (trial_id, heartbeat) SELECT trial_id, {dialect.now}"
                " FROM trials WHERE study_id = ? AND trial_id > ? AND number >= ? + @later",
                study_id,
                seen.last_id,
                first,
            )
    reads = request.read or bool(starts)
    if request.ops:
        yield dialect.run("COMMIT")._replace(heard=not reads)
    if not reads:
        return ()
    sql, arguments = select_news(
        dialect, study, seen, ends=writes.ends.keys(), news=request.read, new=True
    )
    if starts:
        sql += f" UNION ALL SELECT {_LATER}, CAST(@later AS SIGNED), 0, '', '', NULL, NULL"
    rows: Sequence[Any] = yield dialect.fetch(sql, *arguments)
    return rows


class PacketLink(QuickLink):
    """Exchange with MySQL or MariaDB in one round trip, where that is possible."""

    async def _quick(self, request: Request, welcome: Welcome) -> Response | None:
        plan = partial(_plan, self._server.dialect, self._row, request, welcome)
        reads = not request.ops
        try:
            rows = await self._server.transact(plan, durable=request.durable, alone=reads)
        except StorageInternalError as exc:
            if exc.__cause__ is not None and exc.__cause__.args[:1] == (_REFUSED,):
                return None
            raise
        started = range(0)
        if welcome.starts:
            first = request.seen.n_trials + next(row[1] for row in rows if row[0] == _LATER)
            started = range(first, first + len(welcome.starts))
        return await self._respond(request, rows, started)
