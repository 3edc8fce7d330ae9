"""The life of one trial in `optimize`: ask, call the objective, tell, call back."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

from ahpo.engine.caller import ReturnedAwaitable, TrialTimedOut
from ahpo.engine.cancelled import is_cancelled
from ahpo.engine.lines import say_finished, say_late
from ahpo.engine.outcome import Outcome, judge_return, judge_tell
from ahpo.engine.run import Run
from ahpo.exceptions import TrialInterrupted, TrialPruned, UpdateFinishedTrialError
from ahpo.states import TrialState

if TYPE_CHECKING:
    from ahpo.engine.live_trial import LiveTrial
    from ahpo.history.view import View

__all__ = ("finish_rest", "is_pruned", "pruned_outcome", "run_trial", "run_trials")


def is_pruned(error: BaseException) -> bool:
    """Tell whether an exception prunes its trial: ours does, and Optuna's where it is loaded."""
    if isinstance(error, TrialPruned):
        return True
    if isinstance(error, BaseExceptionGroup):  # raised inside a task group of the objective
        return all(map(is_pruned, error.exceptions))
    optuna = sys.modules.get("optuna")
    return optuna is not None and isinstance(error, getattr(optuna, "TrialPruned", ()))


def pruned_outcome(trial: LiveTrial) -> Outcome:
    """Return the end of a pruned trial, whose value is the one reported last."""
    reports = trial.reports
    last = reports[max(reports)] if reports else None
    return judge_tell(None, TrialState.PRUNED, 1, last)


def _forget_cancellation() -> None:
    # A task that goes on must not look cancelled to the scopes and timeouts that it enters next.
    import asyncio

    task = asyncio.current_task()
    while task is not None and task.cancelling() > 0:
        task.uncancel()


def _outcome_of(error: BaseException, trial: LiveTrial, run: Run) -> Outcome:
    if is_pruned(error):
        return pruned_outcome(trial)
    if isinstance(error, TrialTimedOut):
        reason = f"trial_timeout: the trial took longer than {run.trial_timeout} s"
    elif isinstance(error, TrialInterrupted) or is_cancelled(error):
        reason = run.ended_by
    elif isinstance(error, KeyboardInterrupt | SystemExit) and run.gate is not None:
        reason = run.gate.ended_by or repr(error)
    else:
        reason = repr(error)
    return Outcome(TrialState.FAIL, None, reason)


async def run_trials(run: Run) -> None:
    """Run trials, one after the other, until the budget is used up."""
    while (ticket := run.take()) is not None:
        await run_trial(run, ticket.carried)
        if run.gate is not None:
            run.gate.check()


async def finish_rest(run: Run) -> None:
    """Fail the trials that the run has left: none, unless a write failed or nobody took them up."""
    reason = run.ended_by if run.error is None else repr(run.error)
    for number in tuple(run.unfinished):
        try:
            ended = run.session.end(number, Outcome(TrialState.FAIL, None, reason))
            await run.place.final(ended)
        except UpdateFinishedTrialError:
            pass  # the answer to its last write was lost, but not the write
        except Exception as error:
            run.fail(error)
            continue
        run.unfinished.discard(number)


async def run_trial(run: Run, carried: tuple[int, View] | None = None) -> None:
    """Run one trial to its end.

    Whatever happens, the trial is finished when this returns or raises.

    :param carried: a trial that has been asked for already
    """
    session = run.session
    number, view = await session.ask(run.place) if carried is None else carried
    run.unfinished.add(number)
    trial = run.caller.trial(session, number, view)
    error: BaseException | None = None
    returned: Any = None
    cancelled: BaseException | None = None
    try:
        returned = await run.caller.call(trial, run.trial_timeout)
        outcome = judge_return(returned, len(session.store.history.directions))
    except ReturnedAwaitable:
        run.carried.append((number, view))
        raise
    except Exception as raised:
        error = raised
        outcome = _outcome_of(raised, trial, run)
    except BaseException as raised:
        if run.is_ending or not is_cancelled(raised):
            await _finish_and_leave(run, trial, raised)
            raise
        if run.gate is None:
            _forget_cancellation()
        cancelled = raised
        error = RuntimeError(f"The objective of trial {number} was cancelled from within.")
        error.__cause__ = raised
        outcome = Outcome(TrialState.FAIL, None, f"cancelled from within: {raised!r}")
    await _finish(run, trial, outcome, error, returned)
    if outcome.state is TrialState.FAIL and error is not None:
        # Whoever catches CancelledError means the one behind our RuntimeError.
        if not isinstance(cancelled or error, (TrialTimedOut, *run.catch)):
            raise error
    await _after(run, trial)


async def _finish(
    run: Run, trial: LiveTrial, outcome: Outcome, error: BaseException | None, returned: Any
) -> None:
    session = run.session
    try:
        await run.place.final(session.finish(trial.number, trial.view, outcome))
    except UpdateFinishedTrialError:
        # Ended from elsewhere: by `tell`, or by whoever found its lease expired.
        run.unfinished.discard(trial.number)
        say_late(trial.number, outcome)
        return
    run.unfinished.discard(trial.number)
    shown = None if isinstance(error, TrialTimedOut) else error
    say_finished(session.store.history, trial, outcome, shown, returned)


async def _finish_and_leave(run: Run, trial: LiveTrial, error: BaseException) -> None:
    try:
        await _finish(run, trial, _outcome_of(error, trial, run), error, None)
    finally:
        await run.caller.settle(trial)


async def _after(run: Run, trial: LiveTrial) -> None:
    session = run.session
    await run.caller.settle(trial)
    if run.notify:
        frozen = session.store.history.frozen(trial.number)
        for notify in run.notify:
            await notify(frozen)
    if session.exhausted():
        run.budget.stop()
    if run.gc_after_trial:
        gc.collect()
    if run.progress is not None:
        run.progress.update(session.store.history, run.elapsed())
