"""The life of one trial in `optimize`: ask, call the objective, tell, call back."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import TYPE_CHECKING, Any

from ahpo.engine.invoke import ReturnedAwaitable, TrialTimedOut
from ahpo.engine.lines import say_finished, say_late
from ahpo.engine.outcome import Outcome, judge_return, judge_tell
from ahpo.engine.run import Run
from ahpo.exceptions import TrialInterrupted, TrialPruned, UpdateFinishedTrialError
from ahpo.states import TrialState

if TYPE_CHECKING:
    from ahpo.engine.live_trial import LiveTrial
    from ahpo.history.view import View

__all__ = ("is_pruned", "pruned_outcome", "run_trial", "run_trials")


def is_pruned(error: BaseException) -> bool:
    """Tell whether an exception prunes its trial: ours does, and Optuna's where it is loaded."""
    if isinstance(error, TrialPruned):
        return True
    optuna = sys.modules.get("optuna")
    return optuna is not None and isinstance(error, getattr(optuna, "TrialPruned", ()))


def pruned_outcome(trial: LiveTrial) -> Outcome:
    """Return the end of a pruned trial, whose value is the one reported last."""
    reports = trial.reports
    last = reports[max(reports)] if reports else None
    return judge_tell(None, TrialState.PRUNED, 1, last)


def _cancelled_from_outside() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # driven by hand: there is no loop, and no task to cancel
        return True
    return task is None or task.cancelling() > 0


def _outcome_of(error: BaseException, trial: LiveTrial, run: Run) -> Outcome:
    if is_pruned(error):
        return pruned_outcome(trial)
    if isinstance(error, TrialTimedOut):
        reason = f"trial_timeout: the trial took longer than {run.trial_timeout} s"
    elif isinstance(error, asyncio.CancelledError | TrialInterrupted):
        reason = run.ended_by
    else:
        reason = repr(error)
    return Outcome(TrialState.FAIL, None, reason)


async def run_trials(run: Run) -> None:
    """Run trials, one after the other, until the budget is used up."""
    while (ticket := run.take()) is not None:
        await run_trial(run, ticket.carried)


async def run_trial(run: Run, carried: tuple[int, View] | None = None) -> None:
    """Run one trial to its end.

    Whatever happens, the trial is finished when this returns or raises.

    :param carried: a trial that has been asked for already
    """
    session = run.session
    number, view = await session.ask(run.place) if carried is None else carried
    trial = run.caller.trial(session, number, view)
    error: BaseException | None = None
    returned: Any = None
    try:
        returned = await run.caller.call(trial, run.trial_timeout)
        outcome = judge_return(returned, len(session.store.history.directions))
    except ReturnedAwaitable:
        run.carried.append((number, view))
        raise
    except Exception as raised:
        error = raised
        outcome = _outcome_of(raised, trial, run)
    except asyncio.CancelledError as raised:
        if _cancelled_from_outside():
            await _finish_and_leave(run, trial, raised)
            raise
        error = RuntimeError(f"The objective of trial {number} was cancelled from within.")
        error.__cause__ = raised
        outcome = Outcome(TrialState.FAIL, None, repr(raised))
    except BaseException as raised:
        await _finish_and_leave(run, trial, raised)
        raise
    await _finish(run, trial, outcome, error, returned)
    if outcome.state is TrialState.FAIL and error is not None and not _is_caught(error, run):
        raise error
    await _after(run, trial)


def _is_caught(error: BaseException, run: Run) -> bool:
    return isinstance(error, (TrialTimedOut, *run.catch)) or isinstance(error.__cause__, run.catch)


async def _finish(
    run: Run, trial: LiveTrial, outcome: Outcome, error: BaseException | None, returned: Any
) -> None:
    session = run.session
    try:
        await run.place.final(session.finish(trial.number, trial.view, outcome))
    except UpdateFinishedTrialError:
        # Ended from elsewhere: by `tell`, or by whoever found its lease expired.
        say_late(trial.number, outcome)
        return
    shown = None if isinstance(error, TrialTimedOut) else error
    say_finished(session.store.history, trial, outcome, shown, returned)


async def _finish_and_leave(run: Run, trial: LiveTrial, error: BaseException) -> None:
    await _finish(run, trial, _outcome_of(error, trial, run), error, None)
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
