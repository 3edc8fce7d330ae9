"""How values stand in rows: times, numbers that may be infinite, JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from math import inf, isfinite, nan
from typing import Any

from ahpo.distributions import BaseDistribution
from ahpo.distributions.old import convert_old_distribution
from ahpo.distributions.serialization import distribution_to_json, json_to_distribution

__all__ = (
    "SPECIAL",
    "cells_of",
    "datetime_of",
    "distribution_of",
    "json_of",
    "micros_of",
    "text_of",
)

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)

# What the type of a value says, where it is not FINITE.
SPECIAL = {"INF_POS": inf, "INF_NEG": -inf, "NAN": nan}

_MAX_CACHED = 2048
# Keeps the distributions too, so that no other object gets the identity of one of them.
_texts: dict[int, tuple[BaseDistribution, str]] = {}
_distributions: dict[str, BaseDistribution] = {}


def datetime_of(micros: int | None) -> datetime | None:
    """Return a time as the databases have it: naive, in UTC."""
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def micros_of(moment: datetime | str | None) -> int | None:
    """Return a time in microseconds since the epoch; a time of no zone is one of UTC."""
    if moment is None:
        return None
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    span = moment - _EPOCH
    return (span.days * 86400 + span.seconds) * 1_000_000 + span.microseconds


def cells_of(value: float) -> tuple[float | None, str]:
    """Return the two cells in which a value stands: the number if it is finite, and its type."""
    if isfinite(value):
        return float(value), "FINITE"
    return None, "NAN" if value != value else "INF_POS" if value > 0 else "INF_NEG"


def json_of(value: Any) -> str:
    """Return an attribute as JSON.

    :raises TypeError, ValueError: if it can not be expressed
    """
    try:
        return json.dumps(value)
    except RecursionError:
        raise ValueError("An attribute is nested too deeply to be stored.") from None


def text_of(distribution: BaseDistribution) -> str:
    """Return a distribution as JSON."""
    known = _texts.get(id(distribution))
    if known is not None:
        return known[1]
    text = distribution_to_json(distribution)
    if len(_texts) >= _MAX_CACHED:
        _texts.clear()
    _texts[id(distribution)] = distribution, text
    return text


def distribution_of(text: str) -> BaseDistribution:
    """Return the distribution that a row tells of, as one of today's; equal texts give one object.

    :raises ValueError, TypeError: if it tells of none
    """
    known = _distributions.get(text)
    if known is None:
        known = convert_old_distribution(json_to_distribution(text), suppress_warning=True)
        if len(_distributions) >= _MAX_CACHED:
            _distributions.clear()
        _distributions[text] = known
    return known
