"""What `tell`, `enqueue_trial` and `add_trials` decide before they write. Plain functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ahpo.distributions.categorical import same_choice
from ahpo.engine.live_trial import FIXED_PARAMS, LiveTrial
from ahpo.engine.outcome import Outcome, judge_tell
from ahpo.history.frozen import copied, record_of
from ahpo.history.history import History
from ahpo.history.records import FinishedTrial
from ahpo.states import TrialState
from ahpo.trials.checks import check_key
from ahpo.trials.frozen import FrozenTrial, check_trial

__all__ = (
    "already_enqueued",
    "cannot_tell",
    "checked_records",
    "enqueued_record",
    "number_of",
    "tell_outcome",
)


def number_of(trial: Any, history: History) -> int:
    """Return the number of a trial that was given as itself or by its number.

    :raises TypeError: if it is neither
    :raises ValueError: if the study has no trial of that number
    """
    if isinstance(trial, LiveTrial):
        return trial.number
    if isinstance(trial, bool) or not isinstance(trial, int):
        raise TypeError(f"`trial` must be a trial or a trial number, but it is {trial!r}.")
    if not 0 <= trial < history.n_trials:
        raise ValueError(
            f"`trial` must be the number of a trial that was created, below {history.n_trials}, "
            f"but it is {trial}."
        )
    return trial


def cannot_tell(state: TrialState) -> str:
    """Return what is said of a trial that does not run."""
    return f"Cannot tell a {state.name} trial."


def tell_outcome(
    history: History,
    number: int,
    values: float | Sequence[float] | None,
    state: TrialState | None,
) -> Outcome:
    """Return how a trial ends that is told.

    :raises ValueError: if the trial does not run, or the values do not fit the state
    """
    now = history.state(number)
    if now is not TrialState.RUNNING:
        raise ValueError(cannot_tell(now))
    reports = history.open_trial(number).intermediate_values
    last = reports[max(reports)] if reports else None
    return judge_tell(values, state, len(history.directions), last)


def _check_dict(value: Any, argument: str) -> None:
    if not isinstance(value, dict):
        raise TypeError(f"`{argument}` must be a dict, but it is {value!r}.")
    for key in value:
        check_key(key, f"{argument}")


def enqueued_record(params: Any, user_attrs: dict[str, Any] | None) -> FinishedTrial:
    """Return the waiting trial that will have these parameters.

    :raises TypeError: if ``params`` or ``user_attrs`` is no dict, or has a key that is no str
    """
    _check_dict(params, "params")
    if user_attrs is not None:
        _check_dict(user_attrs, "user_attrs")
    return FinishedTrial(
        number=-1,
        trial_id=-1,
        state=TrialState.WAITING,
        values=None,
        params={},
        distributions={},
        intermediate_values={},
        user_attrs=copied(user_attrs or {}),
        system_attrs={FIXED_PARAMS: copied(params)},
        started=None,
        completed=None,
    )


def already_enqueued(trials: Iterable[FrozenTrial], params: dict[str, Any]) -> bool:
    """Tell whether a trial has, or is to have, exactly these parameters."""
    for trial in trials:
        known = trial.system_attrs.get(FIXED_PARAMS, trial.params)
        if known.keys() == params.keys() and all(
            same_choice(known[n], v) for n, v in params.items()
        ):
            return True
    return False


def checked_records(trials: Iterable[FrozenTrial], n_objectives: int) -> list[FinishedTrial]:
    """Return trials to add as records, none of which is wrong.

    :raises TypeError: if one is no FrozenTrial
    :raises ValueError: if one contradicts itself, or does not fit the number of objectives
    """
    if not isinstance(trials, Iterable):
        raise TypeError(f"`trials` must be several FrozenTrials, but it is {trials!r}.")
    records = []
    for trial in trials:
        if not isinstance(trial, FrozenTrial):
            raise TypeError(f"`trial` must be a FrozenTrial, but it is {trial!r}.")
        check_trial(trial)
        if trial.values is not None and len(trial.values) != n_objectives:
            raise ValueError(
                f"`trial` must have one value for each of the {n_objectives} objectives of the "
                f"study, but it has {len(trial.values)}."
            )
        records.append(record_of(trial))
    return records
