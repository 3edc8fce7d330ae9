"""SIGTERM while trials run on an event loop: they are finished, then the process exits."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Protocol
from weakref import WeakKeyDictionary

from ahpo.engine.gate import EXIT_CODE, handler_of

__all__ = ("terminate_block", "terminate_on_loop")

_SIGTERM = "SIGTERM"


class _CanEnd(Protocol):
    """Be a run of trials, or a block of one."""

    ended_by: str

    def end(self, by: str) -> None:
        """Cancel what runs."""


class _Runs:
    """Be the runs and blocks on one event loop, which has one handler for all of them."""

    def __init__(self) -> None:
        self.going_on: dict[_CanEnd, asyncio.Event] = {}
        self.terminated = False

    def terminate(self) -> None:
        self.terminated = True
        for one in tuple(self.going_on):
            one.end(_SIGTERM)

    async def wait(self, but: tuple[_CanEnd, ...] = ()) -> None:
        """Return when all have ended, but for those."""
        while others := next((e for one, e in self.going_on.items() if one not in but), None):
            await others.wait()


_on_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Runs] = WeakKeyDictionary()
# The runs and blocks within which a task works: these end after it.
_around: ContextVar[tuple[_CanEnd, ...]] = ContextVar("ahpo_around", default=())


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


@contextmanager
def _taking_part(one: _CanEnd, runs: _Runs) -> Iterator[None]:
    """Let SIGTERM end a run or a block."""
    loop, around = asyncio.get_running_loop(), _around.get()
    ended = runs.going_on[one] = asyncio.Event()
    _around.set((*around, one))
    if runs.terminated:
        one.end(_SIGTERM)
    try:
        yield
    finally:
        _around.set(around)
        del runs.going_on[one]
        ended.set()
        if not runs.going_on:
            _on_loop.pop(loop, None)
            loop.remove_signal_handler(signal.SIGTERM)


@asynccontextmanager
async def terminate_on_loop(run: _CanEnd) -> AsyncIterator[None]:
    """Let SIGTERM cancel the run, and raise SystemExit when all trials on the loop are finished."""
    runs = _runs_on(asyncio.get_running_loop())
    if runs is None:
        yield
        return
    with _taking_part(run, runs):
        yield
    if run.ended_by == _SIGTERM:
        # SystemExit, raised in a task, stops the loop under the feet of all the others.
        await runs.wait()
        raise SystemExit(EXIT_CODE)


@asynccontextmanager
async def terminate_block(block: _CanEnd) -> AsyncIterator[None]:
    """Let SIGTERM cancel the block, and raise SystemExit when all trials on the loop are finished.

    What is around the block waits for it: another block of the same task, or the run whose
    objective it is part of. It is left to them to raise.
    """
    runs = _runs_on(asyncio.get_running_loop())
    if runs is None:
        yield
        return
    try:
        with _taking_part(block, runs):
            yield
    finally:
        if block.ended_by == _SIGTERM:
            await runs.wait(but=_around.get())
            if not runs.going_on:
                raise SystemExit(EXIT_CODE)
