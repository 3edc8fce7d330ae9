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


# The runs whose objective or callback we are in. Several threads and tasks may each optimize a
# study at the same time; what one of them calls, in threads and tasks of its own too, may not,
# until the run has ended.
_within: ContextVar[tuple[Run, ...]] = ContextVar("ahpo_optimizing", default=())


class Underway:
    """Mark a run as under way in its session, and refuse one inside another of the same study."""

    def __init__(self, run: Run, options: Options) -> None:
        self._run = run
        self._options = options
        self._token: Token[tuple[Run, ...]] | None = None

    def __enter__(self) -> None:
        run, outer = self._run, _within.get()
        if any(other.session is run.session and other in run.session.runs for other in outer):
            raise RuntimeError("Nested invocation of `Study.optimize` method isn't allowed.")
        if self._options.show_progress_bar and run.progress is None:
            run.progress = Progress(self._options.n_trials, self._options.timeout)
        self._token = _within.set((*outer, run))
        run.session.runs.add(run)

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        run = self._run
        if kind is GeneratorExit and run.host is not None:
            run.host.leave()
        if run.progress is not None and not run.is_handed_over():
            run.progress.close()
        if run.is_lost():
            return  # whoever uses the study next will find it, and its trials
        run.session.runs.discard(run)
        assert self._token is not None
        _within.reset(self._token)
