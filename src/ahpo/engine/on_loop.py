"""`optimize` on an event loop: many trials at once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio

from ahpo.engine.caller import Caller, ReturnedAwaitable, is_async_callable, is_awaitable
from ahpo.engine.carried import carried
from ahpo.engine.faces import face
from ahpo.engine.host import Host
from ahpo.engine.in_thread import in_thread
from ahpo.engine.lines import say_dropped
from ahpo.engine.loop_callers import CoroutineCaller, ThreadCaller
from ahpo.engine.loop_place import place_of, settle
from ahpo.engine.options import Options
from ahpo.engine.own_context import in_own_context
from ahpo.engine.run import Notify, Run
from ahpo.engine.runner import finish_rest, pay, run_trial
from ahpo.engine.signals import terminate_on_loop
from ahpo.engine.unbroken import outlast, unbroken
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
            await in_own_context(callback(study, frozen), frozen.number)

        return notify
    study = face(session, "sync")

    async def notify_in_thread(frozen: FrozenTrial) -> None:
        # A plain callback may take its time, or use the synchronous face: not on the loop.
        # A thread can not be cancelled, and must not be left behind.
        returned = await unbroken(in_thread(lambda: callback(study, frozen)))
        if is_awaitable(returned):
            await in_own_context(returned, frozen.number)

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
        run.go_on_from(goes_on)
        if run.carried:
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
                await unbroken(in_thread(session.warms_up))
                if goes_on is None:  # what was imported is not the study's time
                    run.budget.deadline = options.budget(session.clock.monotonic()).deadline
            with Underway(run, options):
                await _run_all(run, n_runners)
        except GeneratorExit:
            raise  # the loop was closed: nothing can be awaited any more
        except BaseException:
            await finish_rest(run)
            if isinstance(run.error, KeyboardInterrupt | SystemExit):
                raise run.error from None  # it counts more than any cancellation
            if run.error is not None:
                say_dropped(run.error)
            raise
        await finish_rest(run)
    if run.error is not None:
        raise carried(run.error)


async def _run_all(run: Run, n_runners: int) -> None:
    # No task group: the runners end by themselves, with nothing to raise, and a group would wait
    # for them even in a coroutine that is being closed.
    host = run.host = Host()  # before the first task: an eager one runs, and fails, at once
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(_runner(run, host)) for _ in range(n_runners)]
    host.tasks.update(tasks)
    try:
        await asyncio.wait(tasks)
    except asyncio.CancelledError:
        run.end(run.ended_by)
        try:
            with anyio.CancelScope(shield=True):  # a scope would cancel over and over
                await asyncio.wait(tasks)
        except asyncio.CancelledError:  # who cancels twice is heard once more
            host.cancel()
            await outlast(*tasks)
        raise


async def _runner(run: Run, host: Host) -> None:
    task = asyncio.current_task()
    assert task is not None
    host.tasks.add(task)
    try:
        if run.owed is not None:
            owed, run.owed = run.owed, None
            await pay(run, owed)
        while (ticket := run.take()) is not None:
            try:
                await run_trial(run, ticket)
            except ReturnedAwaitable:
                # The objective is async after all (a lambda around one, say): call it as such.
                if not isinstance(run.caller, CoroutineCaller):
                    run.caller = CoroutineCaller(run.caller.objective, Watch())
            # An objective that never waits must not keep the others, or Ctrl-C, from their turn.
            await asyncio.sleep(0)
    except BaseException as error:
        if host.is_closing():
            raise
        if not isinstance(error, asyncio.CancelledError):
            run.fail(error)
        elif not run.is_ending:
            # A task that ends as cancelled is missed by nobody, and its trials would be.
            failed = RuntimeError("A task that runs trials was cancelled, but not `optimize`.")
            failed.__cause__ = error
            run.fail(failed)
