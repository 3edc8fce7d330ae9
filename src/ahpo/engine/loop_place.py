"""Where the engine works on an event loop: short work at once, long work in a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from ahpo.engine.in_thread import in_thread
from ahpo.engine.lost import finish_lost
from ahpo.engine.places import FINAL_WRITE
from ahpo.engine.unbroken import unbroken

if TYPE_CHECKING:
    from ahpo.engine.session import Session

__all__ = ("FINAL_WRITE", "OnLoop", "place_of", "settle")

T = TypeVar("T")

# From here on a computation goes to a worker thread, so that the event loop is not held up; a
# thread costs a tenth of this.
LONG = 0.001


class OnLoop:
    """Work from an event loop: short work at once, long work in one thread after the other.

    How long work takes is known from the last time, or in advance. One at a time, since each
    computation sees what the ones before it proposed.

    :param waits: whether the writes may suspend
    """

    def __init__(self, waits: bool = True) -> None:
        self._waits = waits
        self._last = 0.0
        self._turn = anyio.Lock()

    async def compute(self, function: Callable[..., T], *args: Any, long: bool = False) -> T:
        """Return ``function(*args)``."""
        if not long and self._last < LONG and not self._turn.locked():
            return self._timed(function, *args)
        async with self._turn:
            # The thread ends in milliseconds: a cancellation waits for it, and nothing is lost.
            return await unbroken(in_thread(lambda: self._timed(function, *args)))

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
    async with asyncio.timeout(FINAL_WRITE):
        return await write


def place_of(session: Session) -> OnLoop:
    """Return where the engine works for the session on the running event loop."""
    places, loop = session.places, asyncio.get_running_loop()
    place: OnLoop = places.setdefault(loop, OnLoop(session.store.waits))
    return place


async def settle(session: Session) -> None:
    """Return when what was left before its end has been cleaned up: streams, and closed loops."""
    if session.runs:
        await finish_lost(session, place_of(session))
    for task in tuple(session.leaving):
        if task.get_loop() is asyncio.get_running_loop():
            await asyncio.wait({task})
        session.leaving.discard(task)
