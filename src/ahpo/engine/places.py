"""Where the engine's own work is done: at once in this thread, or from an event loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

import anyio
import anyio.to_thread

from ahpo.engine.gate import Gate
from ahpo.engine.unbroken import unbroken

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

    async def compute(self, function: Callable[..., T], *args: Any) -> T:
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


class OnLoop:
    """Work from an event loop: short work at once, long work in one thread after the other.

    How long work takes is known from the last time. One at a time, since each computation sees
    what the ones before it proposed.

    :param waits: whether the writes may suspend
    """

    def __init__(self, waits: bool = True) -> None:
        self._waits = waits
        self._last = 0.0
        self._turn = anyio.Lock()

    async def compute(self, function: Callable[..., T], *args: Any) -> T:
        """Return ``function(*args)``."""
        if self._last < LONG and not self._turn.locked():
            return self._timed(function, *args)
        async with self._turn:
            # The thread ends in milliseconds: a cancellation waits for it, and nothing is lost.
            return await unbroken(anyio.to_thread.run_sync(self._timed, function, *args))

    def _timed(self, function: Callable[..., T], *args: Any) -> T:
        # Its own work, and not how long others kept it from working.
        start = time.thread_time()
        try:
            return function(*args)
        finally:
            self._last = time.thread_time() - start

    async def final(
        self,
        write: Coroutine[Any, Any, T],
        undo: Callable[[T], Coroutine[Any, Any, None]] | None = None,
    ) -> T:
        """Await the write to its end, for a bounded time.

        :raises TimeoutError: if it takes longer
        """
        if not self._waits:
            return await write
        return await unbroken(_bounded(write), undo)


async def _bounded(write: Coroutine[Any, Any, T]) -> T:
    with anyio.fail_after(FINAL_WRITE):
        return await write
