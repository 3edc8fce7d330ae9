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
    """Be the leave to run one trial: one that has been asked for or started already, or a new one.

    ``begun`` is the number and the view of the one that has been asked for, and ``started`` the
    number of the one that has been started.
    """

    begun: tuple[int, View] | None = None
    started: int | None = None


_NEW = Ticket()


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
        # Trials that were started together with the end of the one before.
        self.started_ahead: list[int] = []
        self.owed: Owed | None = None
        self.unfinished: set[int] = set()
        self.is_ending = False
        self.host: Host | None = None
        self.error: BaseException | None = None
        self.ended_by = "cancelled"

    def take(self) -> Ticket | None:
        """Return leave to run a trial, or None if there is none left to run."""
        if self.carried:
            return Ticket(begun=self.carried.pop())
        if self.started_ahead:
            return Ticket(started=self.started_ahead.pop())
        session = self.session
        if session.may_run_out and (self.unfinished or session.store.waits):
            # In memory, what is not of this run may never end; elsewhere, its lease will.
            if session.all_taken():
                return None
        return _NEW if self.budget.take(self.session.clock.monotonic()) else None

    def wanted(self) -> bool:
        """Tell whether a trial is to start with the end of another one, and take it if so.

        Not where something of the user's comes between the two, which may want to stop the study.
        """
        if self.notify or self.is_ending or self.session.may_run_out:
            return False
        if self.gate is not None and self.gate.is_awaited:
            return False
        return self.session.store.waits and self.budget.take(self.session.clock.monotonic())

    def begin(self, number: int) -> None:
        """Take over a trial that has been started; it ends with the run at the latest."""
        self.unfinished.add(number)
        self.started_ahead.append(number)

    def elapsed(self) -> float:
        """Return the seconds since the run began."""
        return self.session.clock.monotonic() - self.started

    def go_on_from(self, run: Run) -> None:
        """Take over where a run had to stop."""
        self.budget, self.started, self.progress = run.budget, run.started, run.progress
        self.carried, self.owed, self.unfinished = run.carried, run.owed, run.unfinished
        self.started_ahead = run.started_ahead

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
