"""What the storages' thread will bring: awaited by a task of any event loop, or by a plain thread.

A coroutine that plain code drives by hand yields the `Pending` itself, and its driver blocks the
thread on it; in a task of an event loop it waits as a future of that loop does. So both faces share
every coroutine down to here, and none of them runs on the storages' thread.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio

__all__ = ("Pending", "enter_by_hand", "in_plain_code", "leave_by_hand", "never_block", "resolve")

T = TypeVar("T")

# How many seconds plain code that is interrupted waits to learn what has become of a write.
OUTLASTING = 5.0
# How many seconds a signal may go unnoticed.
_ALERT = 0.2


class _Driven(threading.local):
    """Say whether a coroutine is being driven by hand in this thread, and under which loop."""

    depth = 0
    loop: Any = None
    may_block = True


_driven = _Driven()


def _running_loop() -> Any:
    # Plain code that never needed asyncio does not import it for this.
    events = sys.modules.get("asyncio.events")
    return None if events is None else events._get_running_loop()


def enter_by_hand() -> tuple[int, Any]:
    """Begin to drive a coroutine by hand: what it waits for will block this thread.

    :returns: what `leave_by_hand` needs to end it
    """
    outer = _driven.depth, _driven.loop
    _driven.depth, _driven.loop = outer[0] + 1, _running_loop()
    return outer


def leave_by_hand(outer: tuple[int, Any]) -> None:
    """End what `enter_by_hand` began."""
    _driven.depth, _driven.loop = outer


def in_plain_code() -> bool:
    """Tell whether this is a coroutine that is driven by hand, with no event loop around it."""
    return _driven.depth > 0 and _driven.may_block and _running_loop() is None


def never_block() -> None:
    """Refuse to block in this thread: it is the one that brings what is waited for."""
    _driven.may_block = False


class Pending(Generic[T]):
    """Be the result of something that another thread does. One waits for it, once."""

    __slots__ = ("_done", "_error", "_value", "_waiter", "wanted")

    def __init__(self) -> None:
        self._done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._waiter: Any = None  # a lock to release, or a future of an event loop
        self.wanted = True  # False when nobody will look at the result any more

    def set(self, value: T | None = None, error: BaseException | None = None) -> Any:
        """Set the result, or the error to raise; return the future to be woken up, if any.

        In whatever order this and the waiting come: one of them sees what the other did first.
        """
        self._value, self._error = value, error
        self._done = True
        waiter, self._waiter = self._waiter, None
        if waiter is None or hasattr(waiter, "get_loop"):
            return waiter
        waiter.release()
        return None

    def block(self, timeout: float = -1) -> bool:
        """Return when the result is there, or False after so many seconds."""
        if self._done:
            return True
        if not _driven.may_block:
            raise RuntimeError(
                "The storages' own thread can not wait for a storage: call this from another one."
            )
        lock = threading.Lock()
        lock.acquire()
        self._waiter = lock
        if timeout >= 0.0:
            return self._done or lock.acquire(timeout=timeout)
        # A signal that comes just before a thread begins to wait does not wake it up.
        while not self._done and not lock.acquire(timeout=_ALERT):
            pass
        return True

    def result(self) -> T:
        """Block until the result is there, and return it."""
        self.block()
        if self._error is not None:
            raise self._error
        value: T = self._value
        return value

    @property
    def done(self) -> bool:
        """Tell whether the result is there."""
        return self._done

    @property
    def error(self) -> BaseException | None:
        """The error that will be raised, or None."""
        return self._error

    async def outlast(self) -> None:
        """Return when the result is there, whatever is cancelled meanwhile.

        Plain code is interrupted already when it comes here: it waits for so many seconds, or until
        it is interrupted again.
        """
        if _driven.depth and _running_loop() is _driven.loop:
            self.block(OUTLASTING)
            return
        import asyncio

        import anyio

        # The scope keeps anyio from cancelling over and over, which nothing could wait through.
        with anyio.CancelScope(shield=True):
            while not self._done:
                with suppress(asyncio.CancelledError):
                    await self._look()

    async def _look(self) -> None:
        with suppress(Exception):  # what it is, is for those to learn who were not cancelled
            await self

    def __await__(self) -> Generator[Any, None, T]:
        if not self._done:
            loop = _running_loop()
            if _driven.depth and loop is _driven.loop:
                yield self
            else:
                if loop is None:
                    raise RuntimeError("This waits for a storage, so it needs an event loop.")
                future = loop.create_future()
                self._waiter = future
                if not self._done:
                    yield from future
        if self._error is not None:
            raise self._error
        result: T = self._value
        return result


def _wake(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():  # or its task was cancelled
            future.set_result(None)


def resolve(results: Iterable[tuple[Pending[Any], Any, BaseException | None]]) -> None:
    """Set many results, with one wake-up for each event loop."""
    by_loop: dict[Any, list[Any]] = {}
    for pending, value, error in results:
        future = pending.set(value, error)
        if future is not None:
            by_loop.setdefault(future.get_loop(), []).append(future)
    for loop, futures in by_loop.items():
        try:
            loop.call_soon_threadsafe(_wake, futures)
        except RuntimeError:  # the loop has been closed: nobody waits any more
            continue
