"""Call plain functions in worker threads of an event loop; they can be joined when it has ended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar, cast
from weakref import WeakKeyDictionary, WeakSet

import anyio
import anyio.to_thread

from ahpo.engine.carried import carried

__all__ = ("Workers", "in_thread", "workers_of")

T = TypeVar("T")

Workers = WeakSet[threading.Thread]
_workers: WeakKeyDictionary[asyncio.AbstractEventLoop, Workers] = WeakKeyDictionary()


def workers_of(loop: asyncio.AbstractEventLoop) -> Workers:
    """Return the threads that work for the loop; all of them end when its main task does."""
    return _workers.setdefault(loop, WeakSet())


async def in_thread(
    function: Callable[[], T],
    limiter: anyio.CapacityLimiter | None = None,
    abandon_on_cancel: bool = False,
) -> T:
    """Return ``function()``, called in a worker thread.

    :param limiter: what bounds how many of them work at once
    :param abandon_on_cancel: whether a cancellation of the caller leaves the thread behind
    """
    workers = workers_of(asyncio.get_running_loop())

    def work() -> tuple[T, None] | tuple[None, BaseException]:
        workers.add(threading.current_thread())
        try:
            return function(), None
        except (StopIteration, GeneratorExit) as error:
            return None, error  # to a future these mean something else

    result, error = await anyio.to_thread.run_sync(
        work, abandon_on_cancel=abandon_on_cancel, limiter=limiter
    )
    if error is not None:
        raise carried(error)
    return cast("T", result)
