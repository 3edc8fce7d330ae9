"""SIGTERM while studies run on an event loop: their trials are finished, then the process exits."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ahpo.engine.gate import EXIT_CODE, handler_of

if TYPE_CHECKING:
    from ahpo.engine.run import Run

__all__ = ("terminate_on_loop",)

_SIGTERM = "SIGTERM"


class _Runs:
    """Be the runs on one event loop, which has one handler for all of them."""

    def __init__(self) -> None:
        self.going_on: set[Run] = set()
        self.all_ended = asyncio.Event()
        self.terminated = False

    def terminate(self) -> None:
        self.terminated = True
        for run in tuple(self.going_on):
            run.end(_SIGTERM)


_on_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Runs] = WeakKeyDictionary()


def _is_ours_to_handle() -> bool:
    # Only the main thread may, and who has a handler of their own keeps it.
    return (
        threading.current_thread() is threading.main_thread()
        and handler_of(signal.SIGTERM) is signal.SIG_DFL
    )


def _runs_on(loop: asyncio.AbstractEventLoop) -> _Runs | None:
    """Return the runs that a SIGTERM ends on this loop, or None if it is not ours to handle."""
    runs = _on_loop.get(loop)
    if runs is None and _is_ours_to_handle():
        runs = _Runs()
        try:
            loop.add_signal_handler(signal.SIGTERM, runs.terminate)
        except (NotImplementedError, RuntimeError, ValueError):  # a loop that knows no signals
            return None
        _on_loop[loop] = runs
    return runs


@asynccontextmanager
async def terminate_on_loop(run: Run) -> AsyncIterator[None]:
    """Let SIGTERM cancel the run, and raise SystemExit when all trials on the loop are finished."""
    loop = asyncio.get_running_loop()
    runs = _runs_on(loop)
    if runs is None:
        yield
        return
    runs.going_on.add(run)
    if runs.terminated:
        run.end(_SIGTERM)
    try:
        yield
    finally:
        runs.going_on.discard(run)
        if not runs.going_on:
            runs.all_ended.set()
            _on_loop.pop(loop, None)
            loop.remove_signal_handler(signal.SIGTERM)
    if run.ended_by == _SIGTERM:
        # SystemExit, raised in a task, stops the loop under the feet of all the others.
        await runs.all_ended.wait()
        raise SystemExit(EXIT_CODE)
