"""New trials in one packet, for databases whose queries can write several tables.

Numbers are consecutive because whoever adds trials holds the row of the study. So everything that
is done meanwhile is sent together: nobody waits for the network, for this process or for the disk
while the row is locked. Several statements in one packet are one transaction, each of them sees
what was committed when it begins, and only the last one tells how many rows it found.
"""

from __future__ import annotations

from collections.abc import Sequence

from ahpo.exceptions import StorageInternalError
from ahpo.states import TrialState
from ahpo.storages.exchange import Request, Seen, Start
from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.reading import Head
from ahpo.storages.sql.statements import Plan, Statement

__all__ = ("check_numbers", "start_at_once", "startable")

_RUNNING, _WAITING = TrialState.RUNNING.name, TrialState.WAITING.name
# Only our own numbers and times stand in it: a packet of several statements takes no arguments.
_PACKET = (
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit TO OFF; "
    "SELECT 1 FROM studies WHERE study_id = {study_id} FOR UPDATE; "
    "WITH later AS MATERIALIZED (SELECT state FROM trials"
    " WHERE study_id = {study_id} AND trial_id > {last_id}), "
    f"may AS MATERIALIZED (SELECT count(*) AS n FROM later"
    f" HAVING count(*) FILTER (WHERE state = '{_WAITING}') = 0), "
    "new AS (INSERT INTO trials (number, study_id, state, datetime_start)"
    f" SELECT {{n_trials}} + n + place, study_id, '{_RUNNING}', at"
    " FROM may, studies, (VALUES {rows}) AS new (place, at)"
    " WHERE study_id = {study_id} ORDER BY place RETURNING trial_id){leases} "
    "SELECT FROM later, may UNION ALL SELECT FROM new"
)
_LEASES = (
    ", leases AS (INSERT INTO trial_heartbeats (trial_id, heartbeat)"
    " SELECT trial_id, {now} FROM new)"
)


def startable(request: Request) -> list[Start] | None:
    """Return the ops that start trials; None if that may take more than adding new ones."""
    starts = [op for op in request.ops if isinstance(op, Start)]
    if starts and (request.seen.waiting or len({op.lease for op in starts}) > 1):
        return None
    return starts


def start_at_once(
    dialect: Dialect, study_id: int, seen: Seen, starts: Sequence[Start]
) -> Plan[range]:
    """Start new trials and return their numbers; none if the study is gone, or a trial waits.

    The statement is a transaction by itself, which the disk need not have when it returns.
    """
    rows = ", ".join(
        f"({place}, timestamp '{dialect.time(op.at)}')" for place, op in enumerate(starts)
    )
    sql = _PACKET.format(
        study_id=int(study_id),
        last_id=int(seen.last_id),
        n_trials=int(seen.n_trials),
        rows=rows,
        leases=_LEASES.format(now=dialect.now) if starts[0].lease else "",
    )
    # How many trials there are now that the store has not seen, of which these are the last.
    n_later: int = yield Statement(sql, rows=False)
    end = seen.n_trials + n_later
    return range(end - len(starts), end) if n_later else range(0)


def check_numbers(heads: Sequence[Head], started: range) -> None:
    """Raise StorageInternalError if these numbers were given to others as well."""
    numbers = [head.number for head in heads if head.number in started]
    if numbers != list(started):
        raise StorageInternalError(
            f"The new trials should have the numbers from {started.start} on, but they are "
            f"{numbers}: another program adds trials without locking the row of the study."
        )
