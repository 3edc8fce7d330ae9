"""One exchange with a journal, without its I/O: what to append, and what became of it.

A plan is made on what has been read. Where nobody can append in between, it comes as planned;
elsewhere the lines tell, when they are read back, and what others were quicker at is planned
anew. The same goes for an attempt that broke off: the lines of it that are there, are read back.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from ahpo.distributions import BaseDistribution
from ahpo.distributions.compatibility import incompatibility
from ahpo.exceptions import UpdateFinishedTrialError
from ahpo.history.facts import (
    Fact,
    ParamSet,
    StudySystemAttrSet,
    StudyUserAttrSet,
    SystemAttrSet,
    TrialFinished,
)
from ahpo.history.records import FinishedTrial
from ahpo.states import TrialState
from ahpo.storages.exchange import Create, Op, Reap, Request, Start, Write, is_success
from ahpo.storages.journal.base import Transaction
from ahpo.storages.journal.records import Writer
from ahpo.storages.journal.replay import Line, Outcome, Refusal, Replay
from ahpo.storages.unique import unique_name
from ahpo.trials.checks import check_keeps_kind

__all__ = ("MANY", "Session", "deleted")

MANY = 1000  # trials that have finished, after which it is time for a response
_PENDING = object()
_NO_OP = -1
_FAIL_REASON = "fail_reason"


class _Expected(NamedTuple):
    """Expect a line of ours to be read: the one that answers an op, or one more of it."""

    op: int  # its place in the request
    number: int = -1  # of the trial that it reaps
    last: bool = True


def deleted(study_name: str) -> KeyError:
    """Return the error of who goes on with a study that somebody has deleted."""
    return KeyError(f"The study {study_name!r} has been deleted.")


class Session(Transaction):
    """Carry out one request.

    :param replay: what has been read of the journal; nobody else may read on meanwhile
    :param guard: the lock that keeps others from doing so
    """

    def __init__(
        self,
        replay: Replay,
        request: Request,
        study_name: str,
        guard: threading.Lock,
    ) -> None:
        self.replay = replay
        self.request = request
        self._guard = guard
        self.delivered = False
        self.own: set[int] = set()  # trials that our lines have changed
        self.shown: set[int] = set()  # trials of which a write was refused
        self.answers: list[Any] = [_PENDING] * len(request.ops)
        self._study_name = study_name
        self._writer = Writer(unique_name())
        self._progress: dict[int, list[int]] = {}
        self._expected: deque[_Expected] = deque()
        self._told_leases = not (request.beat or request.release)
        self._again: set[int] | None = None
        self._refused: dict[int, Exception] = {}  # the first refusal of each trial
        self._begun = False
        self._forget_plan()

    def resume(self, request: Request) -> bool:
        """Go on with a request that is sent once more; return whether it is the same one."""
        earlier = self.request.ops
        if list(request.ops[: len(earlier)]) != list(earlier):
            return False
        self.answers += [_PENDING] * (len(request.ops) - len(earlier))
        self.request = request
        return True

    # -- reading ----------------------------------------------------------------------------

    @property
    def guard(self) -> threading.Lock:
        return self._guard

    @property
    def durable(self) -> bool:
        return self.request.durable

    @property
    def full(self) -> bool:
        # What has been begun is carried out; and what may have been, since that must be found out.
        begun = self._begun or self.request.repeated
        return not begun and len(self.replay.fresh) >= MANY

    @property
    def may_write(self) -> bool:
        return _PENDING in self.answers or not self._told_leases

    @property
    def cursor(self) -> int:
        return self.replay.cursor

    def absorb(self, text: str, cursor: int) -> None:
        if self._expected and self._writer.author in text:
            self.absorb_lines(text.split("\n")[:-1], cursor)
            return
        self.replay.feed_text(text)
        self.replay.cursor = cursor

    def absorb_lines(self, lines: Iterable[Line], cursor: int) -> None:
        replay, author = self.replay, self._writer.author
        for line in lines:
            if not self._expected:
                ours = False
            elif isinstance(line, str):
                ours = author in line
            else:
                ours = line.get("worker_id") == author
            if ours:
                self._read_own(line)
            else:
                replay.read(line)
        replay.cursor = cursor

    def _read_own(self, line: Line) -> None:
        replay = self.replay
        touched, attrs_touched = replay.touched, replay.attrs_touched
        replay.touched = self.own
        try:
            outcome = replay.read(line)
        finally:
            replay.touched, replay.attrs_touched = touched, attrs_touched
        expected = self._expected.popleft()
        if expected.op == _NO_OP:
            self._told_leases = True
        elif self.answers[expected.op] is _PENDING:
            self._settle(expected, self.request.ops[expected.op], outcome)

    def _settle(self, expected: _Expected, op: Op, outcome: Outcome) -> None:
        index = expected.op
        if isinstance(op, Write):
            self.answers[index] = None if not isinstance(outcome, Refusal) else self._refuse(op)
        elif isinstance(outcome, Refusal):
            pass  # somebody was quicker: what is open will be planned again
        elif isinstance(op, Start):
            assert outcome is not None
            self.answers[index] = outcome
            self.replay.touched.add(self.replay.ids[outcome])
        elif isinstance(op, Create):
            assert outcome is not None
            numbers = self._progress.setdefault(index, [])
            numbers.append(outcome)
            if len(numbers) == len(op.trials):
                self.answers[index] = numbers
        elif expected.last:
            self._progress.setdefault(index, []).append(expected.number)
            self.replay.touched.add(self.replay.ids[expected.number])

    # -- planning ---------------------------------------------------------------------------

    def _forget_plan(self) -> None:
        self._expected.clear()
        # What the lines of the plan will have changed.
        self._ending: set[int] = set()
        self._started: set[int] = set()
        self._params: set[tuple[int, str]] = set()
        self._kinds: dict[str, BaseDistribution] = {}

    def plan(self) -> list[str]:
        if not self.replay.exists:
            raise deleted(self._study_name)
        if not self.may_write:
            return []
        self._begun = True
        self._forget_plan()
        lines: list[str] = []
        if not self._told_leases:
            lines.append(self._writer.leases(self.request.beat, self.request.release))
            self._expected.append(_Expected(_NO_OP))
        for index, op in enumerate(self.request.ops):
            if self.answers[index] is _PENDING:
                lines += self._lines(index, op)
        return lines

    def _lines(self, index: int, op: Op) -> list[str]:
        if isinstance(op, Write):
            return self._write(index, op)
        if isinstance(op, Start):
            return self._start(index, op)
        return self._create(index, op) if isinstance(op, Create) else self._reap(index, op)

    def _write(self, index: int, op: Write) -> list[str]:
        refusal = self._refused.get(op.trial_id) if is_success(op.fact) else None
        self.answers[index] = refusal = refusal or self._refusal(op)
        if refusal is not None:
            self._refused.setdefault(op.trial_id, refusal)
            if op.trial_id in self.replay.open:
                self.shown.add(op.trial_id)
            return []
        fact = op.fact
        if isinstance(fact, ParamSet):
            # The first value stays, with us; in a journal the last one would.
            at = (op.trial_id, fact.name)
            if at in self._params or fact.name in self.replay.open[op.trial_id].params:
                return []
        if op.trial_id in self._finished_so():
            return []
        try:
            assert self.replay.study_id is not None
            line = self._writer.fact(fact, op.trial_id, self.replay.study_id)
        except TypeError as error:
            self.answers[index] = error
            if op.trial_id >= 0:
                self._refused.setdefault(op.trial_id, error)
                self.shown.add(op.trial_id)
            else:
                self.replay.attrs_touched = True
            return []
        if isinstance(fact, ParamSet):
            self._params.add((op.trial_id, fact.name))
            self._kinds.setdefault(fact.name, fact.distribution)
        elif isinstance(fact, TrialFinished):
            self._ending.add(op.trial_id)
        self.answers[index] = _PENDING
        self._expected.append(_Expected(index))
        return [line]

    def _start(self, index: int, op: Start) -> list[str]:
        self._expected.append(_Expected(index))
        for trial_id in self.replay.waiting:
            if trial_id not in self._started and trial_id not in self._ending:
                self._started.add(trial_id)
                return [self._writer.start(trial_id, op.at, op.lease)]
        assert self.replay.study_id is not None
        return [self._writer.create_trial(self.replay.study_id, op.at, op.lease)]

    def _create(self, index: int, op: Create) -> list[str]:
        assert self.replay.study_id is not None
        done = len(self._progress.get(index, ()))
        if not done:
            try:
                self._check_new(op.trials)
            except ValueError as error:
                self.answers[index] = error
                return []
        try:
            add = self._writer.add_trial
            lines = [add(self.replay.study_id, trial) for trial in op.trials[done:]]
        except TypeError as error:
            self.answers[index] = error
            return []
        if not op.trials:
            self.answers[index] = []
        self._expected.extend([_Expected(index)] * len(lines))
        for trial in op.trials:
            for name, kind in trial.distributions.items():
                self._kinds.setdefault(name, kind)
        return lines

    def _check_new(self, trials: Iterable[FinishedTrial]) -> None:
        assert self.replay.study_id is not None
        n_objectives = len(self.replay.directions[self.replay.study_id])
        new = dict(self._kinds)
        for trial in trials:
            if trial.values is not None and len(trial.values) != n_objectives:
                raise ValueError(
                    f"A trial to add has {len(trial.values)} values, "
                    f"but the study has {n_objectives} objectives."
                )
            for name, kind in trial.distributions.items():
                for known in (self.replay.misfit(name, kind), new.setdefault(name, kind)):
                    if known is not None:
                        check_keeps_kind(name, known, kind)

    def _reap(self, index: int, op: Reap) -> list[str]:
        replay = self.replay
        study_id = replay.study_id
        assert study_id is not None
        lines: list[str] = []
        for trial_id, renewed in sorted(replay.leases.items()):
            if replay.now - renewed < op.grace or trial_id in self._ending:
                continue
            self._ending.add(trial_id)
            number = replay.open[trial_id].number
            reason = _fail_reason(number, op.reason)
            lines.append(self._writer.fact(reason, trial_id, study_id))
            lines.append(self._writer.finish(trial_id, TrialState.FAIL, None, op.at))
            self._expected.append(_Expected(index, last=False))
            self._expected.append(_Expected(index, number))
        if not lines:
            self.answers[index] = self._progress.get(index, [])
        return lines

    # -- refusals ---------------------------------------------------------------------------

    def _refusal(self, op: Write) -> Exception | None:
        """Return why a write is refused, or None if it is not."""
        fact = op.fact
        if isinstance(fact, StudyUserAttrSet | StudySystemAttrSet):
            return None
        if op.trial_id not in self.replay.open or op.trial_id in self._ending:
            return None if op.trial_id in self._finished_so() else self._refuse(op)
        if isinstance(fact, ParamSet):
            known = self.replay.misfit(fact.name, fact.distribution)
            if known is None:
                known = self._kinds.get(fact.name)
                if known is None or incompatibility(known, fact.distribution) is None:
                    return None
            return _misfit(fact, known)
        return None

    def _refuse(self, op: Write) -> Exception:
        """Return the error of a write that can not be."""
        fact, trial_id = op.fact, op.trial_id
        number = self.replay.number(trial_id)
        if number is None:
            return KeyError(f"The study has no trial of number {_number(fact)!r}.")
        self.shown.add(trial_id)
        if isinstance(fact, ParamSet) and trial_id in self.replay.open:
            known = self.replay.misfit(fact.name, fact.distribution)
            if known is not None:
                return _misfit(fact, known)
        return UpdateFinishedTrialError(
            f"Trial#{number} has already finished and can not be updated."
        )

    def _finished_so(self) -> set[int]:
        """Return the trials that have finished just as this request, sent before, has asked for."""
        if self._again is None:
            self._again = set()
            for op in self.request.ops if self.request.repeated else ():
                if isinstance(op, Write) and isinstance(op.fact, TrialFinished):
                    there, fact = self.replay.fresh.get(op.trial_id), op.fact
                    if there is not None and _same_end(there, fact):
                        self._again.add(op.trial_id)
        return self._again


def _same_end(trial: FinishedTrial, fact: TrialFinished) -> bool:
    if (trial.state, trial.completed) != (fact.state, fact.at or 0):
        return False
    # As text, where NaN is itself.
    return repr(trial.values) == repr(fact.values) or trial.values == fact.values


def _misfit(fact: ParamSet, known: BaseDistribution) -> Exception:
    try:
        check_keeps_kind(fact.name, known, fact.distribution)
    except ValueError as error:
        return error
    raise AssertionError(f"{known!r} fits {fact.distribution!r}")


def _number(fact: Fact) -> int:
    return getattr(fact, "number", -1)


def _fail_reason(number: int, reason: str) -> Fact:
    return SystemAttrSet(number, _FAIL_REASON, reason)
