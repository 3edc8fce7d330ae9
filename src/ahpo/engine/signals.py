"""SIGTERM while studies run on an event loop: their trials are finished, then the process exits."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ahpo.engine.gate import EXIT_CODE

if TYPE_CHECKING:
    from ahpo.engine.run import Run

__all__ = ("terminate_on_loop",)

_SIGTERM = "SIGTERM"
# Several studies may run on a loop, which has one handler for all.
_runs: WeakKeyDictionary[asyncio.AbstractEventLoop, set[Run]] = WeakKeyDictionary()


def _is_ours_to_handle() -> bool:
    # Only the main thread may, and who has a handler of their own keeps it.
    return (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )


def _end_all(runs: set[Run]) -> None:
    for run in runs:
        run.end(_SIGTERM)


def _handled(loop: asyncio.AbstractEventLoop) -> set[Run] | None:
    """Return the runs that a SIGTERM ends on this loop, or None if it is not ours to handle."""
    runs = _runs.get(loop)
    if runs is None and _is_ours_to_handle():
        runs = set()
        try:
            loop.add_signal_handler(signal.SIGTERM, _end_all, runs)
        except (NotImplementedError, RuntimeError, ValueError):  # a loop that knows no signals
            return None
        _runs[loop] = runs
    return runs


@contextmanager
def terminate_on_loop(run: Run) -> Iterator[None]:
    """Let SIGTERM cancel the run, and raise SystemExit when all its trials are finished."""
    loop = asyncio.get_running_loop()
    runs = _handled(loop)
    if runs is None:
        yield
        return
    runs.add(run)
    try:
        yield
    finally:
        runs.discard(run)
        if not runs:
            del _runs[loop]
            loop.remove_signal_handler(signal.SIGTERM)
    if run.ended_by == _SIGTERM:
        raise SystemExit(EXIT_CODE)
