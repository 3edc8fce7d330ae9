"""How waiting trials are started and new ones come into being, with numbers that have no gaps."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from ahpo.exceptions import StorageInternalError
from ahpo.history.records import FinishedTrial
from ahpo.states import TrialState
from ahpo.storages.exchange import Create, Request, Start
from ahpo.storages.sql.checking import Kinds
from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.reading import Head
from ahpo.storages.sql.repeating import find_left
from ahpo.storages.sql.statements import TRIALS, Plan
from ahpo.storages.sql.writes import Cells, Writes, cells_of_trial

__all__ = ("Placed", "place")

_RUNNING, _WAITING = TrialState.RUNNING.name, TrialState.WAITING.name
_FIRST_BATCH = 8


class Placed(NamedTuple):
    """Tell which trials were started or created.

    ``claimed`` are the identifiers of those that were waiting, ``empty`` the heads of new ones of
    which there is no more to be known, ``leased`` the identifiers of those that get a lease.
    """

    claimed: list[int]
    empty: list[Head]
    leased: list[int]


class _New:
    """Hold a trial that is to be inserted."""

    __slots__ = ("at", "cells", "completed", "lease", "state")

    def __init__(self, state: str, at: int | None) -> None:
        self.state = state
        self.at = at
        self.completed: int | None = None
        self.cells: list[Cells] = []
        self.lease = False


class _Placing:
    """Decide op by op which trial is started, created or claimed; nothing is written yet."""

    def __init__(
        self,
        dialect: Dialect,
        kinds: Kinds,
        n_objectives: int,
        next_number: int,
        free: list[tuple[int, int]],
    ) -> None:
        self._dialect = dialect
        self._kinds = kinds
        self._n_objectives = n_objectives
        self._next_number = next_number
        self._free = deque(free)
        self._queue: deque[tuple[int, _New]] = deque()  # created here, and waiting
        self.new: list[_New] = []
        self.claims: list[tuple[int, str, Any]] = []
        self.leased: list[int] = []

    def _add(self, new: _New) -> int:
        self.new.append(new)
        return self._next_number + len(self.new) - 1

    def start(self, op: Start) -> int:
        """Return the number of the trial that is started."""
        if self._free:
            trial_id, number = self._free.popleft()
            self.claims.append((trial_id, _RUNNING, self._dialect.time(op.at)))
            if op.lease:
                self.leased.append(trial_id)
            return number
        if self._queue:
            number, new = self._queue.popleft()
            new.state, new.at = _RUNNING, op.at
        else:
            new = _New(_RUNNING, op.at)
            number = self._add(new)
        new.lease = op.lease
        return number

    def create(self, op: Create) -> list[int]:
        """Return the numbers of the trials that are created, or raise ValueError."""
        new = [self._new(trial) for trial in op.trials]
        self._kinds.check_all(item for trial in op.trials for item in trial.distributions.items())
        numbers = []
        for one in new:
            number = self._add(one)
            numbers.append(number)
            if one.state == _WAITING:
                self._queue.append((number, one))
        return numbers

    def _new(self, trial: FinishedTrial) -> _New:
        new = _New(trial.state.name, trial.started)
        if trial.values is not None and len(trial.values) != self._n_objectives:
            raise ValueError(
                f"A trial to add has {len(trial.values)} values, "
                f"but the study has {self._n_objectives} objectives."
            )
        new.cells = cells_of_trial(self._dialect, trial)
        if trial.state.is_finished():
            new.completed = trial.completed
        return new


def _claim(
    dialect: Dialect, study_id: int, waiting: Sequence[int], n: int
) -> Plan[list[tuple[int, int]]]:
    """Lock the first ``n`` trials that still wait; return their identifiers and numbers."""
    found: list[tuple[int, int]] = []
    start, size = 0, _FIRST_BATCH
    while start < len(waiting) and len(found) < n:
        size = max(2 * size, n - len(found))
        within, args = dialect.within(waiting[start : start + size])
        start += size
        rows = yield dialect.fetch(
            f"SELECT trial_id, number FROM trials WHERE trial_id{within} AND study_id = ? "
            f"AND state = 'WAITING' ORDER BY trial_id{dialect.for_update}",
            *args,
            study_id,
        )
        found += [(trial_id, number) for trial_id, number in rows]
    return found[:n]


def place(
    dialect: Dialect,
    study_id: int,
    n_objectives: int,
    request: Request,
    kinds: Kinds,
    writes: Writes,
    answers: list[Any],
) -> Plan[Placed]:
    """Do the ops that start and create trials; their contents go to ``writes``.

    The row of the study must be locked: so between here and the commit nobody else adds a trial.
    """
    seen = request.seen
    left = yield from find_left(dialect, study_id, request)
    rows: list[Any] = yield dialect.fetch(
        "SELECT trial_id, #state FROM trials WHERE study_id = ? AND trial_id > ? ORDER BY trial_id",
        study_id,
        seen.last_id,
    )
    ops = [(at, op) for at, op in enumerate(request.ops) if at not in left.answers]
    n_starts = sum(isinstance(op, Start) for _, op in ops)
    free = []
    if n_starts:
        waiting = sorted(seen.waiting) + [row[0] for row in rows if row[1] == _WAITING]
        waiting = [trial_id for trial_id in waiting if trial_id not in writes.ends]
        free = yield from _claim(dialect, study_id, waiting, n_starts)
    number = seen.n_trials + len(rows)
    placing = _Placing(dialect, kinds, n_objectives, number, free)
    for position, answer in left.answers.items():
        answers[position] = answer
    for position, op in ops:
        if isinstance(op, Start):
            answers[position] = placing.start(op)
        elif isinstance(op, Create):
            try:
                answers[position] = placing.create(op)
            except (ValueError, TypeError) as exc:
                answers[position] = exc
    if placing.claims:
        yield from dialect.update(placing.claims, "datetime_start")
    last_id = rows[-1][0] if rows else seen.last_id
    heads = yield from _insert(dialect, study_id, placing.new, number, last_id)
    empty = []
    for new, head in zip(placing.new, heads, strict=True):
        writes.put(head.trial_id, new.cells)
        if new.lease:
            placing.leased.append(head.trial_id)
        if not new.cells:
            empty.append(head)
    claimed = [claim[0] for claim in placing.claims]
    leased = [trial_id for trial_id, lease in left.started.items() if lease]
    return Placed([*claimed, *left.started], empty, placing.leased + leased)


def _insert(
    dialect: Dialect, study_id: int, new: Collection[_New], first_number: int, last_id: int
) -> Plan[list[Head]]:
    if not new:
        return []
    rows = [
        (number, study_id, one.state, dialect.time(one.at), dialect.time(one.completed))
        for number, one in enumerate(new, first_number)
    ]
    yield from dialect.write(TRIALS, rows)
    # The identifiers, from the rows themselves: not every database returns those of several.
    found: list[Any] = yield dialect.fetch(
        "SELECT trial_id, number FROM trials WHERE study_id = ? AND trial_id > ? ORDER BY trial_id",
        study_id,
        last_id,
    )
    numbers = [number for _, number in found]
    if numbers != list(range(first_number, first_number + len(rows))):
        raise StorageInternalError(
            f"The new trials should have the numbers from {first_number} on, but they are "
            f"{numbers}: another program adds trials without locking the row of the study."
        )
    return [
        Head(trial_id, number, row[2], row[3], row[4])
        for (trial_id, number), row in zip(found, rows, strict=True)
    ]
