"""What both faces of a study do beside `optimize`: the same coroutines, awaited or driven."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from ahpo.distributions import BaseDistribution, convert_old_distribution
from ahpo.engine.lines import say_skipped
from ahpo.engine.live_trial import LiveTrial
from ahpo.engine.lost import finish_lost
from ahpo.engine.outcome import Outcome
from ahpo.engine.places import Place
from ahpo.engine.safe_repr import safe_repr
from ahpo.engine.session import Session
from ahpo.engine.telling import (
    already_enqueued,
    cannot_tell,
    checked_records,
    enqueued_record,
    number_of,
    tell_outcome,
)
from ahpo.exceptions import UpdateFinishedTrialError
from ahpo.history.base_study import METRIC_NAMES
from ahpo.history.facts import StudySystemAttrSet
from ahpo.history.view import View
from ahpo.states import TrialState
from ahpo.trials.frozen import FrozenTrial

__all__ = ("add_trials", "ask", "enqueue_trial", "set_metric_names", "tell")

T = TypeVar("T", bound=LiveTrial)


async def ask(
    session: Session,
    place: Place,
    face: type[T],
    fixed_distributions: dict[str, BaseDistribution] | None,
) -> T:
    """Start a trial, and suggest at once what ``fixed_distributions`` names.

    :raises TypeError: if ``fixed_distributions`` is no dict of distributions
    :raises ValueError: if a distribution does not fit the study's earlier ones
    """
    spaces = _checked_distributions(fixed_distributions)
    for name, distribution in spaces.items():
        session.store.history.check_param(name, distribution)
    if session.runs:
        await finish_lost(session, place)
    number, view = await session.ask(place)
    trial = face(session, number, view)
    if session.store.waits:
        # No run of ours ends it, and no objective: so it is told by an error as any other.
        trial._interruption = UpdateFinishedTrialError
        session.begin(trial)
    try:
        for name, distribution in spaces.items():
            trial.suggest(name, distribution)
        if spaces and session.store.waits:  # who gets the number may be another process
            await session.store.flush()
    except BaseException as error:  # nobody has the trial, so nobody could tell its end
        failed = Outcome(TrialState.FAIL, None, safe_repr(error))
        await place.final(session.end_for_good(number, failed))
        raise
    return trial


def _checked_distributions(distributions: Any) -> dict[str, BaseDistribution]:
    if distributions is None:
        return {}
    if not isinstance(distributions, dict) or not all(
        isinstance(distribution, BaseDistribution) for distribution in distributions.values()
    ):
        raise TypeError(
            "`fixed_distributions` must be a dict of distributions by name or None, "
            f"but it is {distributions!r}."
        )
    return {name: convert_old_distribution(d) for name, d in distributions.items()}


async def tell(
    session: Session,
    place: Place,
    trial: LiveTrial | int,
    values: float | Sequence[float] | None,
    state: TrialState | None,
    skip_if_finished: bool,
) -> FrozenTrial:
    """Finish a trial that was asked for, and return it.

    :raises TypeError: if ``trial`` is neither a trial nor a number
    :raises ValueError: if there is no such trial, it does not run, or the values do not fit
    """
    history = session.store.history
    known = trial.number if isinstance(trial, LiveTrial) else trial
    if not isinstance(known, int) or known not in history.running:
        await session.store.refresh()
    number = number_of(trial, history)
    if not (skip_if_finished and history.state(number).is_finished()):
        outcome = tell_outcome(history, number, values, state)
        view = trial.view if isinstance(trial, LiveTrial) else View(history)
        try:
            await place.final(session.finish(number, view, outcome))
        except UpdateFinishedTrialError as error:  # somebody else was faster
            if not skip_if_finished:
                raise ValueError(cannot_tell(history.state(number))) from error
        else:
            _warn_of_failure(outcome)
            return history.frozen(number)
    frozen = history.frozen(number)
    say_skipped(
        f"Skipped telling trial {number} with values {values} and state {state} since trial "
        f"was already finished. Finished trial has values {frozen.values} and state "
        f"{frozen.state}."
    )
    return frozen


def _warn_of_failure(outcome: Outcome) -> None:
    if outcome.reason is not None:
        warnings.warn(f"{outcome.reason}.", UserWarning, stacklevel=4)


async def enqueue_trial(
    session: Session,
    params: dict[str, Any],
    user_attrs: dict[str, Any] | None,
    skip_if_exists: bool,
) -> None:
    """Let a later trial have these parameters; it waits for its turn before new ones.

    :raises TypeError: if ``params`` is no dict
    """
    record = enqueued_record(params, user_attrs)
    if skip_if_exists:
        await session.store.refresh()
        history = session.store.history
        if already_enqueued(map(history.shared_frozen, history.numbers()), params):
            say_skipped(f"Trial with params {params} already exists. Skipping enqueue.")
            return
    await session.store.create([record])


async def add_trials(session: Session, trials: Iterable[FrozenTrial]) -> None:
    """Add trials made elsewhere: all of them, or none.

    :raises TypeError: if one is no FrozenTrial
    :raises ValueError: if one contradicts itself or does not fit the study
    """
    await session.store.create(checked_records(trials, len(session.store.history.directions)))


def set_metric_names(session: Session, metric_names: list[str]) -> None:
    """Name the objectives.

    :raises TypeError: if they are no names
    :raises ValueError: if there is not one name for each objective
    """
    n_objectives = len(session.store.history.directions)
    names = list(metric_names) if isinstance(metric_names, Sequence) else [metric_names]
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"`metric_names` must be several str, but they are {metric_names!r}.")
    if isinstance(metric_names, str) or len(names) != n_objectives:
        raise ValueError(
            f"`metric_names` must be {n_objectives} names, one for each objective, "
            f"but they are {metric_names!r}."
        )
    session.store.record(StudySystemAttrSet(METRIC_NAMES, names))
