"""How often a study's samplers were asked for the same thing by their documented methods.

A pure function gives the same each time; a user's sampler that rejects a value and asks again
wants another one. So calls are counted, with the study and not in the sampler, which keeps
nothing about studies.
"""

from __future__ import annotations

from collections.abc import Hashable

__all__ = ("Calls",)

# Whoever asks again does so at once: long before so many other things were asked for.
_MOST = 1024


class Calls:
    """Count calls by key, and forget those that have not come again for long."""

    __slots__ = ("_before", "_recent")

    def __init__(self) -> None:
        self._recent: dict[Hashable, int] = {}
        self._before: dict[Hashable, int] = {}

    def count(self, key: Hashable) -> int:
        """Return how many calls with this key came before this one."""
        recent = self._recent
        n = recent.get(key)
        if n is None:
            n = self._before.get(key, 0)
        recent[key] = n + 1
        if len(recent) >= _MOST:
            self._before, self._recent = recent, {}
        return n
