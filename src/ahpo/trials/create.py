"""Making a finished, running or waiting trial by hand, to be added to a study."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ahpo.distributions.base import BaseDistribution
from ahpo.distributions.old import convert_old_distribution
from ahpo.states import TrialState
from ahpo.trials.constraints import constraint_attribute
from ahpo.trials.frozen import FrozenTrial, check_trial

__all__ = ("create_trial",)


def create_trial(
    *,
    state: TrialState = TrialState.COMPLETE,
    value: float | None = None,
    values: Sequence[float] | None = None,
    params: dict[str, Any] | None = None,
    distributions: dict[str, BaseDistribution] | None = None,
    user_attrs: dict[str, Any] | None = None,
    system_attrs: dict[str, Any] | None = None,
    intermediate_values: dict[int, float] | None = None,
    constraints: dict[str, float] | None = None,
) -> FrozenTrial:
    """Make a trial that ``study.add_trial`` takes; its number and identifier are -1 until then.

    It starts, and ends if its state is final, now. The arguments are those of FrozenTrial; each
    dict is copied, and one left out is empty.

    :param constraints: constraints by key, at most 0 where they hold.
    :raises TypeError: if a value or a constraint is not a number, or what must be a dict is none.
    :raises ValueError: if the parts do not agree: a complete trial without values, a failed one
        with values, NaN, parameters out of range or without a distribution.
    """
    state = _as_state(state)
    attributes = _as_dict(system_attrs, "system_attrs")
    for key, bound in _as_dict(constraints, "constraints").items():
        attribute, number = constraint_attribute(key, bound)
        if attribute in attributes:
            warnings.warn(
                f"The constraint {key!r} is ignored, as `system_attrs` sets it too.", stacklevel=2
            )
        else:
            attributes[attribute] = number
    now = datetime.now()
    trial = FrozenTrial(
        number=-1,
        trial_id=-1,
        state=state,
        value=value,
        values=values,
        datetime_start=None if state is TrialState.WAITING else now,
        datetime_complete=now if state.is_finished() else None,
        params=_as_dict(params, "params"),
        distributions={
            name: convert_old_distribution(distribution)
            for name, distribution in _as_dict(distributions, "distributions").items()
        },
        user_attrs=_as_dict(user_attrs, "user_attrs"),
        system_attrs=attributes,
        intermediate_values=_as_dict(intermediate_values, "intermediate_values"),
    )
    check_trial(trial)
    return trial


def _as_dict(value: Any, argument: str) -> dict[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"`{argument}` must be a dict or None, but it is {value!r}.")
    return dict(value)


def _as_state(state: Any) -> TrialState:
    # Optuna's own TrialState is an int enumeration with the same values: it is welcome too.
    try:
        return TrialState(state)
    except ValueError:
        raise ValueError(f"`state` must be a TrialState, but it is {state!r}.") from None
