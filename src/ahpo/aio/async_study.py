"""The study of the asynchronous face: what may have to wait is a coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ahpo.dataframe import DEFAULT_ATTRS, trials_dataframe
from ahpo.distributions import BaseDistribution
from ahpo.engine import operations
from ahpo.engine.async_trial import AsyncTrial
from ahpo.engine.block import TrialBlock
from ahpo.engine.live_trial import LiveTrial
from ahpo.engine.loop_place import place_of, settle
from ahpo.engine.on_loop import optimize_on_loop
from ahpo.engine.options import Options
from ahpo.engine.reader import StudyFace
from ahpo.engine.stream import TrialStream
from ahpo.states import TrialState
from ahpo.trials.frozen import FrozenTrial

if TYPE_CHECKING:
    import pandas as pd

__all__ = ("AsyncStudy",)

Objective = Callable[[Any], Any]
Callback = Callable[[Any, FrozenTrial], Any]


class AsyncStudy(StudyFace):
    """Be a study on an event loop.

    Made by `ahpo.aio.create_study` and `ahpo.aio.load_study`. Properties and ``stop`` are plain;
    what may have to wait is a coroutine.
    """

    async def optimize(
        self,
        func: Objective,
        n_trials: int | None = None,
        timeout: float | None = None,
        n_jobs: int = 1,
        catch: Iterable[type[Exception]] | type[Exception] = (),
        callbacks: Iterable[Callback] | None = None,
        gc_after_trial: bool = False,
        show_progress_bar: bool = False,
        *,
        trial_timeout: float | None = None,
        executor: str = "auto",
    ) -> None:
        """Run trials of an objective, ``n_jobs`` at a time.

        When this returns or raises, whatever the reason, no trial of it is running.

        :param func: the objective. ``async def`` runs on the event loop and gets an `AsyncTrial`;
            ``def`` runs in a thread and gets a `Trial`
        :param n_trials: how many trials to start; None for any number
        :param timeout: seconds after which no new trial starts; None for never
        :param n_jobs: how many trials run at once; -1 for the number of CPUs
        :param catch: exceptions that fail their trial and let the study go on
        :param callbacks: called with the study and each finished trial; ``async def`` ones are
            awaited, ``def`` ones run in a thread and get a `Study`
        :param gc_after_trial: collect garbage after each trial
        :param show_progress_bar: show a bar
        :param trial_timeout: seconds after which a trial is cancelled and fails; None for never
        :param executor: ``"auto"``, or ``"thread"`` for ``def`` objectives
        :raises Exception: what the objective raised, unless it is in ``catch``
        :raises TypeError: for an argument of a wrong type
        :raises ValueError: for an argument out of its range
        :raises RuntimeError: if the study is being optimized already
        """
        options = Options(
            func,
            n_trials,
            timeout,
            n_jobs,
            catch,
            callbacks,
            gc_after_trial,
            show_progress_bar,
            trial_timeout,
            executor,
        )
        await optimize_on_loop(self._session, options)

    def stream(
        self,
        func: Objective,
        n_trials: int | None = None,
        timeout: float | None = None,
        n_jobs: int = 1,
        catch: Iterable[type[Exception]] | type[Exception] = (),
        callbacks: Iterable[Callback] | None = None,
        gc_after_trial: bool = False,
        show_progress_bar: bool = False,
        *,
        trial_timeout: float | None = None,
        executor: str = "auto",
    ) -> TrialStream:
        """Run trials as `optimize` does, and iterate over them as they finish.

        ``async for frozen in study.stream(objective, n_trials=100, n_jobs=10): ...``; leaving the
        loop early cancels the rest.

        :raises TypeError: for an argument of a wrong type
        :raises ValueError: for an argument out of its range
        """
        options = Options(
            func,
            n_trials,
            timeout,
            n_jobs,
            catch,
            callbacks,
            gc_after_trial,
            show_progress_bar,
            trial_timeout,
            executor,
        )
        return TrialStream(self._session, options)

    def trial(self) -> TrialBlock:
        """Run one trial by hand: ``async with study.trial() as trial: trial.tell(value)``.

        An exception fails the trial, ``TrialPruned`` prunes it, and leaving without a value is a
        RuntimeError.
        """
        return TrialBlock(self._session)

    async def ask(
        self, fixed_distributions: dict[str, BaseDistribution] | None = None
    ) -> AsyncTrial:
        """Start a trial that `tell` finishes.

        :param fixed_distributions: parameters to suggest at once, by name
        :raises TypeError: if ``fixed_distributions`` is no dict of distributions
        """
        session = self._session
        await settle(session)
        return await operations.ask(session, place_of(session), AsyncTrial, fixed_distributions)

    async def tell(
        self,
        trial: LiveTrial | int,
        values: float | Sequence[float] | None = None,
        state: TrialState | None = None,
        skip_if_finished: bool = False,
    ) -> FrozenTrial:
        """Finish a trial, and return it.

        :param trial: what `ask` returned, or its number
        :param values: the value, or one for each objective
        :param state: COMPLETE, PRUNED or FAIL; None decides by the values
        :param skip_if_finished: leave a finished trial as it is, instead of raising
        :raises TypeError: if ``trial`` is neither a trial nor a number
        :raises ValueError: if there is no such trial, it does not run, or the values do not fit
        """
        place = place_of(self._session)
        return await operations.tell(self._session, place, trial, values, state, skip_if_finished)

    async def enqueue_trial(
        self,
        params: dict[str, Any],
        user_attrs: dict[str, Any] | None = None,
        skip_if_exists: bool = False,
    ) -> None:
        """Let a later trial have these parameters.

        :param params: values by name; what is missing is sampled
        :param user_attrs: user attributes of that trial
        :param skip_if_exists: do nothing if a trial has exactly these parameters
        :raises TypeError: if ``params`` is no dict
        """
        await operations.enqueue_trial(self._session, params, user_attrs, skip_if_exists)

    async def add_trial(self, trial: FrozenTrial) -> None:
        """Add a trial made elsewhere, by `create_trial` for example.

        :raises TypeError: if it is no FrozenTrial
        :raises ValueError: if it contradicts itself or does not fit the study
        """
        await operations.add_trials(self._session, [trial])

    async def add_trials(self, trials: Iterable[FrozenTrial]) -> None:
        """Add trials made elsewhere: all of them, or none.

        :raises TypeError: if one is no FrozenTrial
        :raises ValueError: if one contradicts itself or does not fit the study
        """
        await operations.add_trials(self._session, trials)

    def set_metric_names(self, metric_names: list[str]) -> None:
        """Name the objectives.

        :raises ValueError: if there is not one name for each objective
        """
        operations.set_metric_names(self._session, metric_names)

    async def refresh(self) -> None:
        """Learn what other processes have written."""
        await settle(self._session)
        await self._session.store.refresh()

    def trials_dataframe(
        self, attrs: tuple[str, ...] = DEFAULT_ATTRS, multi_index: bool = False
    ) -> pd.DataFrame:
        """Return the trials as a pandas DataFrame, one row each.

        :param attrs: which attributes become columns
        :param multi_index: give nested attributes a second level of column names
        :raises ImportError: if pandas is missing
        """
        return trials_dataframe(
            self.get_trials(deepcopy=False), attrs, multi_index, self.directions, self.metric_names
        )

    async def _fail_stale_trials(self) -> None:
        await asyncio.to_thread(self._session.stale, await self._session.store.reap())

    async def aclose(self) -> None:
        """Release what the study holds open."""
        await settle(self._session)
        await self._session.storage.aclose()

    async def __aenter__(self) -> AsyncStudy:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
