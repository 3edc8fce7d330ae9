"""The documented argument ``constraints_func`` of samplers, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ahpo.states import TrialState
from ahpo.trials.constraints import CONSTRAINTS_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ahpo.trials import FrozenTrial

__all__ = ("constraint_attributes",)


def constraint_attributes(
    constraints_func: Callable[[FrozenTrial], Sequence[float]] | None,
    trial: FrozenTrial,
    state: TrialState,
) -> dict[str, Any] | None:
    """Return the system attributes that keep the constraints of a trial; None if there are none.

    :param constraints_func: called if the trial is complete or pruned.
    :raises TypeError: if the function does not return a sequence of numbers.
    :raises ValueError: if one of them is NaN.
    """
    if constraints_func is None or state is TrialState.FAIL:
        return None
    constraints = constraints_func(trial)
    try:
        found = tuple(float(value) for value in constraints)
    except (TypeError, ValueError):
        raise TypeError(
            f"`constraints_func` must return a sequence of floats, but for trial "
            f"{trial.number} it returned {constraints!r}."
        ) from None
    if any(value != value for value in found):
        raise ValueError(
            f"`constraints_func` must not return NaN, but for trial {trial.number} it "
            f"returned {constraints!r}."
        )
    return {CONSTRAINTS_KEY: found}
