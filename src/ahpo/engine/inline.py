"""`optimize` for plain code: one trial after the other, in the calling thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ahpo.engine.caller import InlineCaller, ReturnedAwaitable
from ahpo.engine.drive import drive
from ahpo.engine.faces import face
from ahpo.engine.gate import Gate
from ahpo.engine.options import Options
from ahpo.engine.places import Inline
from ahpo.engine.run import Notify, Run
from ahpo.engine.runner import finish_rest, run_trials
from ahpo.engine.underway import Underway, new_run

if TYPE_CHECKING:
    from ahpo.engine.session import Session
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("optimize_inline",)


def optimize_inline(session: Session, options: Options, gate: Gate) -> Run | None:
    """Run the trials in the calling thread.

    :param gate: opened to signals while something of the user's runs
    :returns: None when done; or the run to go on with on an event loop, because the objective
        turned out to be async
    """
    study = face(session, "sync")

    def calls(callback: Callable[[Any, Any], Any]) -> Notify:
        async def notify(frozen: FrozenTrial) -> None:
            try:
                gate.open()
                callback(study, frozen)
            finally:
                gate.close()

        return notify

    caller = InlineCaller(options.objective, gate)
    notify = tuple(map(calls, options.callbacks))
    run = new_run(session, options, caller, Inline(gate), notify, gate)
    with Underway(run, options):
        try:
            drive(run_trials(run))
        except ReturnedAwaitable:
            return run
        except BaseException as error:
            run.error = error
            raise
        finally:
            if not run.carried:
                drive(finish_rest(run))
    return None
