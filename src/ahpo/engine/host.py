"""The event loop on which a run lives, and its tasks there."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

__all__ = ("Host", "running_task")


def running_task() -> asyncio.Task[Any] | None:
    """Return the task that runs now, or None.

    In the code of a task it is that one, unless its coroutine is being closed: its loop was closed
    before the task had ended, and now it is garbage. Nothing can be awaited there, and nothing
    should be begun: garbage is collected anywhere, and under any lock.
    """
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop is running at all
        return None


class Host:
    """Hold the tasks of a run on the running event loop."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        self._loop = weakref.ref(asyncio.get_running_loop())
        self._left = False

    def leave(self) -> None:
        """Say that the coroutine that waits for the tasks was closed."""
        self._left = True

    def cancel(self) -> None:
        """Cancel the tasks."""
        for task in tuple(self.tasks):
            task.cancel()

    def is_gone(self) -> bool:
        """Tell whether nobody goes on with the tasks: their loop was closed, as a rule."""
        loop = self._loop()
        return self._left or loop is None or loop.is_closed()

    def is_closing(self) -> bool:
        """Tell whether we are in a coroutine of the run only because it is being closed."""
        return running_task() not in self.tasks
