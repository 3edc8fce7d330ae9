"""The arguments of `optimize`, checked before anything starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ahpo.engine.budget import Budget
from ahpo.engine.caller import is_async_callable

if TYPE_CHECKING:
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("Options",)


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
