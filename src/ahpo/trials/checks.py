"""Checks of what users hand to a trial: each returns the argument in its proper form or raises."""

from __future__ import annotations

import warnings
from typing import Any

from ahpo.distributions.base import BaseDistribution
from ahpo.distributions.compatibility import incompatibility

__all__ = ("as_float_value", "check_keeps_kind", "check_key", "check_step", "warn_out_of_range")


def as_float_value(value: Any, what: str) -> float:
    """Return ``value`` as float() makes it; ``what`` names it in the error.

    :raises TypeError: if float() refuses it.
    """
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(
            f"`{what}` must be a float, but it is {value!r} of type {type(value).__name__}."
        ) from None


def check_step(step: Any) -> int:
    """Return the step of a report as int() makes it.

    :raises TypeError: if int() refuses it.
    :raises ValueError: if it is negative, or too large for 64 bits.
    """
    if type(step) is not int:
        try:
            step = int(step)
        except (TypeError, ValueError, OverflowError):
            raise TypeError(
                f"`step` must be an int, but it is {step!r} of type {type(step).__name__}."
            ) from None
    if step < 0:
        raise ValueError(f"`step` must not be negative, but it is {step}.")
    if step >= 2**63:
        raise ValueError(f"`step` must be below 2**63, but it is {step}.")
    return step  # type: ignore[no-any-return]


def check_key(key: Any, what: str) -> str:
    """Return the name of a parameter or the key of an attribute; ``what`` names it in the error.

    :raises TypeError: if it is not a str.
    """
    if not isinstance(key, str):
        raise TypeError(f"`{what}` must be a str, but it is {key!r} of type {type(key).__name__}.")
    return key


def check_keeps_kind(name: str, old: BaseDistribution, new: BaseDistribution) -> None:
    """Check that the parameter ``name``, which had the distribution ``old``, may have ``new``.

    :raises ValueError: if the two differ in class, in ``log`` or in ``choices``.
    """
    reason = incompatibility(old, new)
    if reason is not None:
        raise ValueError(
            f"The parameter {name!r} must keep its kind of distribution, but {reason}."
        )


def warn_out_of_range(name: str, value: Any, distribution: BaseDistribution) -> None:
    """Warn that a value that was set beforehand is outside the range that is asked for."""
    warnings.warn(
        f"The value {value!r} of the parameter {name!r} is out of the range of {distribution!r}; "
        "it is used all the same.",
        stacklevel=4,
    )
