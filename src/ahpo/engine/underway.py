"""The beginning and the end of a run."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING

from ahpo.engine.caller import Caller
from ahpo.engine.gate import Gate
from ahpo.engine.options import Options
from ahpo.engine.places import Place
from ahpo.engine.progress import Progress
from ahpo.engine.run import Notify, Run

if TYPE_CHECKING:
    from ahpo.engine.session import Session

__all__ = ("Underway", "new_run")


def new_run(
    session: Session,
    options: Options,
    caller: Caller,
    place: Place,
    notify: tuple[Notify, ...],
    gate: Gate | None = None,
) -> Run:
    """Return a run that does what the options say."""
    return Run(
        session,
        caller,
        place,
        options.budget(session.clock.monotonic()),
        catch=options.catch,
        notify=notify,
        gc_after_trial=options.gc_after_trial,
        trial_timeout=options.trial_timeout,
        gate=gate,
    )


# The sessions whose objective or callback we are in. Several threads and tasks may each optimize a
# study at the same time; what one of them calls, in threads and tasks of its own too, may not.
_within: ContextVar[tuple[Session, ...]] = ContextVar("ahpo_optimizing", default=())


class Underway:
    """Mark a run as under way in its session, and refuse one inside another of the same study."""

    def __init__(self, run: Run, options: Options) -> None:
        self._run = run
        self._options = options
        self._token: Token[tuple[Session, ...]] | None = None

    def __enter__(self) -> None:
        session, outer = self._run.session, _within.get()
        if session in outer:
            raise RuntimeError("Nested invocation of `Study.optimize` method isn't allowed.")
        if self._options.show_progress_bar:
            self._run.progress = Progress(self._options.n_trials, self._options.timeout)
        self._token = _within.set((*outer, session))
        session.runs.add(self._run)

    def __exit__(self, *exc_info: object) -> None:
        assert self._token is not None
        _within.reset(self._token)
        self._run.session.runs.discard(self._run)
        if self._run.progress is not None:
            self._run.progress.close()
