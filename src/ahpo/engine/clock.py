"""Time as a parameter: the engine never looks at a clock of its own."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ("Clock", "SystemClock")


class Clock(Protocol):
    """Tell the time."""

    def now(self) -> int:
        """Return the time of day, in microseconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start."""
        ...


class SystemClock:
    """Tell the machine's time."""

    def now(self) -> int:
        """Return the time of day, in microseconds since the epoch."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start."""
        return time.monotonic()
