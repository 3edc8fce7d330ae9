"""A trial that somebody else has finished: its objective is told, and made to end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

__all__ = ("LOST", "Interruptible", "TrialLost", "call_if_open", "is_lost")

# Why such a trial is interrupted.
LOST = "finished from elsewhere"


class Interruptible(Protocol):
    """Be a trial that can be ended from outside."""

    @property
    def number(self) -> int:
        """The number of the trial."""
        ...

    @property
    def interrupted_by(self) -> str | None:
        """Why it was ended, or None if it was not."""
        ...

    def interrupt(self, reason: str) -> None:
        """End it."""
        ...


class TrialLost(Exception):
    """Tell that somebody else has finished the trial while its objective was running."""


def is_lost(trial: Interruptible) -> bool:
    """Tell whether somebody else has finished the trial."""
    return trial.interrupted_by == LOST


def call_if_open(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    """Call a function on an event loop soon, from any thread, unless the loop has been closed."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function)
