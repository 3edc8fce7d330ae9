"""Where the engine's own work is done: at once in this thread, or from an event loop."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

import anyio
import anyio.to_thread

__all__ = ("Inline", "OnLoop", "Place")

T = TypeVar("T")

# From here on a computation goes to a worker thread, so that the event loop is not held up; a
# thread costs a tenth of this.
LONG = 0.001
# How long a final write may take after its trial was cancelled.
FINAL_WRITE = 30.0


class Place(Protocol):
    """Do the engine's work, without holding up whoever shares the thread."""

    async def compute(self, function: Callable[..., T], *args: Any) -> T:
        """Return ``function(*args)``, of which only one is computed at a time."""
        ...

    async def final(self, write: Coroutine[Any, Any, T]) -> T:
        """Finish a write even if the trial that makes it is being cancelled."""
        ...


class Inline:
    """Work at once in the calling thread; nothing suspends that would not do so by itself."""

    async def compute(self, function: Callable[..., T], *args: Any) -> T:
        """Return ``function(*args)``."""
        return function(*args)

    async def final(self, write: Awaitable[T]) -> T:
        """Await the write."""
        return await write


class OnLoop:
    """Work from an event loop: short work at once, long work in one thread after the other.

    How long work takes is known from the last time. One at a time, since each computation sees
    what the ones before it proposed.
    """

    def __init__(self) -> None:
        self._last = 0.0
        self._turn = anyio.Lock()

    async def compute(self, function: Callable[..., T], *args: Any) -> T:
        """Return ``function(*args)``."""
        if self._last < LONG and not self._turn.locked():
            return self._timed(function, *args)
        async with self._turn:
            # The thread ends in milliseconds: a cancellation waits for it, and nothing is lost.
            return await anyio.to_thread.run_sync(self._timed, function, *args)

    def _timed(self, function: Callable[..., T], *args: Any) -> T:
        start = time.perf_counter()
        try:
            return function(*args)
        finally:
            self._last = time.perf_counter() - start

    async def final(self, write: Awaitable[T]) -> T:
        """Await the write under a shield, for a bounded time.

        :raises TimeoutError: if it takes longer
        """
        with anyio.fail_after(FINAL_WRITE, shield=True):
            return await write
