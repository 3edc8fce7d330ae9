"""SIGTERM while a study runs: the trials are finished first, then the process exits."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from ahpo.engine.run import Run

__all__ = ("EXIT_CODE", "terminate_by_exit", "terminate_on_loop")

EXIT_CODE = 128 + signal.SIGTERM


def _is_ours_to_handle() -> bool:
    # Only the main thread may, and who has a handler of their own keeps it.
    return (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )


@contextmanager
def terminate_by_exit() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, raised in the main thread where it is, like Ctrl-C."""
    if not _is_ours_to_handle():
        yield
        return

    def leave(signum: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(EXIT_CODE)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def terminate_on_loop(run: Run) -> Iterator[None]:
    """Let SIGTERM cancel the run, and raise SystemExit when all its trials are finished."""
    if not _is_ours_to_handle():
        yield
        return
    received = False

    def leave() -> None:
        nonlocal received
        received = True
        run.end("SIGTERM")

    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGTERM, leave)
    except (NotImplementedError, RuntimeError, ValueError):  # a loop or platform without signals
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
    if received:
        raise SystemExit(EXIT_CODE)
