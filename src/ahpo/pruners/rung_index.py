"""The values with which trials completed the rungs of successive halving, sorted by rung.

A trial that completes rung n gets the system attribute ``completed_rung_<n>``, whose value is the
one it had reported. So the rungs survive in any storage, and are shared with other workers.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Hashable
from typing import Any

from ahpo.history.index import Index

__all__ = ("RungIndex", "rung_key")

_PREFIX = "completed_rung_"


def rung_key(rung: int) -> str:
    """Return the name of the system attribute of a rung."""
    return f"{_PREFIX}{rung}"


class RungIndex(Index):
    """Keep the sorted values of each rung, over trials in any state.

    Subclasses may split the trials into leagues, which have rungs of their own.
    """

    def __init__(self) -> None:
        self._sorted: dict[tuple[Hashable, str], array[float]] = {}
        self._values: dict[str, dict[int, float]] = {}

    def league(self, number: int) -> Hashable:
        """Return which trials compete with trial ``number``; here all do."""
        return None

    def attribute(self, number: int, key: str, value: Any) -> None:
        """Take in the value of a rung, which replaces an earlier one of the same trial."""
        if not key.startswith(_PREFIX) or not isinstance(value, (int, float)):
            return
        ranking = self._sorted.setdefault((self.league(number), key), array("d"))
        values = self._values.setdefault(key, {})
        old = values.get(number)
        if old is not None:
            del ranking[bisect_left(ranking, old)]
            del values[number]
        if value == value:
            values[number] = float(value)
            insort(ranking, value)

    def standing(self, number: int, key: str, value: float, maximize: bool) -> tuple[int, int]:
        """Return how many values the rung has, and how many of them are better than ``value``."""
        ranking = self._sorted.get((self.league(number), key))
        if ranking is None:
            return 0, 0
        size = len(ranking)
        if maximize:
            return size, size - bisect_right(ranking, value)
        return size, bisect_left(ranking, value)
