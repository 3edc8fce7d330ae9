"""Constraints of a trial, as its system attributes keep them.

Two forms exist: ``"constraints:<name>"`` holds one float, set by ``trial.set_constraint``;
``"constraints"`` holds the list that a sampler's ``constraints_func`` gave, or None where it
failed, and the items of the list go by the names "0", "1", ... A constraint holds if it is at
most 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any

from ahpo.trials.checks import as_float_value

__all__ = (
    "CONSTRAINTS_KEY",
    "CONSTRAINT_PREFIX",
    "constraint_attribute",
    "constraints_of",
    "violation",
)

CONSTRAINTS_KEY = "constraints"
CONSTRAINT_PREFIX = "constraints:"


def constraint_attribute(key: str, value: float) -> tuple[str, float]:
    """Return the key and the value of the system attribute that keeps a constraint.

    :raises TypeError: if ``value`` is no number.
    :raises ValueError: if ``value`` is NaN.
    """
    number = as_float_value(value, "value")
    if number != number:
        raise ValueError(f"`value` of the constraint {key!r} must not be NaN.")
    return f"{CONSTRAINT_PREFIX}{key}", number


def constraints_of(system_attrs: Mapping[str, Any]) -> dict[str, float]:
    """Return the constraints by name; where both forms give one, the named form holds."""
    if not system_attrs:
        return {}
    listed = system_attrs.get(CONSTRAINTS_KEY)
    found: dict[str, float] = {}
    if listed is not None:
        found.update((str(position), value) for position, value in enumerate(listed))
    for key, value in list(system_attrs.items()):
        if key.startswith(CONSTRAINT_PREFIX):
            found[key[len(CONSTRAINT_PREFIX) :]] = value
    return found


def violation(system_attrs: Mapping[str, Any]) -> float:
    """Return by how much a trial breaks its constraints: the sum of those above 0.

    It is 0.0 for a trial that keeps them all, and NaN for one for which none are known.
    """
    if not system_attrs:
        return nan
    found = constraints_of(system_attrs)
    if not found and system_attrs.get(CONSTRAINTS_KEY) is None:
        return nan
    return float(sum(value for value in found.values() if value > 0))
