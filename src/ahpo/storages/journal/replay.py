"""What a journal says: its lines decide everything, in their order, the same for every reader.

Studies and trials are numbered by the lines that create them, trials over all studies. A line
that is too late or does not fit (of a finished trial, of a study that is gone, with an incompatible
distribution, the second that starts a trial) is ignored by all readers. Pure: no I/O, no clock.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections.abc import Callable, Container, Iterable
from enum import Enum
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

from ahpo.distributions import BaseDistribution
from ahpo.distributions.compatibility import incompatibility
from ahpo.exceptions import StorageInternalError
from ahpo.history.records import FinishedTrial
from ahpo.states import StudyDirection, TrialState
from ahpo.storages.journal.records import (
    EXTRA,
    LEASES,
    NOBODY,
    distribution_of,
    microseconds,
)
from ahpo.storages.journal.unfinished import Unfinished

__all__ = ("Line", "Refusal", "Replay")

# As it stands in the journal; some backends have parsed it already.
Line: TypeAlias = str | dict[str, Any]

_RUNNING, _WAITING = TrialState.RUNNING, TrialState.WAITING
_loads = json.loads
_decode = json.JSONDecoder().raw_decode
_STATES = {int(state): state for state in TrialState}
_START = '{"op_code":'
_BETWEEN = "\n" + _START
# Nine of ten lines are of two kinds, and come in runs.
_REPORT, _PARAM = _START + "7,", _START + "5,"
_head = itemgetter(slice(len(_REPORT)))
# The fields of lines that were split, without what stands before their names.
_FIELD = 'trial_id":%d'
_STEP = slice(len('step":'), None)
_REPORTED = slice(len('intermediate_value":'), -1)
_INTERNAL = slice(len('param_value_internal":'), None)
_MANY_KINDS = 4096
_NO_REPORTS: dict[int, float] = {}


class Refusal(Enum):
    """Say why a line is ignored."""

    NAME_TAKEN = "there is a study of that name"
    NO_STUDY = "there is no such study"
    NO_TRIAL = "there is no such trial"
    FINISHED = "the trial has finished"
    RUNNING = "the trial is running already"
    MISFIT = "the distribution does not fit an earlier one"


# What became of a line: None, or the number of the trial that it created or started.
Outcome: TypeAlias = Refusal | int | None


class Replay:
    """Follow a journal line by line, keeping what is needed to go on with one of its studies.

    That is: which studies there are, how many trials, and of the study that is followed the
    unfinished trials and those that have finished since `fresh` was emptied.

    :param study_name: the name of the study to follow; of studies of that name it is the one that
        there is at the end, until `settle` is called
    :param gone: the identifiers of studies that are not meant by the name
    """

    def __init__(self, study_name: str | None = None, gone: Container[int] = ()) -> None:
        self.cursor = 0  # up to where the journal has been read, in the units of whoever reads it
        self.broken = False  # whether it stopped in the middle of what it was fed
        self.now = 0.0  # the time of reading, by the clock of whoever reads
        self.studies: dict[int, str] = {}
        self.directions: dict[int, tuple[StudyDirection, ...]] = {}
        self._name = study_name
        self._gone = gone
        self._n_studies = 0
        self._n_trials = 0
        self._names: dict[str, str] = {}
        self._kinds: dict[str, BaseDistribution] = {}
        self._named: dict[str, Unfinished] = {}  # those of `open`, as a line's field names them
        self.touched: set[int] = set()
        self._follow(None)

    def _follow(self, study_id: int | None) -> None:
        self.study_id = study_id
        self.ids = array("q")  # the identifier of each trial, by number
        self.open: dict[int, Unfinished] = {}
        self._named.clear()
        self.waiting: dict[int, Unfinished] = {}  # ascending
        self.fresh: dict[int, FinishedTrial] = {}
        self.touched.clear()
        self.leases: dict[int, float] = {}  # when it was renewed, as far as we know
        self.user_attrs: dict[str, Any] = {}
        self.system_attrs: dict[str, Any] = {}
        self.attrs_touched = False
        # A name's first distribution decides on the kind of all: Optuna asks the first trial, by
        # number, that has the name, and what comes before that one had to fit it.
        self._first_kinds: dict[str, BaseDistribution] = {}

    def settle(self) -> None:
        """Stay with the study that is followed now, even when it is deleted."""
        self._name = None

    def toward(self, study_name: str) -> Replay:
        """Return a replay that reads on from here, to follow a study which is still to come."""
        other = Replay(study_name)
        other.cursor, other.now = self.cursor, self.now
        other.studies, other.directions = dict(self.studies), dict(self.directions)
        other._n_studies, other._n_trials = self._n_studies, self._n_trials
        return other

    @property
    def exists(self) -> bool:
        """Whether there is the study that is followed."""
        return self.study_id in self.studies

    def misfit(self, name: str, kind: BaseDistribution) -> BaseDistribution | None:
        """Return the earlier distribution that this one does not fit, or None."""
        first = self._first_kinds.get(name)
        if first is None or first is kind or first == kind:
            return None
        return None if incompatibility(first, kind) is None else first

    def number(self, trial_id: int) -> int | None:
        """Return the number of a trial of the study, or None."""
        number = bisect_left(self.ids, trial_id)
        return number if number < len(self.ids) and self.ids[number] == trial_id else None

    # -- lines ------------------------------------------------------------------------------

    def feed(self, lines: Iterable[Line]) -> None:
        """Read lines.

        :raises StorageInternalError: if one is no line of a journal
        """
        texts: list[str] = []
        for line in lines:
            if isinstance(line, str):
                texts.append(line)
            else:
                self._feed_texts(texts)
                texts = []
                self.read(line)
        self._feed_texts(texts)

    def _feed_texts(self, lines: list[str]) -> None:
        for head, run in groupby(lines, _head):
            if head == _REPORT:
                self._feed_reports(run)
            elif head == _PARAM:
                self._feed_params(run)
            else:
                for line in run:
                    self.read(line)

    # What stands between the fields of a line stands nowhere else in it, as texts have their
    # quotes escaped: so it needs no JSON parser, unless something in it is not as expected.

    def _feed_reports(self, lines: Iterable[str]) -> None:
        start, reports = "", _NO_REPORTS
        for line in lines:
            try:
                begin, step, value = line.rsplit(',"', 2)
                if begin != start:
                    trial = self._trial_of(begin)
                    start, reports = begin, trial.reports
                reports[int(step[_STEP])] = float(value[_REPORTED])
            except (KeyError, ValueError):
                self.read(line)

    def _feed_params(self, lines: Iterable[str]) -> None:
        names, kinds, firsts = self._names, self._kinds, self._first_kinds
        start = ""
        params: dict[str, float] = {}
        distributions: dict[str, BaseDistribution] = {}
        for line in lines:
            try:
                begin, named, value, described = line.rsplit(',"', 3)
                if begin != start:
                    trial = self._trial_of(begin)
                    start, params, distributions = begin, trial.params, trial.distributions
                name, kind = names[named], kinds[described]
                number = float(value[_INTERNAL])
                if firsts[name] is not kind and self.misfit(name, kind) is not None:
                    continue
            except (KeyError, ValueError):
                if self.read(line) is None:
                    self._learn(line)
                continue
            params[name] = number
            distributions[name] = kind

    def _trial_of(self, begin: str) -> Unfinished:
        """Return the trial that a line changes which begins so.

        :raises KeyError: if it has finished
        :raises ValueError: if lines that begin so have something unexpected
        """
        _, _, field = begin.split(',"')
        trial = self._named[field]
        self.touched.add(trial.trial_id)
        return trial

    def _learn(self, line: str) -> None:
        """Keep what the fields of a line say that will come again."""
        parts = line.rsplit(',"', 3)
        name, kind = parts[1], parts[-1]
        if name.startswith('param_name":') and kind.startswith('distribution":'):
            try:
                known = distribution_of(_loads(kind[14:-1]))
            except (TypeError, ValueError):
                return  # there is more in the line than that
            if len(self._kinds) > _MANY_KINDS:
                self._kinds.clear()
            self._kinds[kind] = known
            self._names[name] = _loads(name[12:])

    def feed_text(self, text: str) -> None:
        """Read whole lines, each with its end.

        :raises StorageInternalError: if one is no line of a journal
        """
        if self._name is None and self.study_id is None:
            # Nobody asks what is in the studies: most lines need no look.
            bodies = text[:-1].split(_BETWEEN)
            if len(bodies) == text.count("\n") and text.startswith(_START):
                bodies[0] = bodies[0][len(_START) :]
                self._feed_texts([_START + body for body in bodies if body[:1] in "014 "])
                return
        lines = text.split("\n")
        del lines[-1]
        self._feed_texts(lines)

    def read(self, line: Line) -> Outcome:
        """Read one line, and return what became of it.

        :raises StorageInternalError: if it is no line of a journal
        """
        try:
            log: dict[str, Any] = _parsed(line) if isinstance(line, str) else line
            outcome: Outcome = _APPLIERS[log["op_code"]](self, log)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            self.broken = True
            text = str(line)
            shown = text if len(text) <= 200 else f"{text[:200]}..."
            raise StorageInternalError(
                f"The journal has a line that is none of a journal: {shown!r} ({error!r})."
            ) from error
        return outcome

    # -- studies ----------------------------------------------------------------------------

    def _create_study(self, log: dict[str, Any]) -> Outcome:
        name = log["study_name"]
        directions = tuple(map(StudyDirection, log["directions"]))
        if name in self.studies.values():
            return Refusal.NAME_TAKEN
        study_id = self._n_studies
        self._n_studies += 1
        self.studies[study_id] = name
        self.directions[study_id] = directions
        if name == self._name and study_id not in self._gone:
            self._follow(study_id)
        return study_id

    def _delete_study(self, log: dict[str, Any]) -> Outcome:
        study_id = log["study_id"]
        if self.studies.pop(study_id, None) is None:
            return Refusal.NO_STUDY
        del self.directions[study_id]
        if self._name is not None and study_id == self.study_id:
            self._follow(None)
        return None

    def _study_attr(self, log: dict[str, Any], field: str, attrs: dict[str, Any]) -> Outcome:
        study_id = log["study_id"]
        if study_id not in self.studies:
            return Refusal.NO_STUDY
        if study_id == self.study_id:
            attrs.update(log[field])
            self.attrs_touched = True
        return None

    def _study_user_attr(self, log: dict[str, Any]) -> Outcome:
        return self._study_attr(log, "user_attr", self.user_attrs)

    def _study_system_attr(self, log: dict[str, Any]) -> Outcome:
        return self._study_attr(log, "system_attr", self.system_attrs)

    # -- trials -----------------------------------------------------------------------------

    def _create_trial(self, log: dict[str, Any]) -> Outcome:
        study_id = log["study_id"]
        if study_id not in self.studies:
            return Refusal.NO_STUDY
        trial_id = self._n_trials
        self._n_trials += 1
        if study_id != self.study_id:
            return None
        number = len(self.ids)
        state = _STATES[log["state"]] if "state" in log else _RUNNING
        trial = Unfinished(number, trial_id, state, microseconds(log["datetime_start"]))
        self.ids.append(trial_id)
        self.touched.add(trial_id)
        if "state" in log:
            self._fill(trial, log)
        if state.is_finished():
            self.fresh[trial_id] = trial.whole(microseconds(log.get("datetime_complete")))
        else:
            self.open[trial_id] = self._named[_FIELD % trial_id] = trial
            if state is _WAITING:
                self.waiting[trial_id] = trial
            elif log.get(EXTRA, _NOTHING).get("lease"):
                self.leases[trial_id] = self.now
        return number

    def _fill(self, trial: Unfinished, log: dict[str, Any]) -> None:
        """Set what a line that adds a whole trial says of it; nothing of this is ever refused."""
        kinds = log.get("distributions", _NOTHING)
        for name, value in log.get("params", _NOTHING).items():
            kind = distribution_of(kinds[name])
            trial.params[name] = value
            trial.distributions[name] = kind
            self._first_kinds.setdefault(name, kind)
        values, value = log.get("values"), log.get("value")
        if values is not None:
            trial.values = tuple(values)
        elif value is not None:
            trial.values = (value,)
        for step, reported in log.get("intermediate_values", _NOTHING).items():
            trial.reports[int(step)] = reported
        trial.user_attrs.update(log.get("user_attrs", _NOTHING))
        trial.system_attrs.update(log.get("system_attrs", _NOTHING))

    def _refused(self, trial_id: int) -> Refusal:
        return Refusal.NO_TRIAL if self.number(trial_id) is None else Refusal.FINISHED

    def _param(self, trial: Unfinished, name: str, value: float, kind: BaseDistribution) -> Outcome:
        first = self._first_kinds.setdefault(name, kind)
        if first is not kind and self.misfit(name, kind) is not None:
            return Refusal.MISFIT
        trial.params[name] = value
        trial.distributions[name] = kind
        return None

    def _set_param(self, log: dict[str, Any]) -> Outcome:
        trial = self.open.get(log["trial_id"])
        if trial is None:
            return self._refused(log["trial_id"])
        kind = distribution_of(log["distribution"])
        outcome = self._param(trial, log["param_name"], float(log["param_value_internal"]), kind)
        if outcome is None:
            self.touched.add(trial.trial_id)
        return outcome

    def _set_report(self, log: dict[str, Any]) -> Outcome:
        trial = self.open.get(log["trial_id"])
        if trial is None:
            return self._refused(log["trial_id"])
        value = log["intermediate_value"]
        trial.reports[log["step"]] = float("nan") if value is None else float(value)
        self.touched.add(trial.trial_id)
        return None

    def _set_user_attr(self, log: dict[str, Any]) -> Outcome:
        trial = self.open.get(log["trial_id"])
        if trial is None:
            return self._refused(log["trial_id"])
        trial.user_attrs.update(log["user_attr"])
        self.touched.add(trial.trial_id)
        return None

    def _set_system_attr(self, log: dict[str, Any]) -> Outcome:
        trial = self.open.get(log["trial_id"])
        if trial is None:
            if log["trial_id"] == NOBODY:
                return self._set_leases(log["system_attr"].get(LEASES, _NOTHING))
            return self._refused(log["trial_id"])
        trial.system_attrs.update(log["system_attr"])
        self.touched.add(trial.trial_id)
        return None

    def _set_leases(self, leases: dict[str, list[int]]) -> Outcome:
        for trial_id in leases.get("renewed", ()):
            trial = self.open.get(trial_id)
            if trial is not None and trial.state is _RUNNING:
                self.leases[trial_id] = self.now
        for trial_id in leases.get("released", ()):
            self.leases.pop(trial_id, None)
        return None

    def _set_state(self, log: dict[str, Any]) -> Outcome:
        trial_id = log["trial_id"]
        trial = self.open.get(trial_id)
        if trial is None:
            return self._refused(trial_id)
        state = _STATES[log["state"]]
        if state is _RUNNING:
            if trial.state is _RUNNING:
                return Refusal.RUNNING
            trial.started = microseconds(log["datetime_start"])
            if log.get(EXTRA, _NOTHING).get("lease"):
                self.leases[trial_id] = self.now
        values = log.get("values")
        if values is not None:
            trial.values = tuple(values)
        if trial.state is _WAITING:
            del self.waiting[trial_id]
        trial.state = state
        self.touched.add(trial_id)
        if state is _WAITING:
            self._wait_again(trial)
        elif state is not _RUNNING:
            self.leases.pop(trial_id, None)
            self.fresh[trial_id] = trial.whole(microseconds(log["datetime_complete"]))
            del self.open[trial_id]
            del self._named[_FIELD % trial_id]
            return None
        return trial.number

    def _wait_again(self, trial: Unfinished) -> None:
        """Queue a trial; one that was running belongs before those that came later."""
        self.leases.pop(trial.trial_id, None)
        self.waiting[trial.trial_id] = trial
        self.waiting = dict(sorted(self.waiting.items()))

    def _discard(self, log: dict[str, Any]) -> Outcome:
        return None


_NOTHING: dict[str, Any] = {}


def _parsed(line: str) -> Any:
    # What `json.loads` does besides takes longer than this.
    log, end = _decode(line)
    return log if end == len(line) else _loads(line)


_APPLIERS: tuple[Callable[[Replay, dict[str, Any]], Outcome], ...] = (
    Replay._create_study,
    Replay._delete_study,
    Replay._study_user_attr,
    Replay._study_system_attr,
    Replay._create_trial,
    Replay._set_param,
    Replay._set_state,
    Replay._set_report,
    Replay._set_user_attr,
    Replay._set_system_attr,
    Replay._discard,
)
