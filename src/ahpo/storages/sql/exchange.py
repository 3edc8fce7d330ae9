"""What happens in an exchange: one transaction, as a plan that any of the databases can run.

First the writes are done, then leases are renewed, then trials are started, created and reaped in
the order of the ops, then news are read. All ops were asked for before the exchange began, so that
none of those who wait for them can tell that the writes came first.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence, Set
from itertools import islice
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
from ahpo.storages.exchange import Create, Reap, Request, Response, Seen, Start, Write, is_success
from ahpo.storages.sql.checking import Kinds, new_names, read_kinds
from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.placing import Placed, place
from ahpo.storages.sql.reading import Head, read_trials, record_of
from ahpo.storages.sql.statements import Plan
from ahpo.storages.sql.writes import Writes, cells_of_fact

__all__ = (
    "FINAL",
    "LOOKED_AT",
    "NEWS",
    "UNKNOWN",
    "Attrs",
    "Exchanged",
    "StudyRow",
    "attrs_of",
    "check_end",
    "exchange",
    "heads_of",
    "missing",
    "response_of",
    "select_news",
    "writes_anything",
)

FINAL = frozenset(state.name for state in TrialState if state.is_finished())
_HEAD = "SELECT trial_id, number, #state, datetime_start, datetime_complete FROM trials WHERE "
# What is news comes from one query, whose rows say what they are: the study itself, its attributes
# of either kind, the last trial that the store knows, or a trial that may have changed.
_NAMED, _LAST, _TRIAL = 0, 3, 4
NEWS = range(5)
_NEWS = (
    "SELECT 0, 0, 0, study_name, '', {none}, {none} FROM studies WHERE study_id = ?"
    ' UNION ALL SELECT 1, 0, 0, "key", value_json, {none}, {none}'
    " FROM study_user_attributes WHERE study_id = ?"
    ' UNION ALL SELECT 2, 0, 0, "key", value_json, {none}, {none}'
    " FROM study_system_attributes WHERE study_id = ?"
    " UNION ALL SELECT 3, 0, 0, '', '', {none}, {none}"
    " FROM trials WHERE trial_id = ? AND study_id = ?"
)
# How many of the trials that others run are read whole in one exchange, whether they have changed
# (which no table tells) or not: those that were not read for the longest time.
LOOKED_AT = 100
_CHANGED = (
    "SELECT 4, trial_id, number, #state, '', datetime_start, datetime_complete FROM trials WHERE "
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


# What is no JSON is never read: so these are always to be replaced by those that are.
UNKNOWN = Attrs({"": ""}, {"": ""})


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
        finished = {trial_id for trial_id, state in states.items() if state in FINAL}
        records = yield from self._records(finished)
        repeated = self._repeated(ops, records) if self.request.repeated else set()
        refused: dict[int, Exception] = {}
        for position, op in ops:
            if op.trial_id in repeated:
                continue
            if op.trial_id in refused and is_success(op.fact):
                self.answers[position] = refused[op.trial_id]
                continue
            try:
                self._write_one(op, states, kinds)
            except (ValueError, TypeError, KeyError, UpdateFinishedTrialError) as exc:
                self.answers[position] = exc
                refused.setdefault(op.trial_id, exc)

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
        if state in FINAL:
            self.changed.add(trial_id)
            raise UpdateFinishedTrialError(
                f"Trial#{number} has already finished as {state} and can not be updated."
            )
        if isinstance(fact, TrialFinished):
            check_end(fact, self.study)
        cells = cells_of_fact(self.dialect, fact)
        if isinstance(fact, ParamSet):
            kinds.check(fact.name, fact.distribution)
        self.writes.put(trial_id, cells)
        if isinstance(fact, TrialFinished):
            states[trial_id] = fact.state.name
            if state == TrialState.RUNNING.name and trial_id not in self.request.seen.own:
                self.ends_of_others = True
            self.writes.ends[trial_id] = fact.state.name, self.dialect.time(fact.at)

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
        sql, args = select_news(
            self.dialect,
            self.study,
            self.request.seen,
            changed=self.changed,
            ends=self.writes.ends.keys(),
            news=read,
            new=read or places,
        )
        rows = (yield self.dialect.fetch(sql, *args)) if sql else ()
        current = attrs_of(self.study, self.request.seen, rows) if read else None
        heads = heads_of(rows)
        # States come before contents: so the contents of a finished trial are its last.
        empty = {head.trial_id for head in placed.empty}
        full = [head for head in heads if head.trial_id not in empty]
        trials = yield from read_trials(self.dialect, full)
        if empty:
            trials += [record_of(head) for head in heads if head.trial_id in empty]
        trials.sort(key=lambda trial: trial.number)
        return response_of(self.answers, trials, current, attrs)


def check_end(fact: TrialFinished, study: StudyRow) -> None:
    """Raise ValueError if this can not be the end of a trial of the study."""
    n = len(study.directions)
    if not fact.state.is_finished():
        raise ValueError(f"Trial#{fact.number} can not finish as {fact.state.name}.")
    if fact.values is not None and len(fact.values) != n:
        raise ValueError(
            f"Trial#{fact.number} has {len(fact.values)} values, but the study has {n} objectives."
        )


def select_news(
    dialect: Dialect,
    study: StudyRow,
    seen: Seen,
    *,
    changed: Set[int] = frozenset(),
    ends: Set[int],
    news: bool = True,
    new: bool = True,
) -> tuple[str, list[Any]]:
    """Return the query for what belongs into a response, and its arguments.

    :param changed: trials that do so whatever has become of them
    :param ends: those that the request finishes itself
    :param news: whether it is asked what others have done
    :param new: whether trials are asked for that the store has not seen
    """
    study_id = study.study_id
    parts: list[str] = []
    args: list[Any] = []
    if news:
        parts.append(_NEWS.format(none=dialect.no_time))
        args += [study_id, study_id, study_id, seen.last_id, study_id]
    if new:
        parts.append(f"{_CHANGED}study_id = ? AND trial_id > ?")
        args += [study_id, seen.last_id]
    if news:
        ended = ends & seen.own.keys()  # that is no news
        changed = changed | set(islice(seen.running, LOOKED_AT)) | (ends - ended)
        for ids, same in (
            (seen.own, "('RUNNING', 'WAITING')"),
            (seen.running, "('RUNNING')"),
            (seen.waiting, "('WAITING')"),
        ):
            left = [one for one in ids if one not in changed and one not in ended]
            if left:
                within, some = dialect.within(left)
                parts.append(f"{_CHANGED}trial_id{within} AND state NOT IN {same}")
                args += some
    if changed:
        within, some = dialect.within(sorted(changed))
        parts.append(f"{_CHANGED}trial_id{within}")
        args += some
    return " UNION ALL ".join(parts), args


def heads_of(rows: Iterable[Sequence[Any]]) -> list[Head]:
    """Return the heads of trials among what was read, each once, by ascending identifier."""
    found = {row[1]: (*row[1:4], *row[5:7]) for row in rows if row[0] == _TRIAL}
    return [Head(*head) for _, head in sorted(found.items())]


def attrs_of(study: StudyRow, seen: Seen, rows: Iterable[Sequence[Any]]) -> Attrs:
    """Return the attributes of the study among what was read.

    :raises KeyError: if the study has been deleted
    """
    found = Attrs({}, {})
    names = []
    last_is_there = seen.last_id < 0
    for what, _, _, name, text, *_ in rows:
        if what == _NAMED:
            names.append(name)
        elif what == _LAST:
            last_is_there = True
        elif what < _LAST:
            found[what - 1][name] = text
    # SQLite uses identifiers again: another study may have come in the place of a deleted one.
    if names != [study.study_name] or not last_is_there:
        raise missing(study.study_name)
    return found


def response_of(
    answers: Sequence[Any],
    trials: Sequence[FinishedTrial],
    current: Attrs | None,
    old: Attrs | None,
) -> Exchanged:
    """Return the response: of the attributes what has changed, if they were read."""
    if current is None:
        return Exchanged(Response(answers, trials), None)
    old = old or Attrs({}, {})
    user = None if current.user == old.user else _decoded(current.user)
    system = None if current.system == old.system else _decoded(current.system)
    return Exchanged(Response(answers, trials, user, system), current)


def _decoded(texts: dict[str, str]) -> dict[str, Any]:
    try:
        return {key: json.loads(text) for key, text in texts.items()}
    except (ValueError, TypeError) as exc:
        raise StorageInternalError(
            f"The database holds an attribute of the study that is not JSON: {exc}."
        ) from exc
