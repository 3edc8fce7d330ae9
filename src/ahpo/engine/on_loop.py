"""`optimize` on an event loop: many trials at once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from ahpo.engine.caller import Caller, ReturnedAwaitable, is_async_callable
from ahpo.engine.faces import face
from ahpo.engine.lines import say_dropped
from ahpo.engine.loop_callers import CoroutineCaller, ThreadCaller
from ahpo.engine.loop_place import place_of, settle
from ahpo.engine.options import Options
from ahpo.engine.run import Notify, Run
from ahpo.engine.runner import finish_rest, run_trial
from ahpo.engine.signals import terminate_on_loop
from ahpo.engine.unbroken import unbroken
from ahpo.engine.underway import Underway, new_run
from ahpo.engine.watch import Watch

if TYPE_CHECKING:
    from ahpo.engine.session import Session
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("optimize_on_loop",)


def _calls_back(session: Session, callback: Callable[[Any, Any], Any]) -> Notify:
    if is_async_callable(callback):
        study = face(session, "async")

        async def notify(frozen: FrozenTrial) -> None:
            await callback(study, frozen)

        return notify
    study = face(session, "sync")

    async def notify_in_thread(frozen: FrozenTrial) -> None:
        # A plain callback may take its time, or use the synchronous face: not on the loop.
        # A thread can not be cancelled, and must not be left behind.
        await unbroken(anyio.to_thread.run_sync(callback, study, frozen))

    return notify_in_thread


def _caller(options: Options) -> Caller:
    if options.is_async:
        return CoroutineCaller(options.objective, Watch())
    return ThreadCaller(options.objective, options.n_jobs)


async def optimize_on_loop(
    session: Session,
    options: Options,
    goes_on: Run | None = None,
    *,
    notify: tuple[Notify, ...] = (),
    begun: Callable[[Run], None] | None = None,
) -> None:
    """Run the trials on the running event loop, ``n_jobs`` at a time.

    :param goes_on: the run that `optimize_inline` could not finish
    :param notify: what to call with each finished trial before the callbacks
    :param begun: what to call with the run before it starts
    """
    callbacks = tuple(_calls_back(session, callback) for callback in options.callbacks)
    run = new_run(session, options, _caller(options), place_of(session), (*notify, *callbacks))
    if goes_on is not None:
        run.budget, run.carried = goes_on.budget, goes_on.carried
        run.unfinished = goes_on.unfinished
        run.caller = CoroutineCaller(options.objective, Watch())
    if begun is not None:
        begun(run)
    n_runners = options.n_jobs
    if options.n_trials is not None:
        n_runners = max(1, min(n_runners, math.ceil(options.n_trials)))
    async with terminate_on_loop(run):
        try:
            await settle(session)
            if session.warms_up is not None:
                await unbroken(anyio.to_thread.run_sync(session.warms_up))
                if goes_on is None:  # what was imported is not the study's time
                    run.budget.deadline = options.budget(session.clock.monotonic()).deadline
            with Underway(run, options):
                await _run_group(run, n_runners)
        except BaseException:
            await finish_rest(run)
            if isinstance(run.error, KeyboardInterrupt | SystemExit):
                raise run.error from None  # it counts more than any cancellation
            if run.error is not None:
                say_dropped(run.error)
            raise
        await finish_rest(run)
    if run.error is not None:
        raise run.error


async def _run_group(run: Run, n_runners: int) -> None:
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[None]] = []

        def cancel() -> None:
            for task in tasks:
                task.cancel()

        run.on_cancel(cancel)  # before the first task: an eager one runs, and fails, at once
        tasks.extend(group.create_task(_runner(run)) for _ in range(n_runners))
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            # Said before the group cancels them, so that each knows why.
            run.end(run.ended_by)
            with anyio.CancelScope(shield=True):  # a scope would cancel over and over
                await asyncio.wait(tasks)
            raise


async def _runner(run: Run) -> None:
    try:
        while (ticket := run.take()) is not None:
            try:
                await run_trial(run, ticket.carried)
            except ReturnedAwaitable:
                # The objective is async after all (a lambda around one, say): call it as such.
                if not isinstance(run.caller, CoroutineCaller):
                    run.caller = CoroutineCaller(run.caller.objective, Watch())
            # An objective that never waits must not keep the others, or Ctrl-C, from their turn.
            await asyncio.sleep(0)
    except GeneratorExit:
        raise
    except asyncio.CancelledError as cancelled:
        if run.is_ending:
            raise
        # A task that ends as cancelled is missed by nobody, and its trials would be.
        error = RuntimeError("A task that runs trials was cancelled, but not `optimize`.")
        error.__cause__ = cancelled
        run.fail(error)
    except BaseException as error:
        run.fail(error)
