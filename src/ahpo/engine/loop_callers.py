"""How an objective is called from an event loop: in a thread, or as a coroutine.

A coroutine is cancelled once, as asyncio does it, and not at each of its awaits, as anyio's scopes
do: what it awaits in its own ``finally`` goes on to its end.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio

from ahpo.engine.async_trial import AsyncTrial
from ahpo.engine.caller import TrialTimedOut, not_awaitable
from ahpo.engine.cancels_when_lost import CancelsWhenLost
from ahpo.engine.carried import CarriedStop
from ahpo.engine.ended_elsewhere import TrialLost, is_lost
from ahpo.engine.in_thread import in_thread
from ahpo.engine.own_context import as_coroutine
from ahpo.engine.pruned import is_pruned
from ahpo.engine.trial import Trial
from ahpo.engine.unbroken import unbroken
from ahpo.engine.watch import Watch, watched

if TYPE_CHECKING:
    from ahpo.engine.live_trial import LiveTrial
    from ahpo.engine.session import Session
    from ahpo.history.view import View

__all__ = ("CoroutineCaller", "ThreadCaller")


class ThreadCaller:
    """Call a plain objective in a worker thread, at most ``n_jobs`` at a time.

    A thread can not be killed: when its trial is cancelled or times out, the objective is told at
    its next call on the trial.
    """

    def __init__(self, objective: Callable[[Any], Any], n_jobs: int) -> None:
        self.objective = objective
        self._limiter = anyio.CapacityLimiter(n_jobs)
        self._ended: dict[int, asyncio.Event] = {}

    def trial(self, session: Session, number: int, view: View) -> LiveTrial:
        """Return the synchronous face of the trial."""
        return Trial(session, number, view)

    async def call(self, trial: LiveTrial, timeout: float | None) -> Any:
        """Return what the objective returns."""
        loop = asyncio.get_running_loop()
        ended = self._ended[trial.number] = asyncio.Event()

        started = False

        def work() -> Any:
            nonlocal started
            started = True
            try:
                # Cancelled before it began: whoever cancelled has either seen `started`, and
                # waits, or has interrupted the trial before, and this is seen here.
                return None if trial.is_over() else not_awaitable(self.objective(trial))
            finally:
                loop.call_soon_threadsafe(ended.set)

        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                return await in_thread(work, self._limiter, abandon_on_cancel=True)
        except BaseException as error:
            if is_lost(trial) and not isinstance(error, asyncio.CancelledError):
                raise TrialLost from error
            timed_out = isinstance(error, TimeoutError) and limit.expired()
            trial.interrupt("trial_timeout" if timed_out else "cancelled")
            if not started:
                ended.set()
            if timed_out:
                raise TrialTimedOut from None
            raise

    async def settle(self, trial: LiveTrial) -> None:
        """Return when the thread has left the objective."""
        ended = self._ended.pop(trial.number, None)
        if ended is not None and not ended.is_set():
            # No cancellation ends a thread: leaving it behind would be a leak.
            await unbroken(ended.wait())


class CoroutineCaller:
    """Await a coroutine objective on the event loop."""

    def __init__(self, objective: Callable[[Any], Any], watch: Watch) -> None:
        self.objective = objective
        self._watch = watch
        self._may_be_lost = False

    def trial(self, session: Session, number: int, view: View) -> LiveTrial:
        """Return the asynchronous face of the trial."""
        self._may_be_lost = session.store.waits
        return AsyncTrial(session, number, view)

    async def call(self, trial: LiveTrial, timeout: float | None) -> Any:
        """Return what the objective returns."""
        if not self._may_be_lost:
            return await self._call(trial, timeout)
        with CancelsWhenLost(trial):
            return await self._call(trial, timeout)

    async def _call(self, trial: LiveTrial, timeout: float | None) -> Any:
        context = contextvars.copy_context()  # what the objective sets is its own
        try:
            made = context.run(self.objective, trial)
        except StopIteration as stop:
            raise CarriedStop(stop) from stop
        if not inspect.isawaitable(made):
            return made  # an objective that is async in some trials only
        steps = watched(as_coroutine(made), trial.number, self._watch, context)
        if timeout is None:
            return await steps
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                returned = await steps
        except Exception as error:
            if not limit.expired() or is_pruned(error):
                raise
            # Whatever it made of its cancellation.
            raise TrialTimedOut from (None if isinstance(error, TimeoutError) else error)
        if limit.expired():  # it was told, and went on to return something
            raise TrialTimedOut
        return returned

    async def settle(self, trial: LiveTrial) -> None:
        """Do nothing: what was awaited has ended."""
