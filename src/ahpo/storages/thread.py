"""The one thread of this process in which storages do their I/O, on an event loop of its own.

Neither a blocked event loop of the user's, nor one that is closed, nor a caller that is cancelled
comes between a driver and its connection: and leases are kept whatever the objectives do.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from ahpo.exceptions import StorageInternalError
from ahpo.storages.daemons import DaemonExecutor
from ahpo.storages.forks import leave_to_parent
from ahpo.storages.pending import Pending, never_block, resolve

__all__ = ("StorageThread", "storage_thread")

T = TypeVar("T")

# How many seconds the storages may take to write and close when the interpreter ends.
FAREWELL = 30.0


class StorageThread:
    """Run coroutines on the storages' event loop."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop
        # Not the context of who asks, which would be kept for as long as what they start goes on.
        self._context = contextvars.Context()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._farewells: dict[int, Callable[[], Coroutine[Any, Any, None]]] = {}
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(ready,), name="ahpo-storages", daemon=True
        )
        self._thread.start()
        ready.wait()

    def _run(self, ready: threading.Event) -> None:
        never_block()
        self.loop = loop = asyncio.new_event_loop()
        loop.set_default_executor(DaemonExecutor())
        loop.call_soon(ready.set)
        try:
            loop.run_forever()
            # No asyncio.Runner: it starts a thread at the end, when Python 3.12 starts none.
            for task in (tasks := asyncio.all_tasks(loop)):
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.wait(tasks))
        finally:
            loop.close()

    def soon(self, function: Callable[..., object], *args: Any) -> None:
        """Call a plain function on the loop, from any thread."""
        try:
            self.loop.call_soon_threadsafe(function, *args, context=self._context)
        except RuntimeError as error:
            raise StorageInternalError(
                "The interpreter is shutting down, and the storages are closed."
            ) from error

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> Callable[[], object]:
        """Start a task of the loop, from within the loop; return what cancels it.

        What it raises is a defect, and is said loudly.
        """
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)  # the loop itself would not keep it
        task.add_done_callback(self._ended)
        return task.cancel

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.loop.call_exception_handler(
                {"message": "A task of the storages failed", "exception": error, "task": task}
            )

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Pending[T]:
        """Run a coroutine function on the loop; await the result, or block on it, anywhere else."""
        pending: Pending[T] = Pending()

        async def answer() -> None:
            try:
                value = await work()
            except BaseException as error:
                resolve([(pending, None, error)])
                if not isinstance(error, Exception):
                    raise
            else:
                resolve([(pending, value, None)])

        def begin() -> None:
            self.spawn(answer())

        self.soon(begin)
        return pending

    def at_exit(self, key: object, farewell: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Await a coroutine function when the interpreter ends."""
        self._farewells[id(key)] = farewell

    def forget(self, key: object) -> None:
        """Take back what was said to `at_exit`."""
        self._farewells.pop(id(key), None)

    def abandoned(self, key: int, aclose: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Close what said ``at_exit(key)`` and nobody has any more; called in any thread."""
        if self is not _current:  # a forked child: it belongs to the parent
            return
        self._farewells.pop(key, None)
        with suppress(StorageInternalError):
            self.soon(lambda: self.spawn(aclose()))

    def close(self) -> None:
        """Say farewell, for a bounded time, and end the thread."""

        async def farewells() -> None:
            async with asyncio.timeout(FAREWELL):
                await asyncio.gather(
                    *(farewell() for farewell in tuple(self._farewells.values())),
                    return_exceptions=True,
                )

        if self._farewells:
            self.run(farewells).block(FAREWELL + 1.0)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(FAREWELL)


_current: StorageThread | None = None
_starting = threading.Lock()


def storage_thread() -> StorageThread:
    """Return the thread of this process, which is started when first asked for."""
    global _current
    if _current is None:
        with _starting:
            if _current is None:
                _current = StorageThread()
    return _current


def _forget_after_fork() -> None:
    # The thread stayed behind in the parent, and its connections belong there too.
    global _current, _starting
    if _current is not None:
        leave_to_parent(_current)
    _current = None
    _starting = threading.Lock()


def _close_at_exit() -> None:
    if _current is not None:
        _current.close()


def _close_in_child() -> None:
    # A process of multiprocessing ends without calling what atexit knows.
    multiprocessing: Any = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        _close_at_exit()


os.register_at_fork(after_in_child=_forget_after_fork)
# When all threads of the program have ended, which may work on studies longer than the main one.
atexit.register(_close_at_exit)
threading._register_atexit(_close_in_child)  # type: ignore[attr-defined]
