"""`optimize`: many trials at once on an event loop, or one after the other in this thread."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from ahpo.engine.budget import Budget
from ahpo.engine.drive import drive
from ahpo.engine.faces import face
from ahpo.engine.gate import Gate
from ahpo.engine.invoke import (
    Caller,
    CoroutineCaller,
    InlineCaller,
    ReturnedAwaitable,
    ThreadCaller,
    is_async_callable,
)
from ahpo.engine.places import Inline, Place
from ahpo.engine.progress import Progress
from ahpo.engine.run import Notify, Run
from ahpo.engine.runner import finish_rest, run_trial, run_trials
from ahpo.engine.signals import terminate_on_loop
from ahpo.engine.watch import Watch

if TYPE_CHECKING:
    from ahpo.engine.session import Session
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("Options", "optimize_inline", "optimize_on_loop")


class Options:
    """Hold the checked arguments of ``optimize``.

    :raises TypeError: for an argument of a wrong type
    :raises ValueError: for an argument out of its range
    """

    def __init__(
        self,
        objective: Callable[[Any], Any],
        n_trials: int | None,
        timeout: float | None,
        n_jobs: int,
        catch: Iterable[type[BaseException]] | type[BaseException],
        callbacks: Iterable[Callable[[Any, FrozenTrial], Any]] | None,
        gc_after_trial: bool,
        show_progress_bar: bool,
        trial_timeout: float | None,
        executor: Any,
    ) -> None:
        if not callable(objective):
            raise TypeError(f"`func` must be callable, but it is {objective!r}.")
        if n_trials is not None and not _is_number(n_trials):
            raise TypeError(f"`n_trials` must be an int or None, but it is {n_trials!r}.")
        for name, seconds in (("timeout", timeout), ("trial_timeout", trial_timeout)):
            if seconds is not None and not _is_number(seconds):
                raise TypeError(f"`{name}` must be seconds or None, but it is {seconds!r}.")
        if trial_timeout is not None and not trial_timeout > 0:
            raise ValueError(f"`trial_timeout` must be above 0, but it is {trial_timeout!r}.")
        if isinstance(n_jobs, bool) or not hasattr(n_jobs, "__index__"):
            raise TypeError(f"`n_jobs` must be an int, but it is {n_jobs!r}.")
        if n_jobs < 1 and n_jobs != -1:
            raise ValueError(
                f"`n_jobs` must be at least 1, or -1 for all CPUs, but it is {n_jobs}."
            )
        if executor not in ("auto", "thread"):
            raise ValueError(f"`executor` must be 'auto' or 'thread', but it is {executor!r}.")
        self.objective = objective
        self.n_trials = n_trials
        self.timeout = timeout
        self.n_jobs = (os.cpu_count() or 1) if n_jobs == -1 else int(n_jobs)
        self.catch = _checked_catch(catch)
        self.callbacks = _checked_callbacks(callbacks)
        self.gc_after_trial = bool(gc_after_trial)
        self.show_progress_bar = bool(show_progress_bar)
        self.trial_timeout = trial_timeout
        self.executor = executor
        self.is_async = is_async_callable(objective)
        if self.is_async and executor == "thread":
            raise ValueError(
                "`executor` must be 'auto' with an `async def` objective, which runs on the event "
                "loop, but it is 'thread'."
            )

    def budget(self, now: float) -> Budget:
        """Return how many trials may start, from now on."""
        return Budget(self.n_trials, None if self.timeout is None else now + self.timeout)

    def fits_in_place(self) -> bool:
        """Tell whether one trial after the other can run in the caller's own thread."""
        return (
            self.n_jobs == 1
            and self.executor == "auto"
            and not self.is_async
            and not any(map(is_async_callable, self.callbacks))
        )


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and (
        hasattr(value, "__float__") or hasattr(value, "__index__")
    )


def _checked_catch(catch: Any) -> tuple[type[BaseException], ...]:
    kinds = (catch,) if isinstance(catch, type) else tuple(catch) if _is_iterable(catch) else None
    if kinds is None or not all(
        isinstance(k, type) and issubclass(k, BaseException) for k in kinds
    ):
        raise TypeError(
            f"`catch` must be an exception class or several of them, but it is {catch!r}."
        )
    return kinds


def _checked_callbacks(callbacks: Any) -> tuple[Callable[[Any, Any], Any], ...]:
    if callbacks is None:
        return ()
    found = tuple(callbacks) if _is_iterable(callbacks) else None
    if found is None or not all(map(callable, found)):
        raise TypeError(f"`callbacks` must be several callables or None, but it is {callbacks!r}.")
    return found


def _is_iterable(value: Any) -> bool:
    return hasattr(value, "__iter__")


# -- one after the other, in this thread ------------------------------------------------------


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
    run = _new_run(session, options, caller, Inline(gate), notify, gate)
    with _Underway(run, options):
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


def _new_run(
    session: Session,
    options: Options,
    caller: Caller,
    place: Place,
    notify: tuple[Notify, ...],
    gate: Gate | None = None,
) -> Run:
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


class _Underway:
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
        self._run.session.run = None
        if self._run.progress is not None:
            self._run.progress.close()


# -- many at once, on an event loop ----------------------------------------------------------


def _calls_back(session: Session, callback: Callable[[Any, Any], Any]) -> Notify:
    if is_async_callable(callback):
        study = face(session, "async")

        async def notify(frozen: FrozenTrial) -> None:
            await callback(study, frozen)

        return notify
    study = face(session, "sync")

    async def notify_in_thread(frozen: FrozenTrial) -> None:
        # A plain callback may take its time, or use the synchronous face: not on the loop.
        await anyio.to_thread.run_sync(callback, study, frozen)

    return notify_in_thread


def _caller(options: Options) -> Caller:
    if options.is_async:
        return CoroutineCaller(options.objective, Watch())
    return ThreadCaller(options.objective, options.n_jobs)


async def optimize_on_loop(
    session: Session, options: Options, goes_on: Run | None = None, notify: tuple[Notify, ...] = ()
) -> None:
    """Run the trials on the running event loop, ``n_jobs`` at a time.

    :param goes_on: the run that `optimize_inline` could not finish
    :param notify: what to call with each finished trial before the callbacks
    """
    callbacks = tuple(_calls_back(session, callback) for callback in options.callbacks)
    run = _new_run(session, options, _caller(options), session.place(), (*notify, *callbacks))
    if goes_on is not None:
        run.budget, run.carried = goes_on.budget, goes_on.carried
        run.unfinished = goes_on.unfinished
        run.caller = CoroutineCaller(options.objective, Watch())
    n_runners = options.n_jobs
    if options.n_trials is not None:
        n_runners = max(1, min(n_runners, options.n_trials))
    try:
        await session.settle()
        with _Underway(run, options), terminate_on_loop(run):
            await _run_group(run, n_runners)
    finally:
        await finish_rest(run)
    if run.error is not None:
        raise run.error


async def _run_group(run: Run, n_runners: int) -> None:
    async with anyio.create_task_group() as group:
        run.scope = group.cancel_scope
        for _ in range(n_runners):
            group.start_soon(_runner, run)


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
        if run.is_ending():
            raise
        # A task that ends as cancelled is missed by nobody, and its trials would be.
        error = RuntimeError("A task that runs trials was cancelled, but not `optimize`.")
        error.__cause__ = cancelled
        run.fail(error)
    except BaseException as error:
        run.fail(error)
