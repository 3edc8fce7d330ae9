"""From what an objective returned, or what was told, to the final state of a trial. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from ahpo.engine.safe_repr import safe_repr
from ahpo.states import TrialState

__all__ = ("Outcome", "as_values", "judge_return", "judge_tell")


class Outcome(NamedTuple):
    """The end of a trial: its state, its values, and why it failed."""

    state: TrialState
    values: tuple[float, ...] | None = None
    reason: str | None = None


def as_values(told: Any, n_objectives: int) -> tuple[float, ...] | str:
    """Return objective values as floats, or a sentence that says why they are none."""
    if type(told) is float and n_objectives == 1 and not math.isnan(told):
        return (told,)  # as nearly all are
    items = (
        list(told) if isinstance(told, Sequence) and not isinstance(told, str | bytes) else [told]
    )
    values: list[float] = []
    wrong: list[str] = []
    for item in items:
        try:
            if isinstance(item, str | bytes):
                raise TypeError  # float() would read them
            value = float(item)
        except (TypeError, ValueError):
            wrong.append(f"The value {safe_repr(item)} could not be cast to float")
            continue
        if math.isnan(value):
            wrong.append("The value nan is not acceptable")
        values.append(value)
    if wrong:
        return "; ".join(wrong)
    if len(values) != n_objectives:
        return (
            f"The number of the values {len(values)} did not match the number of the "
            f"objectives {n_objectives}"
        )
    return tuple(values)


def judge_return(returned: Any, n_objectives: int) -> Outcome:
    """Return how a trial ends whose objective returned something: COMPLETE, or else FAIL."""
    values = as_values(returned, n_objectives)
    if isinstance(values, str):
        return Outcome(TrialState.FAIL, None, values)
    return Outcome(TrialState.COMPLETE, values)


def _checked_final(state: Any) -> TrialState:
    # Optuna's own TrialState is an int enumeration with the same values: it is welcome too.
    known = TrialState(state) if state in TrialState.__members__.values() else None
    if known is None or not known.is_finished():
        raise ValueError(f"`state` must be COMPLETE, PRUNED, FAIL or None, but it is {state!r}.")
    return known


def judge_tell(
    told: Any, state: TrialState | None, n_objectives: int, last_value: float | None
) -> Outcome:
    """Return how a trial ends that was told.

    :param last_value: the value reported last, which a pruned trial takes for its own
    :raises ValueError: if the values do not fit the state
    """
    if state is None:
        # Without a state, values that are no good make a failed trial, as they do in `optimize`.
        return judge_return(told, n_objectives)
    state = _checked_final(state)
    if state is TrialState.COMPLETE:
        values = as_values(told, n_objectives)
        if isinstance(values, str):
            wrong = values[0].lower() + values[1:]
            raise ValueError(f"`values` must fit the state COMPLETE, but {wrong}.")
        return Outcome(state, values)
    if told is not None:
        raise ValueError(
            f"`values` must be None with the state {state.name}, but they are {told!r}."
        )
    if state is TrialState.PRUNED:
        usable = last_value is not None and not math.isnan(last_value)
        return Outcome(state, (last_value,) if usable and last_value is not None else None)
    return Outcome(state)
