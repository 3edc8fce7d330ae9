"""How an objective is called: in place, in a thread, or as a coroutine on the event loop."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import anyio.to_thread

from ahpo.engine.gate import Gate
from ahpo.engine.trial import AsyncTrial, Trial
from ahpo.engine.watch import Watch, watched
from ahpo.exceptions import TrialInterrupted

if TYPE_CHECKING:
    from ahpo.engine.live_trial import LiveTrial
    from ahpo.engine.session import Session
    from ahpo.history.view import View

__all__ = (
    "Caller",
    "CoroutineCaller",
    "InlineCaller",
    "ReturnedAwaitable",
    "ThreadCaller",
    "TrialTimedOut",
    "is_async_callable",
)


class TrialTimedOut(Exception):
    """Tell that a trial ran longer than its ``trial_timeout``."""


class ReturnedAwaitable(Exception):
    """Tell that a plain callable returned an awaitable: it is an async objective in disguise."""


def is_async_callable(function: Any) -> bool:
    """Tell whether calling gives a coroutine, as far as one can know without calling."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  (not whether: what kind)
    )


class Caller(Protocol):
    """Call an objective."""

    objective: Callable[[Any], Any]

    def trial(self, session: Session, number: int, view: View) -> LiveTrial:
        """Return the face of the trial that the objective gets."""
        ...

    async def call(self, trial: Any, timeout: float | None) -> Any:
        """Return what the objective returns.

        :raises TrialTimedOut: if it takes longer than ``timeout`` seconds
        :raises ReturnedAwaitable: if it turns out to be async
        """
        ...

    async def settle(self, trial: Any) -> None:
        """Return when nothing of the objective is left running."""
        ...


def _checked(returned: Any) -> Any:
    if type(returned) is not float and inspect.isawaitable(returned):
        if inspect.iscoroutine(returned):
            returned.close()  # not a line of it has run yet
        raise ReturnedAwaitable
    return returned


class InlineCaller:
    """Call a plain objective in the caller's own thread."""

    def __init__(self, objective: Callable[[Any], Any], gate: Gate) -> None:
        self.objective = objective
        self._gate = gate

    def trial(self, session: Session, number: int, view: View) -> LiveTrial:
        """Return the synchronous face of the trial."""
        return Trial(session, number, view)

    async def call(self, trial: LiveTrial, timeout: float | None) -> Any:
        """Return what the objective returns; a trial past its time is told at its next call."""
        if timeout is not None:
            trial.limit_time(timeout)
        try:
            self._gate.open()
            returned = _checked(self.objective(trial))
        except TrialInterrupted:
            if timeout is None or not trial.is_over():
                raise
            raise TrialTimedOut from None
        finally:
            self._gate.close()
        if timeout is not None and trial.is_over():
            raise TrialTimedOut
        return returned

    async def settle(self, trial: LiveTrial) -> None:
        """Do nothing: what ran in place has ended."""


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
                return None if trial.is_over() else _checked(self.objective(trial))
            finally:
                loop.call_soon_threadsafe(ended.set)

        scope = anyio.move_on_after(timeout)
        try:
            with scope:
                returned = await anyio.to_thread.run_sync(
                    work, abandon_on_cancel=True, limiter=self._limiter
                )
                if not scope.cancel_called:
                    return returned
        except TrialInterrupted:
            if not scope.cancel_called:
                raise
        except BaseException:
            trial.interrupt("cancelled")
            if not started:
                ended.set()
            raise
        trial.interrupt("trial_timeout")
        if not started:
            ended.set()
        raise TrialTimedOut

    async def settle(self, trial: LiveTrial) -> None:
        """Return when the thread has left the objective."""
        ended = self._ended.pop(trial.number, None)
        if ended is not None:
            # No cancellation ends a thread: leaving it behind would be a leak.
            with anyio.CancelScope(shield=True):
                await ended.wait()


async def _awaiting(made: Awaitable[Any]) -> Any:
    return await made


class CoroutineCaller:
    """Await a coroutine objective on the event loop."""

    def __init__(self, objective: Callable[[Any], Any], watch: Watch) -> None:
        self.objective = objective
        self._watch = watch

    def trial(self, session: Session, number: int, view: View) -> LiveTrial:
        """Return the asynchronous face of the trial."""
        return AsyncTrial(session, number, view)

    async def call(self, trial: LiveTrial, timeout: float | None) -> Any:
        """Return what the objective returns."""
        made = self.objective(trial)
        if not inspect.isawaitable(made):
            return made  # an objective that is async in some trials only
        if not inspect.iscoroutine(made):
            made = _awaiting(made)
        steps = watched(made, trial.number, self._watch)
        if timeout is None:
            return await steps
        with anyio.move_on_after(timeout) as scope:
            returned = await steps
            if not scope.cancel_called:
                return returned
        raise TrialTimedOut

    async def settle(self, trial: LiveTrial) -> None:
        """Do nothing: what was awaited has ended."""
