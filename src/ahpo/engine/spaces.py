"""The distributions that a study's objective asks for, made and checked once each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import is_
from typing import Any, NamedTuple

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    single_value,
)
from ahpo.history.history import History
from ahpo.trials.checks import check_key

__all__ = ("Asked", "AskedSpaces", "asked")

_MOST = 10_000  # an objective may move its ranges with each trial: the cache must not grow for ever


class Asked(NamedTuple):
    """A distribution, and its value if it has only one (in internal representation)."""

    distribution: BaseDistribution
    only: float | None


def asked(distribution: BaseDistribution) -> Asked:
    """Return a distribution together with its only value, if it has just one.

    :raises ValueError: if its range has no end, so that nothing can be sampled from it
    """
    if isinstance(distribution, FloatDistribution):
        for end in ("low", "high"):
            if math.isinf(getattr(distribution, end)):
                raise ValueError(
                    f"`{end}` must be finite to be sampled, but it is {distribution!r}."
                )
    if not distribution.single():
        return Asked(distribution, None)
    return Asked(distribution, distribution.to_internal_repr(single_value(distribution)))


def _interchangeable(known: BaseDistribution, wanted: BaseDistribution) -> bool:
    """Tell whether nobody could tell a trial of one from a trial of the other."""
    if known != wanted:
        return False
    if isinstance(known, CategoricalDistribution) and isinstance(wanted, CategoricalDistribution):
        # The objective gets the very objects that it asked for.
        return all(map(is_, known.choices, wanted.choices))
    return True


class AskedSpaces:
    """Turn the arguments of ``suggest_*`` into distributions.

    Building and checking one costs as much as all the rest of a suggestion, and an objective asks
    for the same ones in each trial: so they are kept by their arguments. Each method raises
    ValueError or TypeError, as the distribution does, for arguments that make none, and
    ValueError if the study has used the name with an incompatible distribution.
    """

    __slots__ = ("_history", "categoricals", "floats", "ints")

    def __init__(self, history: History) -> None:
        self._history = history
        self.floats: dict[Any, Asked] = {}
        self.ints: dict[Any, Asked] = {}
        self.categoricals: dict[Any, Asked] = {}

    def _keep(self, cache: dict[Any, Asked], key: Any, distribution: BaseDistribution) -> Asked:
        self._history.check_param(check_key(key[0], "name"), distribution)
        # The object that the study has already: who compares looks at that first, in each trial.
        known = self._history.known_distributions.get(key[0])
        if known is not None and _interchangeable(known, distribution):
            distribution = known
        if len(cache) >= _MOST:
            cache.clear()
        found = cache[key] = asked(distribution)
        return found

    def new_float(self, name: str, low: float, high: float, step: float | None, log: bool) -> Asked:
        """Make and keep the distribution of a ``suggest_float`` that is not in ``floats``."""
        distribution = FloatDistribution(low, high, log=log, step=step)
        return self._keep(self.floats, (name, low, high, step, log), distribution)

    def new_int(self, name: str, low: int, high: int, step: int, log: bool) -> Asked:
        """Make and keep the distribution of a ``suggest_int`` that is not in ``ints``."""
        distribution = IntDistribution(low, high, log=log, step=step)
        return self._keep(self.ints, (name, low, high, step, log), distribution)

    def for_categorical(self, name: str, choices: Sequence[Any]) -> Asked:
        """Return the distribution of ``suggest_categorical``."""
        items = tuple(choices) if isinstance(choices, Iterable) else choices
        try:
            found = self.categoricals.get((name, items))
            if found is not None:
                return found
            # The types belong to the key, since 1 == 1.0 == True; among strings they need not.
            strings = all(type(item) is str for item in items)
            key = (name, items) if strings else (name, items, tuple(map(type, items)))
            found = self.categoricals.get(key)
        except TypeError:  # choices that can not be hashed are not kept
            distribution = CategoricalDistribution(items)
            self._history.check_param(check_key(name, "name"), distribution)
            return asked(distribution)
        return found or self._keep(self.categoricals, key, CategoricalDistribution(items))
