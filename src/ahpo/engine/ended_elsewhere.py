"""A trial that somebody else has finished: its objective is told, and made to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ahpo.engine.live_trial import LiveTrial

__all__ = ("LOST", "CancelsWhenLost", "TrialLost", "call_if_open", "is_lost")

# Why such a trial is interrupted.
LOST = "finished from elsewhere"


class TrialLost(Exception):
    """Tell that somebody else has finished the trial while its objective was running."""


def is_lost(trial: LiveTrial) -> bool:
    """Tell whether somebody else has finished the trial."""
    return trial.interrupted_by == LOST


def call_if_open(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    """Call a function on an event loop soon, from any thread, unless the loop has been closed."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function)


class CancelsWhenLost:
    """Cancel the task that runs inside of it, once, when its trial is lost.

    That cancellation ends here, as a `TrialLost`; any other one goes on.
    """

    def __init__(self, trial: LiveTrial) -> None:
        self._trial = trial
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = asyncio.current_task()
        self._cancelled = False

    def _tell(self) -> None:  # in any thread
        call_if_open(self._loop, self._cancel)

    def _cancel(self) -> None:
        if self._task is not None and not self._cancelled:
            self._cancelled = True
            self._task.cancel()

    def __enter__(self) -> None:
        self._trial.on_interrupt = self._tell

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._trial.on_interrupt = None
        task, self._task = self._task, None  # what comes later is too late
        others = task.uncancel() if self._cancelled and task is not None else 0
        if error is None or not is_lost(self._trial):
            return
        if isinstance(error, asyncio.CancelledError) and (others or not self._cancelled):
            return
        raise TrialLost from error
