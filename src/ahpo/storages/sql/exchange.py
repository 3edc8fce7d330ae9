"""What happens in an exchange: one transaction, as a plan that any of the databases can run.

First the writes are done, then leases are renewed, then trials are started, created and reaped in
the order of the ops, then news are read. All ops were asked for before the exchange began, so that
none of those who wait for them can tell that the writes came first.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from ahpo.exceptions import StorageInternalError, UpdateFinishedTrialError
from ahpo.history.facts import (
    ParamSet,
    StudySystemAttrSet,
    StudyUserAttrSet,
    SystemAttrSet,
    TrialFinished,
)
from ahpo.history.records import FinishedTrial
from ahpo.states import StudyDirection, TrialState
from ahpo.storages.exchange import Create, Reap, Request, Response, Start, Write
from ahpo.storages.sql.checking import Kinds, new_names, read_kinds
from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.placing import Placed, place
from ahpo.storages.sql.reading import Head, read_trials, record_of
from ahpo.storages.sql.statements import Plan
from ahpo.storages.sql.writes import Writes, cells_of_fact

__all__ = ("Attrs", "Exchanged", "StudyRow", "exchange", "missing", "writes_anything")

_FINAL = frozenset(state.name for state in TrialState if state.is_finished())
_HEAD = "SELECT trial_id, number, #state, datetime_start, datetime_complete FROM trials WHERE "
_STUDY = (
    "SELECT 0, study_name, '' FROM studies WHERE study_id = ?"
    ' UNION ALL SELECT 1, "key", value_json FROM study_user_attributes WHERE study_id = ?'
    ' UNION ALL SELECT 2, "key", value_json FROM study_system_attributes WHERE study_id = ?'
    " UNION ALL SELECT 3, '', '' FROM trials WHERE trial_id = ? AND study_id = ?"
)


class StudyRow(NamedTuple):
    """Tell of a study what never changes."""

    study_id: int
    study_name: str
    directions: tuple[StudyDirection, ...]


class Attrs(NamedTuple):
    """Hold the attributes of a study as they were read: JSON by key."""

    user: dict[str, str]
    system: dict[str, str]


class Exchanged(NamedTuple):
    """Hold the response, and the attributes of the study if they were read."""

    response: Response
    attrs: Attrs | None


def missing(study_name: str) -> KeyError:
    """Return the error of a study that does not exist."""
    return KeyError(f"The storage has no study of the name {study_name!r}.")


def writes_anything(request: Request) -> bool:
    """Tell whether an exchange changes the database."""
    return bool(request.ops or request.beat or request.release)


def exchange(
    dialect: Dialect, study: StudyRow, request: Request, attrs: Attrs | None, quiet: bool = False
) -> Plan[Exchanged]:
    """Carry out a request.

    :param attrs: the attributes of the study as the store knows them, None if it does not
    :param quiet: whether it is certain that nobody else has written since the last exchange that
        read: then there are no news to be read
    :raises KeyError: if the study has been deleted
    """
    return (yield from _Exchange(dialect, study, request).plan(attrs, quiet))


class _Exchange:
    def __init__(self, dialect: Dialect, study: StudyRow, request: Request) -> None:
        self.dialect = dialect
        self.study = study
        self.request = request
        self.answers: list[Any] = [None] * len(request.ops)
        self.writes = Writes()
        self.changed: set[int] = set()  # trials that belong into the response, whatever else does
        self.ends_of_others = False  # whether running trials of others are finished

    def plan(self, attrs: Attrs | None, quiet: bool) -> Plan[Exchanged]:
        dialect, request = self.dialect, self.request
        places = any(isinstance(op, Start | Create) for op in request.ops)
        names = new_names(request)
        on_study = any(
            isinstance(op, Write) and isinstance(op.fact, StudyUserAttrSet | StudySystemAttrSet)
            for op in request.ops
        )
        yield from self._find_study(places or on_study or bool(names), quiet)
        found = {}
        if names:
            found = yield from read_kinds(dialect, self.study.study_id, request.seen, names)
        kinds = Kinds(request.seen, found)
        yield from self._write(kinds)
        placed = Placed([], [], [])
        if places:
            placed = yield from place(
                dialect,
                self.study.study_id,
                len(self.study.directions),
                request,
                kinds,
                self.writes,
                self.answers,
            )
            self.changed.update(placed.claimed)
        yield from self.writes.run(dialect)
        if request.beat or placed.leased:
            yield dialect.beat(sorted({*request.beat, *placed.leased}))
        for position, op in enumerate(request.ops):
            if isinstance(op, Reap):
                self.answers[position] = yield from self._reap(op)
        if self.ends_of_others:  # only then: announcing makes commits queue up
            yield from dialect.announce(self.study.study_id)
        if request.release:
            within, args = dialect.within(request.release)
            yield dialect.run(f"DELETE FROM trial_heartbeats WHERE trial_id{within}", *args)
        return (yield from self._respond(placed, places, attrs, quiet))

    def _find_study(self, lock: bool, quiet: bool) -> Plan[None]:
        study_id, name = self.study[:2]
        if quiet or (self.request.read and not lock):
            return  # it is there, or will be looked for when news are read
        # Whoever adds a trial holds this row first: so identifiers and numbers ascend together, and
        # nobody sees the later one of two trials before the earlier one.
        sql = "SELECT study_name FROM studies WHERE study_id = ?"
        rows = yield self.dialect.fetch(sql + (self.dialect.for_update if lock else ""), study_id)
        if not rows or rows[0][0] != name:
            raise missing(name)

    # -- writes -----------------------------------------------------------------------------

    def _write(self, kinds: Kinds) -> Plan[None]:
        ops = [
            (position, op) for position, op in enumerate(self.request.ops) if isinstance(op, Write)
        ]
        owners = {op.trial_id for _, op in ops if op.trial_id >= 0}
        states: dict[int, str] = {}
        if owners:
            within, args = self.dialect.within(sorted(owners))
            rows = yield self.dialect.fetch(
                f"SELECT trial_id, #state FROM trials WHERE trial_id{within} AND study_id = ? "
                f"ORDER BY trial_id{self.dialect.for_update}",
                *args,
                self.study.study_id,
            )
            states = {trial_id: state for trial_id, state in rows}
        finished = {trial_id for trial_id, state in states.items() if state in _FINAL}
        records = yield from self._records(finished)
        repeated = self._repeated(ops, records) if self.request.repeated else set()
        for position, op in ops:
            if op.trial_id not in repeated:
                try:
                    self._write_one(op, states, kinds)
                except (ValueError, TypeError, KeyError, UpdateFinishedTrialError) as exc:
                    self.answers[position] = exc

    def _records(self, ids: Collection[int]) -> Plan[dict[int, FinishedTrial]]:
        """Read trials that somebody has finished before they could be written on."""
        self.changed.update(ids)
        if not (ids and self.request.repeated):
            return {}
        within, args = self.dialect.within(sorted(ids))
        rows = yield self.dialect.fetch(f"{_HEAD}trial_id{within} ORDER BY trial_id", *args)
        trials = yield from read_trials(self.dialect, [Head(*row) for row in rows])
        return {trial.trial_id: trial for trial in trials}

    def _repeated(
        self, ops: Sequence[tuple[int, Write]], records: dict[int, FinishedTrial]
    ) -> set[int]:
        """Return the trials that the request, when it was sent before, has finished itself."""
        ends: dict[int, TrialFinished] = {}
        for _, op in ops:
            if isinstance(op.fact, TrialFinished):
                ends.setdefault(op.trial_id, op.fact)
        same = set()
        for trial_id, trial in records.items():
            end = ends.get(trial_id)
            known = (trial.state, trial.values, trial.completed)
            if end and (end.state, end.values, self.dialect.kept(end.at)) == known:
                same.add(trial_id)
        return same

    def _write_one(self, op: Write, states: dict[int, str], kinds: Kinds) -> None:
        fact, trial_id = op
        if isinstance(fact, StudyUserAttrSet | StudySystemAttrSet):
            self.writes.put(self.study.study_id, cells_of_fact(self.dialect, fact))
            return
        number, state = fact.number, states.get(trial_id)
        if state is None:
            raise KeyError(f"The study has no trial of number {number!r}.")
        if state in _FINAL:
            self.changed.add(trial_id)
            raise UpdateFinishedTrialError(
                f"Trial#{number} has already finished as {state} and can not be updated."
            )
        if isinstance(fact, TrialFinished):
            self._check_end(fact)
        cells = cells_of_fact(self.dialect, fact)
        if isinstance(fact, ParamSet):
            kinds.check(fact.name, fact.distribution)
        self.writes.put(trial_id, cells)
        if isinstance(fact, TrialFinished):
            states[trial_id] = fact.state.name
            if state == TrialState.RUNNING.name and trial_id not in self.request.seen.own:
                self.ends_of_others = True
            self.writes.ends[trial_id] = fact.state.name, self.dialect.time(fact.at)

    def _check_end(self, fact: TrialFinished) -> None:
        n = len(self.study.directions)
        if not fact.state.is_finished():
            raise ValueError(f"Trial#{fact.number} can not finish as {fact.state.name}.")
        if fact.values is not None and len(fact.values) != n:
            raise ValueError(
                f"Trial#{fact.number} has {len(fact.values)} values, "
                f"but the study has {n} objectives."
            )

    # -- leases -----------------------------------------------------------------------------

    def _reap(self, op: Reap) -> Plan[list[int]]:
        limit, argument = self.dialect.before(op.grace)
        rows = yield self.dialect.fetch(
            "SELECT t.trial_id, t.number FROM trials t JOIN trial_heartbeats h "
            "ON h.trial_id = t.trial_id WHERE t.study_id = ? AND t.state = 'RUNNING' "
            f"AND h.heartbeat <= {limit} ORDER BY t.trial_id{self.dialect.for_update}",
            self.study.study_id,
            argument,
        )
        reaped = Writes()
        for trial_id, number in rows:
            reason = SystemAttrSet(number, "fail_reason", op.reason)
            reaped.put(trial_id, cells_of_fact(self.dialect, reason))
            reaped.ends[trial_id] = TrialState.FAIL.name, self.dialect.time(op.at)
        yield from reaped.run(self.dialect)
        self.changed.update(reaped.ends)
        self.ends_of_others = self.ends_of_others or bool(rows)
        return [number for _, number in rows]

    # -- news -------------------------------------------------------------------------------

    def _respond(
        self, placed: Placed, places: bool, attrs: Attrs | None, quiet: bool
    ) -> Plan[Exchanged]:
        read = self.request.read and not quiet
        current = (yield from self._read_study()) if read else None
        heads = yield from self._read_heads(read, read or places)
        # States come before contents: so the contents of a finished trial are its last.
        empty = {head.trial_id for head in placed.empty}
        full = [head for head in heads if head.trial_id not in empty]
        trials = yield from read_trials(self.dialect, full)
        if empty:
            trials += [record_of(head) for head in heads if head.trial_id in empty]
        trials.sort(key=lambda trial: trial.number)
        if current is None:
            return Exchanged(Response(self.answers, trials), None)
        old = attrs or Attrs({}, {})
        user = None if current.user == old.user else _decoded(current.user)
        system = None if current.system == old.system else _decoded(current.system)
        return Exchanged(Response(self.answers, trials, user, system), current)

    def _read_study(self) -> Plan[Attrs]:
        study_id, name = self.study[:2]
        last_id = self.request.seen.last_id
        args = (study_id, study_id, study_id, last_id, study_id)
        rows: list[Any] = yield self.dialect.fetch(_STUDY, *args)
        found = Attrs({}, {})
        names = []
        last_is_there = last_id < 0
        for kind, key, text in rows:
            if kind == 0:
                names.append(key)
            elif kind == 3:
                last_is_there = True
            else:
                found[kind - 1][key] = text
        # SQLite uses identifiers again: another study may have come in the place of a deleted one.
        if names != [name] or not last_is_there:
            raise missing(name)
        return found

    def _read_heads(self, news: bool, new: bool) -> Plan[list[Head]]:
        """Read the rows of the trials that belong into the response, by ascending identifier."""
        seen, changed = self.request.seen, self.changed
        parts, args = [], []
        if new:
            parts.append("study_id = ? AND trial_id > ?")
            args += [self.study.study_id, seen.last_id]
        if news:
            ended = self.writes.ends.keys() & seen.own.keys()  # that is no news
            changed = changed.union(seen.running, self.writes.ends.keys() - ended)
            for ids, same in ((seen.own, "('RUNNING', 'WAITING')"), (seen.waiting, "('WAITING')")):
                left = [one for one in ids if one not in changed and one not in ended]
                if left:
                    within, some = self.dialect.within(left)
                    parts.append(f"trial_id{within} AND state NOT IN {same}")
                    args += some
        if changed:
            within, some = self.dialect.within(sorted(changed))
            parts.append(f"trial_id{within}")
            args += some
        if not parts:
            return []
        sql = " UNION ALL ".join(_HEAD + part for part in parts)
        rows = yield self.dialect.fetch(sql, *args)
        return [Head(*row) for _, row in sorted({row[0]: row for row in rows}.items())]


def _decoded(texts: dict[str, str]) -> dict[str, Any]:
    try:
        return {key: json.loads(text) for key, text in texts.items()}
    except (ValueError, TypeError) as exc:
        raise StorageInternalError(
            f"The database holds an attribute of the study that is not JSON: {exc}."
        ) from exc
