"""How an objective is called, and the plain way: in place, in the caller's own thread."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ahpo.engine.carried import CarriedStop
from ahpo.engine.ended_elsewhere import TrialLost, is_lost
from ahpo.engine.gate import Gate
from ahpo.engine.pruned import is_pruned
from ahpo.engine.trial import Trial
from ahpo.exceptions import TrialInterrupted

if TYPE_CHECKING:
    from ahpo.engine.live_trial import LiveTrial
    from ahpo.engine.session import Session
    from ahpo.history.view import View

__all__ = (
    "Caller",
    "InlineCaller",
    "ReturnedAwaitable",
    "TrialTimedOut",
    "is_async_callable",
    "is_awaitable",
    "not_awaitable",
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

        :raises TrialTimedOut: if it takes longer than ``timeout`` seconds, whatever it makes of
            that, but for pruning the trial
        :raises TrialLost: if it ends with an error after somebody else has finished the trial
        :raises ReturnedAwaitable: if it turns out to be async
        """
        ...

    async def settle(self, trial: Any) -> None:
        """Return when nothing of the objective is left running."""
        ...


def is_awaitable(returned: Any) -> bool:
    """Tell whether what a plain callable returned is to be awaited."""
    return type(returned) is not float and returned is not None and inspect.isawaitable(returned)


def not_awaitable(returned: Any) -> Any:
    """Return what a plain objective returned.

    :raises ReturnedAwaitable: if it is something to await
    """
    if is_awaitable(returned):
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
            returned = self.objective(trial)
        except (Exception, TrialInterrupted) as error:
            if is_lost(trial):
                raise TrialLost from error
            if timeout is not None and trial.is_over() and not is_pruned(error):
                raise TrialTimedOut from error
            if isinstance(error, StopIteration):
                raise CarriedStop(error) from error
            raise
        finally:
            self._gate.close()
        returned = not_awaitable(returned)
        if timeout is not None and trial.is_over():
            raise TrialTimedOut
        return returned

    async def settle(self, trial: LiveTrial) -> None:
        """Do nothing: what ran in place has ended."""
