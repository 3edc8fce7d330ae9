"""Bring a history up to date with a trial as it stands in a storage, whatever was known of it."""

from __future__ import annotations

from ahpo.history.facts import TrialFinished
from ahpo.history.history import History
from ahpo.history.records import FinishedTrial, OpenTrial
from ahpo.states import TrialState

__all__ = ("place",)

_RUNNING, _WAITING = TrialState.RUNNING, TrialState.WAITING


def place(history: History, record: FinishedTrial) -> None:
    """Make a trial of the history be what its record says; one that has finished stays as it is.

    The record becomes part of the history: nobody else may change its dicts.

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
    trial.distributions = record.distributions
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
