"""`optimize` for plain code: one trial after the other, in the calling thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ahpo.engine.caller import InlineCaller, ReturnedAwaitable, is_awaitable
from ahpo.engine.carried import CarriedStop, uncarried
from ahpo.engine.drive import drive
from ahpo.engine.faces import face
from ahpo.engine.gate import Gate
from ahpo.engine.lost import finish_lost
from ahpo.engine.options import Options
from ahpo.engine.places import Inline
from ahpo.engine.run import Notify, Owed, Run
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
        or a callback turned out to be async
    """
    study = face(session, "sync")

    def calls(n: int, callback: Callable[[Any, Any], Any]) -> Notify:
        async def notify(frozen: FrozenTrial) -> None:
            try:
                gate.open()
                returned = callback(study, frozen)
            except StopIteration as stop:
                raise CarriedStop(stop) from stop
            finally:
                gate.close()
            if is_awaitable(returned):
                run.owed = Owed(returned, frozen, n)
                raise ReturnedAwaitable

        return notify

    caller = InlineCaller(options.objective, gate)
    notify = tuple(calls(n, callback) for n, callback in enumerate(options.callbacks, 1))
    run = new_run(session, options, caller, Inline(gate), notify, gate)
    if session.runs:
        drive(finish_lost(session, run.place))
    with Underway(run, options):
        try:
            drive(run_trials(run))
        except ReturnedAwaitable:
            return run
        except BaseException as error:
            run.error = uncarried(error)
        finally:
            if not run.is_handed_over():
                drive(finish_rest(run))
    if run.error is not None:
        raise run.error
    return None
