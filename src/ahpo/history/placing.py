"""Bring a history up to date with a trial as it stands in a storage, whatever was known of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ahpo.history.facts import TrialFinished
from ahpo.history.history import History, _violation
from ahpo.history.records import FinishedTrial, OpenTrial
from ahpo.states import TrialState

__all__ = ("place", "place_all")

_MANY = 8  # columns cost more than rows for fewer
_RUNNING, _WAITING = TrialState.RUNNING, TrialState.WAITING
_COMPLETE, _FAIL = TrialState.COMPLETE, TrialState.FAIL


def place_all(history: History, records: Sequence[FinishedTrial]) -> None:
    """Place trials, by ascending number.

    :raises ValueError: if the next new trial has not the next number
    """
    new: list[FinishedTrial] = []
    for record in records:
        if record.number == history.n_trials + len(new) and record.state.is_finished():
            new.append(record)
        else:
            _add(history, new)
            new = []
            place(history, record)
    _add(history, new)


def _add(history: History, records: list[FinishedTrial]) -> None:
    """Place trials that are new, and have finished."""
    width = len(history.directions)
    absent = (math.nan,) * width
    values = [absent if record.values is None else record.values for record in records]
    # Indexes want to know of each step; and what does not fit is refused when it comes to it.
    if len(records) < _MANY or history._indexes or any(len(told) != width for told in values):
        for record in records:
            place(history, record)
        return
    history._settle()
    row = history.table.n
    violations = [_violation(record.system_attrs) for record in records]
    history.table.extend(records, values, violations)
    known, last = history.known_distributions, None
    for record in records:
        state, distributions = record.state, record.distributions
        history._row_of[record.number] = row
        if distributions is not last and distributions != last:
            for name, distribution in distributions.items():
                known.setdefault(name, distribution)
            last = distributions
        if state is _COMPLETE:
            history._update_best(record.number, record.values, row)
        if state is not _FAIL:
            history._update_spaces(distributions, complete=state is _COMPLETE)
        row += 1
    times = [record.started for record in records if record.started is not None]
    if times and (history.first_started is None or min(times) < history.first_started):
        history.first_started = min(times)
    history._n_settled = row
    history.n_trials += len(records)  # last: who reads finds all that there are


def place(history: History, record: FinishedTrial) -> None:
    """Make a trial of the history be what its record says; one that has finished stays as it is.

    The record becomes part of the history: nobody else may change its dicts. Several records may
    share one of distributions.

    :raises ValueError: if the record is of a new trial whose number is not the next one
    """
    number = record.number
    if number == history.n_trials:
        trial = _new(history, record)
    else:
        known = history.waiting.get(number) or history.running.get(number)
        if known is None:
            if not 0 <= number < history.n_trials:
                raise ValueError(
                    f"The next trial has the number {history.n_trials}, not {number!r}."
                )
            return
        trial = _going_on(history, known, record)
    _fill(history, trial, record)
    if record.state.is_finished():
        history.apply(TrialFinished(number, record.state, record.values, record.completed))


def _new(history: History, record: FinishedTrial) -> OpenTrial:
    first = _WAITING if record.state is _WAITING else _RUNNING
    trial = OpenTrial(record.number, record.trial_id, first, record.started)
    (history.running if first is _RUNNING else history.waiting)[record.number] = trial
    history.n_trials += 1
    return trial


def _going_on(history: History, trial: OpenTrial, record: FinishedTrial) -> OpenTrial:
    if trial.state is _WAITING and record.state is not _WAITING:
        trial = history.running[record.number] = trial.as_running(record.started)
        del history.waiting[record.number]
    return trial


def _fill(history: History, trial: OpenTrial, record: FinishedTrial) -> None:
    params, attributes = trial.params, trial.system_attrs
    # New dicts, each put in its place at once: who reads an old one reads what was true before.
    # Distributions first, since who finds a value looks for its distribution.
    trial.distributions = {**trial.distributions, **record.distributions}
    trial.params = record.params
    trial.distributions = dict(record.distributions)
    trial.intermediate_values = record.intermediate_values
    trial.user_attrs = record.user_attrs
    trial.system_attrs = record.system_attrs
    at = trial.started = record.started
    if at is not None and (history.first_started is None or at < history.first_started):
        history.first_started = at
    known = history.known_distributions
    for name, distribution in record.distributions.items():
        if name not in known:
            known[name] = distribution
    for index in history._indexes.values():
        for key, attribute in record.system_attrs.items():
            if key not in attributes or attributes[key] != attribute:
                index.attribute(record.number, key, attribute)
        for name, value in record.params.items():
            if name not in params:
                index.param(record.number, name, value, record.distributions[name])
