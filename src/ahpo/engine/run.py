"""One `optimize` under way: what it was asked to do, and how it goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ahpo.engine.budget import Budget
from ahpo.engine.caller import Caller
from ahpo.engine.carried import uncarried
from ahpo.engine.gate import Gate
from ahpo.engine.lines import say_dropped
from ahpo.engine.places import Place
from ahpo.exceptions import StorageInternalError

if TYPE_CHECKING:
    from ahpo.engine.host import Host
    from ahpo.engine.progress import Progress
    from ahpo.engine.session import Session
    from ahpo.history.view import View
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("Notify", "Owed", "Run", "Ticket")

Notify = Callable[["FrozenTrial"], Awaitable[None]]


class Owed(NamedTuple):
    """Be what a callback returned in place, and which has to be awaited on a loop."""

    awaitable: Awaitable[Any]
    frozen: FrozenTrial
    n_notified: int


class Ticket(NamedTuple):
    """Be the leave to run one trial: one that has been asked for already, or a new one."""

    begun: tuple[int, View] | None


_NEW = Ticket(None)


class Run:
    """Hold what the runners of one `optimize` share."""

    def __init__(
        self,
        session: Session,
        caller: Caller,
        place: Place,
        budget: Budget,
        *,
        catch: tuple[type[BaseException], ...] = (),
        notify: tuple[Notify, ...] = (),
        gc_after_trial: bool = False,
        trial_timeout: float | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.session = session
        self.caller = caller
        self.place = place
        self.budget = budget
        self.catch = catch
        self.notify = notify
        self.gc_after_trial = gc_after_trial
        self.trial_timeout = trial_timeout
        self.progress: Progress | None = None
        self.gate = gate
        self.started = session.clock.monotonic()
        # A trial that was asked for and whose objective turned out to need another caller.
        self.carried: list[tuple[int, View]] = []
        self.owed: Owed | None = None
        self.unfinished: set[int] = set()
        self.is_ending = False
        self.host: Host | None = None
        self.error: BaseException | None = None
        self.ended_by = "cancelled"

    def take(self) -> Ticket | None:
        """Return leave to run a trial, or None if there is none left to run."""
        if self.carried:
            return Ticket(self.carried.pop())
        session = self.session
        if session.may_run_out and (self.unfinished or session.store.waits):
            # In memory, what is not of this run may never end; elsewhere, its lease will.
            if session.all_taken():
                return None
        return _NEW if self.budget.take(self.session.clock.monotonic()) else None

    def elapsed(self) -> float:
        """Return the seconds since the run began."""
        return self.session.clock.monotonic() - self.started

    def go_on_from(self, run: Run) -> None:
        """Take over where a run had to stop."""
        self.budget, self.started, self.progress = run.budget, run.started, run.progress
        self.carried, self.owed, self.unfinished = run.carried, run.owed, run.unfinished

    def is_handed_over(self) -> bool:
        """Tell whether the run could not finish what it began, and another one has to."""
        return bool(self.carried) or self.owed is not None

    def is_lost(self) -> bool:
        """Tell whether the run can not go on, since its event loop was closed before it ended."""
        return self.host is not None and self.host.is_gone()

    def is_closing(self) -> bool:
        """Tell whether its coroutines are being closed, since there is nobody to go on."""
        return self.host is not None and self.host.is_closing()

    def fail(self, error: BaseException) -> None:
        """End the whole run with an error; the first one is raised, the others are logged."""
        error = uncarried(error)
        if self.error is None:
            self.error = error
        elif not (isinstance(error, StorageInternalError) and type(self.error) is type(error)):
            say_dropped(error)  # but for a storage that fails all trials of the run alike
        self._end()

    def end(self, by: str) -> None:
        """Cancel what runs, and start nothing more."""
        self.ended_by = by
        self._end()

    def _end(self) -> None:
        self.budget.stop()
        # Once: a coroutine that is being cancelled may have to await something in its `finally`.
        if self.host is not None and not self.is_ending:
            self.is_ending = True
            self.host.cancel()
