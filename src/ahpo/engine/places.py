"""Where the engine's own work is done, and the plain place: at once, in this thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from ahpo.engine.gate import Gate

__all__ = ("FINAL_WRITE", "Inline", "Place")

T = TypeVar("T")

# How many seconds a final write may take; storages have given up before, and said why.
FINAL_WRITE = 90.0


class Place(Protocol):
    """Do the engine's work, without holding up whoever shares the thread."""

    async def compute(self, function: Callable[..., T], *args: Any, long: bool = False) -> T:
        """Return ``function(*args)``, of which only one is computed at a time.

        :param long: whether it may take more than a millisecond even if it never did
        """
        ...

    async def final(
        self,
        write: Coroutine[Any, Any, T],
        undo: Callable[[T], Coroutine[Any, Any, None]] | None = None,
    ) -> T:
        """Await a write to its end, even if the task that makes it is being cancelled.

        :param undo: awaited with what the write returned, if a cancellation keeps that from
            being returned here
        """
        ...


class Inline:
    """Work at once in the calling thread; nothing suspends that would not do so by itself.

    :param gate: opened to signals while something is computed
    """

    def __init__(self, gate: Gate | None = None) -> None:
        self._gate = Gate() if gate is None else gate

    async def compute(self, function: Callable[..., T], *args: Any, long: bool = False) -> T:
        """Return ``function(*args)``."""
        try:
            self._gate.open()
            return function(*args)
        finally:
            self._gate.close()

    async def final(
        self,
        write: Coroutine[Any, Any, T],
        undo: Callable[[T], Coroutine[Any, Any, None]] | None = None,
    ) -> T:
        """Await the write."""
        return await write
