"""`optimize` for plain code on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from ahpo.engine.carried import uncarried
from ahpo.engine.gate import Gate
from ahpo.engine.in_thread import Workers, workers_of
from ahpo.engine.on_loop import optimize_on_loop
from ahpo.engine.options import Options
from ahpo.engine.run import Run

if TYPE_CHECKING:
    from ahpo.engine.session import Session

__all__ = ("optimize_in_loop_thread",)

# How long a signal may go unnoticed. Once interrupted, how often to look whether it has ended, and
# how long threads that do not end are waited for after a second signal.
_ALERT = 0.2
_LOOK = 0.02
_PATIENCE = 5.0


def optimize_in_loop_thread(
    session: Session, options: Options, goes_on: Run | None, gate: Gate
) -> BaseException | None:
    """Run the trials on a new event loop in a new thread, and return when they have ended.

    :param goes_on: the run that `optimize_inline` could not finish
    :returns: what it raised there
    """
    begun: list[Run] = []
    thread = _LoopThread(lambda: optimize_on_loop(session, options, goes_on, begun=begun.append))
    _wait(thread, begun, gate)
    return thread.error


def _wait(thread: _LoopThread, begun: list[Run], gate: Gate) -> None:
    try:
        gate.open()
        # With a timeout, since a signal that comes just before a thread begins to wait does not
        # wake it up.
        while not thread.done.wait(_ALERT):
            pass
    except BaseException:
        run = begun[0] if begun else None
        if run is not None:
            run.ended_by = gate.ended_by or run.ended_by
            run.budget.stop()
        thread.cancel()
        if not _wait_for_end(thread, run, gate) and run is not None:
            run.session.runs.discard(run)
        raise
    finally:
        gate.close()
        if thread.done.is_set():
            thread.join()


def _wait_for_end(thread: _LoopThread, run: Run | None, gate: Gate) -> bool:
    """Return whether the thread has ended, as it should; False if that takes for ever.

    One signal waits as long as it takes. After a second one, threads that do not end are left
    behind sooner or later, and after a third one at once; but no trial is that has no lease.
    """
    deadline: float | None = None
    while not thread.done.wait(_LOOK):
        again = gate.forget()
        if deadline is None:
            deadline = time.monotonic() + _PATIENCE if again else None
        elif again or time.monotonic() > deadline:
            if run is None or not run.unfinished or run.session.store.waits:
                return False
    return True


class _LoopThread(threading.Thread):
    """Run a coroutine function on a new event loop, with the context variables of the caller."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        super().__init__(name="ahpo-optimize", daemon=True)
        self._work = work
        self._variables = contextvars.copy_context()
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._workers = Workers()
        self.done = threading.Event()
        self.error: BaseException | None = None
        self.start()
        self._ready.wait()

    def run(self) -> None:
        try:
            self._variables.run(asyncio.run, self._main())
        except BaseException as error:
            self.error = error
        finally:
            for worker in tuple(self._workers):  # they are ending
                worker.join()
            self._ready.set()
            self.done.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._workers = workers_of(self._loop)
        self._task = asyncio.current_task()
        self._ready.set()
        try:
            await self._work()
        except BaseException as error:  # KeyboardInterrupt, raised here, would break the loop
            self.error = uncarried(error)

    def cancel(self) -> None:
        """Cancel the work."""
        if self._loop is not None and self._task is not None:
            try:
                self._loop.call_soon_threadsafe(self._task.cancel)
            except RuntimeError:  # the loop has been closed: there is nothing to cancel
                pass
