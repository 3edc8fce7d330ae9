"""The life of one trial in `optimize`: ask, call the objective, tell, call back."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from ahpo.engine.caller import ReturnedAwaitable, TrialTimedOut
from ahpo.engine.cancelled import is_cancelled
from ahpo.engine.carried import carried, uncarried
from ahpo.engine.ended_elsewhere import LOST, TrialLost
from ahpo.engine.lines import say_finished, say_late
from ahpo.engine.outcome import Outcome, judge_return
from ahpo.engine.own_context import in_own_context
from ahpo.engine.pruned import is_pruned, pruned_outcome
from ahpo.engine.run import Owed, Run, Ticket
from ahpo.engine.safe_repr import safe_repr
from ahpo.exceptions import StorageInternalError, TrialInterrupted, UpdateFinishedTrialError
from ahpo.states import TrialState

if TYPE_CHECKING:
    from ahpo.engine.live_trial import LiveTrial
    from ahpo.engine.session import Successor
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("finish_rest", "is_pruned", "pay", "pruned_outcome", "run_trial", "run_trials")


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
    elif isinstance(error, TrialLost):
        reason = LOST
    elif isinstance(error, TrialInterrupted) or is_cancelled(error):
        reason = run.ended_by
    elif isinstance(error, KeyboardInterrupt | SystemExit) and run.gate is not None:
        reason = run.gate.ended_by or safe_repr(error)
    else:
        reason = safe_repr(error)
    return Outcome(TrialState.FAIL, None, reason)


async def run_trials(run: Run) -> None:
    """Run trials, one after the other, until the budget is used up."""
    session, has_run = run.session, False
    while True:
        if session.may_run_out and session.store.waits:
            await session.store.refresh()  # what is left to try depends on what others do
            if has_run:
                _look_round(run)
        ticket = run.take()
        if ticket is None:
            return
        await run_trial(run, ticket)
        has_run = True
        if run.gate is not None:
            run.gate.check()


async def finish_rest(run: Run) -> None:
    """Fail the trials that the run has left: none, unless a write failed or nobody took them up."""
    if run.gate is not None and run.gate.insisted:  # who insists does not wait for a storage
        return _leave_rest(run)
    reason = run.ended_by if run.error is None else safe_repr(run.error)
    for number in tuple(run.unfinished):
        try:
            ended = run.session.end_for_good(number, Outcome(TrialState.FAIL, None, reason))
            await run.place.final(ended)
        except UpdateFinishedTrialError:
            pass  # the answer to its last write was lost, but not the write
        except StorageInternalError as error:
            run.fail(error)
            return _leave_rest(run)  # what can not be written takes long to find out
        except Exception as error:
            run.fail(error)
            continue
        run.unfinished.discard(number)


def _leave_rest(run: Run) -> None:
    for number in run.unfinished:
        run.session.store.abandon(number)


async def run_trial(run: Run, ticket: Ticket) -> None:
    """Run one trial to its end, and where it saves a wait, start the next one.

    Whatever happens, the trial is finished when this returns or raises.
    """
    session = run.session
    number, view = ticket.begun or await session.ask(run.place, ticket.started)
    run.unfinished.add(number)
    trial = run.caller.trial(session, number, view)
    if session.store.waits:
        session.begin(trial)
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
        if run.is_closing():
            raise
        error = uncarried(raised)
        outcome = _outcome_of(error, trial, run)
    except BaseException as raised:
        if run.is_closing():
            raise
        if run.is_ending or not is_cancelled(raised):
            await _finish_and_leave(run, trial, raised)
            raise
        if run.gate is None:
            _forget_cancellation()
        cancelled = raised
        error = RuntimeError(f"The objective of trial {number} was cancelled from within.")
        error.__cause__ = raised
        outcome = Outcome(TrialState.FAIL, None, f"cancelled from within: {safe_repr(raised)}")
    # Whoever catches CancelledError means the one behind our RuntimeError.
    raises = outcome.state is TrialState.FAIL and error is not None
    if raises and isinstance(cancelled or error, (TrialTimedOut, TrialLost, *run.catch)):
        raises = False
    await _finish(run, trial, outcome, error, returned, None if raises else run)
    if raises:
        assert error is not None
        raise carried(error)
    await _after(run, trial)


async def _finish(
    run: Run,
    trial: LiveTrial,
    outcome: Outcome,
    error: BaseException | None,
    returned: Any,
    successor: Successor | None = None,
) -> None:
    session, number = run.session, trial.number
    history = session.store.history
    try:
        await run.place.final(session.finish(number, trial.view, outcome, successor))
    except UpdateFinishedTrialError:
        # Ended from elsewhere: by `tell`, or by whoever found its lease expired.
        run.unfinished.discard(trial.number)
        say_late(trial.number, outcome)
        return
    except BaseException:
        # The sampler raised, say: the end is recorded all the same.
        if history.state(trial.number).is_finished():
            _say_end(run, trial, outcome, error, returned)
        raise
    _say_end(run, trial, outcome, error, returned)


def _say_end(
    run: Run, trial: LiveTrial, outcome: Outcome, error: BaseException | None, returned: Any
) -> None:
    run.unfinished.discard(trial.number)
    # That a trial timed out is said; what it made of that has a traceback to show.
    shown = error.__cause__ if isinstance(error, TrialTimedOut) else error
    say_finished(run.session.store.history, trial, outcome, shown, returned)


async def _finish_and_leave(run: Run, trial: LiveTrial, error: BaseException) -> None:
    try:
        await _finish(run, trial, _outcome_of(error, trial, run), error, None)
    finally:
        await run.caller.settle(trial)


async def _after(run: Run, trial: LiveTrial) -> None:
    await run.caller.settle(trial)
    if run.notify:
        await _notify(run, run.session.store.history.frozen(trial.number))
    _look_round(run)


async def pay(run: Run, owed: Owed) -> None:
    """Await what a callback returned in place, and go on after it."""
    await in_own_context(owed.awaitable, owed.frozen.number)
    await _notify(run, owed.frozen, owed.n_notified)
    _look_round(run)


async def _notify(run: Run, frozen: FrozenTrial, first: int = 0) -> None:
    for notify in run.notify[first:]:
        await notify(frozen)


def _look_round(run: Run) -> None:
    if run.session.exhausted():
        run.budget.stop()
    if run.gc_after_trial:
        gc.collect()
    if run.progress is not None:
        run.progress.update(run.session.store.history, run.elapsed())
