"""Run a coroutine that never suspends, to its end, in the calling thread.

So the synchronous face shares every line with the asynchronous one and pays 0.4 microseconds for
it where the storage needs no I/O; it works in any thread, with or without a running loop.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ("drive",)

T = TypeVar("T")


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what the coroutine returns.

    :raises RuntimeError: if it suspends, which needs an event loop
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    raise RuntimeError(f"{coroutine!r} waits for something, so it needs an event loop.")
