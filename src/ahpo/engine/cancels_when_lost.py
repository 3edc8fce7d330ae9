"""Cancel a coroutine objective whose trial somebody else has finished."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ahpo.engine.ended_elsewhere import TrialLost, call_if_open, is_lost

if TYPE_CHECKING:
    from ahpo.engine.live_trial import LiveTrial

__all__ = ("CancelsWhenLost",)


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
