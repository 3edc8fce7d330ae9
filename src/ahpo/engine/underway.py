"""The beginning and the end of a run: one at a time for each open study."""

from __future__ import annotations

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


class Underway:
    """Mark the session as running; one run at a time."""

    def __init__(self, run: Run, options: Options) -> None:
        self._run = run
        self._options = options

    def __enter__(self) -> None:
        if self._run.session.run is not None:
            raise RuntimeError("Nested invocation of `Study.optimize` method isn't allowed.")
        if self._options.show_progress_bar:
            self._run.progress = Progress(self._options.n_trials, self._options.timeout)
        self._run.session.run = self._run

    def __exit__(self, *exc_info: object) -> None:
        if self._run.session.run is self._run:  # or it was left behind, and another one runs
            self._run.session.run = None
        if self._run.progress is not None:
            self._run.progress.close()
