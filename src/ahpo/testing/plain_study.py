"""A study as plain dicts: the model that the state machine compares storages with.

What a handle has recorded and not flushed may or may not have reached the storage yet. So a trial
has what is *acknowledged*, and what is *pending*, by handle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ahpo.history.frozen import to_datetime
from ahpo.history.history import History
from ahpo.history.records import FinishedTrial
from ahpo.states import StudyDirection, TrialState
from ahpo.trials.frozen import FrozenTrial

__all__ = ("PlainStudy", "PlainTrial", "Written", "dicts_of")

# One thing that was recorded on a trial: which of its dicts, the key, and the value.
Written = tuple[str, Any, Any]
_DICTS = ("params", "intermediate_values", "user_attrs", "system_attrs")
_ABSENT = "absent"


class PlainTrial:
    """Hold one trial; parameters are pairs of an internal value and a distribution."""

    def __init__(self, state: TrialState, started: int | None) -> None:
        self.trial_id: int | None = None  # as soon as it was seen
        self.state = state
        self.started = started
        self.completed: int | None = None
        self.values: tuple[float, ...] | None = None
        self.dicts: dict[str, dict[Any, Any]] = {name: {} for name in _DICTS}
        self.pending: dict[int, list[Written]] = {}

    def write(self, written: Iterable[Written]) -> None:
        """Take in what was recorded."""
        for name, key, value in written:
            self.dicts[name][key] = value

    def acknowledge(self, handle: int) -> None:
        """Take in what a handle has recorded so far."""
        self.write(self.pending.pop(handle, ()))

    def difference(self, record: FinishedTrial, handle: int | None) -> str | None:
        """Return how a record differs from what it may be, None if it does not.

        :param handle: the handle whose history the record is from, which has what it recorded
            itself; None for one that recorded nothing
        """
        expected = (self.state, self.started, self.completed, self.values)
        found = (record.state, record.started, record.completed, record.values)
        if expected != found:
            return f"{found} instead of {expected}"
        if self.trial_id is not None and self.trial_id != record.trial_id:
            return f"the identifier {record.trial_id} instead of {self.trial_id}"
        for name, part in dicts_of(record).items():
            allowed = self._allowed(name, handle)
            for key in {*part, *allowed}:
                value = repr(part.get(key, _ABSENT))  # as text, in which NaN equals NaN
                if value not in allowed.get(key, {repr(_ABSENT)}):
                    return f"{name}[{key!r}] is {value} instead of {allowed.get(key)}"
        order, known = list(self.dicts["params"]), list(record.params)
        if known[: len(order)] != order:
            return f"parameters in the order {known} instead of {order}"
        return None

    def _allowed(self, name: str, handle: int | None) -> dict[Any, set[str]]:
        """Return which values each key may have, as text."""
        allowed = {key: {repr(value)} for key, value in self.dicts[name].items()}
        for writer, written in self.pending.items():
            for where, key, value in written:
                if where == name and writer != handle:
                    allowed.setdefault(key, {repr(_ABSENT)}).add(repr(value))
        own = self.pending.get(handle, ()) if handle is not None else ()
        allowed.update({key: {repr(value)} for where, key, value in own if where == name})
        return allowed

    def adopt(self, record: FinishedTrial) -> None:
        """Take a record as the truth: the trial was finished while facts were pending."""
        self.dicts = dicts_of(record)
        self.pending = {}

    def frozen(self, number: int) -> FrozenTrial:
        """Return the trial as it must be when nothing is pending."""
        params = self.dicts["params"]
        return FrozenTrial(
            number=number,
            trial_id=-1 if self.trial_id is None else self.trial_id,
            state=self.state,
            value=None,
            values=self.values,
            datetime_start=to_datetime(self.started),
            datetime_complete=to_datetime(self.completed),
            params={name: kind.to_external_repr(value) for name, (value, kind) in params.items()},
            distributions={name: kind for name, (_, kind) in params.items()},
            user_attrs=self.dicts["user_attrs"],
            system_attrs=self.dicts["system_attrs"],
            intermediate_values=self.dicts["intermediate_values"],
        )


def dicts_of(record: FinishedTrial) -> dict[str, dict[Any, Any]]:
    """Return the dicts of a record in the form of those of a plain trial."""
    kinds = record.distributions
    return {
        "params": {name: (value, kinds[name]) for name, value in record.params.items()},
        "intermediate_values": record.intermediate_values,
        "user_attrs": record.user_attrs,
        "system_attrs": record.system_attrs,
    }


class PlainStudy:
    """Hold one study."""

    def __init__(self, directions: Sequence[StudyDirection]) -> None:
        self.directions = tuple(directions)
        self.user_attrs: dict[str, Any] = {}
        self.system_attrs: dict[str, Any] = {}
        self.trials: list[PlainTrial] = []
        self.owners: dict[int, int] = {}  # which handle runs a trial

    def waiting(self) -> list[int]:
        """Return the numbers of the trials that wait, the longest waiting one first."""
        return [n for n, trial in enumerate(self.trials) if trial.state is TrialState.WAITING]

    def start(self, number: int, at: int, handle: int) -> None:
        """Start a trial, which is a new one or waits."""
        if number == len(self.trials):
            self.trials.append(PlainTrial(TrialState.RUNNING, at))
        else:
            self.trials[number].state = TrialState.RUNNING
            self.trials[number].started = at
        self.owners[number] = handle

    def add(self, record: FinishedTrial) -> None:
        """Add a trial."""
        trial = PlainTrial(record.state, record.started)
        trial.completed, trial.values = record.completed, record.values
        trial.dicts = {name: dict(part) for name, part in dicts_of(record).items()}
        self.trials.append(trial)

    def acknowledge(self, handle: int) -> None:
        """Take in all that a handle has recorded so far."""
        for trial in self.trials:
            trial.acknowledge(handle)

    def differences(self, history: History, handle: int | None) -> Iterator[str]:
        """Yield what is wrong in an up-to-date history, that of a handle or of an observer."""
        if history.directions != self.directions:
            yield f"directions are {history.directions} instead of {self.directions}"
        for attributes in ("user_attrs", "system_attrs"):
            if getattr(history, attributes) != getattr(self, attributes):
                yield f"{attributes} of the study are {getattr(history, attributes)}"
        if history.n_trials != len(self.trials):
            yield f"{history.n_trials} trials instead of {len(self.trials)}"
            return
        for number, trial in enumerate(self.trials):
            wrong = trial.difference(history.record(number), handle)
            if wrong is not None:
                yield f"trial {number} has {wrong}"
            elif not trial.pending:
                found, expected = history.frozen(number), trial.frozen(number)
                if trial.trial_id is not None and found != expected and "nan" not in repr(found):
                    yield f"trial {number} is {found} instead of {expected}"
