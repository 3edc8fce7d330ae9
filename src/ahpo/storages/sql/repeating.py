"""What a request has left that was carried out before, but whose response did not arrive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ahpo.history.records import FinishedTrial
from ahpo.states import TrialState
from ahpo.storages.exchange import Create, Request, Start
from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.reading import Head, read_trials
from ahpo.storages.sql.rows import micros_of
from ahpo.storages.sql.statements import Plan
from ahpo.storages.sql.writes import cells_of_trial

__all__ = ("Left", "find_left")


class Left(NamedTuple):
    """Hold the answers that there were, by the position of the op, and the trials started."""

    answers: dict[int, Any]
    started: dict[int, bool]  # by identifier, whether with a lease


def find_left(dialect: Dialect, study_id: int, request: Request) -> Plan[Left]:
    """Find the trials that the request has started and created.

    The row of the study must be locked.
    """
    left = Left({}, {})
    if not request.repeated:
        return left
    seen = request.seen
    within, args = dialect.within(sorted(seen.waiting) or [-1])
    rows = yield dialect.fetch(
        "SELECT trial_id, number, #state, datetime_start, datetime_complete FROM trials "
        f"WHERE study_id = ? AND (trial_id > ? OR trial_id{within}) ORDER BY trial_id",
        study_id,
        seen.last_id,
        *args,
    )
    heads = [Head(*row) for row in rows]
    yield from _find_started(dialect, request, heads, left)
    new = [head for head in heads if head.trial_id > seen.last_id]
    if any(isinstance(op, Create) for op in request.ops):
        trials = yield from read_trials(dialect, new)
        _find_created(dialect, request, trials, left)
    return left


def _find_started(
    dialect: Dialect, request: Request, heads: Sequence[Head], left: Left
) -> Plan[None]:
    # Who started a trial is known by the microsecond alone: in the whole seconds of some
    # databases, it might as well be a trial of somebody else.
    if dialect.kept(1) != 1:
        return
    running = [head for head in heads if head.state == TrialState.RUNNING.name]
    if not running:
        return
    within, args = dialect.within([head.trial_id for head in running])
    rows = yield dialect.fetch(
        f"SELECT trial_id FROM trial_heartbeats WHERE trial_id{within}", *args
    )
    leased = {row[0] for row in rows}
    for position, op in enumerate(request.ops):
        if isinstance(op, Start):
            for head in running:
                if micros_of(head.started) == op.at and (head.trial_id in leased) == op.lease:
                    running.remove(head)
                    left.answers[position] = head.number
                    left.started[head.trial_id] = op.lease
                    break


def _find_created(
    dialect: Dialect, request: Request, trials: Sequence[FinishedTrial], left: Left
) -> None:
    found = [_kept(dialect, _waiting_again(trial, left)) for trial in trials]
    begin = 0
    for position, op in enumerate(request.ops):
        if not isinstance(op, Create):
            continue
        try:
            wanted = [_kept(dialect, trial) for trial in op.trials]
        except (ValueError, TypeError):
            continue  # refused before as well
        for start in range(begin, len(found) - len(wanted) + 1):
            end = start + len(wanted)
            if all(map(_is_left_of, found[start:end], wanted)):
                left.answers[position] = [trial.number for trial in trials[start:end]]
                begin = end
                break


def _waiting_again(trial: FinishedTrial, left: Left) -> FinishedTrial:
    """Return a trial as it was before the same request started it."""
    if trial.trial_id not in left.started:
        return trial
    return trial._replace(state=TrialState.WAITING, started=None)


class _Kept(NamedTuple):
    """Hold what the database keeps of a trial, for comparison."""

    state: TrialState
    times: tuple[int | None, int | None]
    cells: set[str]


def _is_left_of(found: _Kept, wanted: _Kept) -> bool:
    """Tell whether a trial is another one as it was created, or has become since."""
    if wanted.state is TrialState.WAITING and wanted.cells:
        return wanted.cells <= found.cells  # somebody may have started it
    return found == wanted


def _kept(dialect: Dialect, trial: FinishedTrial) -> _Kept:
    times = (dialect.kept(trial.started), dialect.kept(trial.completed))
    return _Kept(trial.state, times, set(map(repr, cells_of_trial(dialect, trial))))
