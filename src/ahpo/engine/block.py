"""One trial by hand: ``async with study.trial() as trial``."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from ahpo.engine.async_trial import AsyncTrial
from ahpo.engine.ended_elsewhere import LOST, call_if_open, is_lost
from ahpo.engine.lines import say_finished
from ahpo.engine.loop_place import place_of, settle
from ahpo.engine.outcome import Outcome, judge_tell
from ahpo.engine.pruned import is_pruned, pruned_outcome
from ahpo.engine.safe_repr import safe_repr
from ahpo.engine.signals import terminate_block
from ahpo.exceptions import UpdateFinishedTrialError
from ahpo.states import TrialState

if TYPE_CHECKING:
    from ahpo.engine.session import Session
    from ahpo.history.view import View

__all__ = ("BlockTrial", "TrialBlock")


class BlockTrial(AsyncTrial):
    """Be the trial of an ``async with study.trial()`` block."""

    def __init__(self, session: Session, number: int, view: View) -> None:
        super().__init__(session, number, view)
        self.outcome: Outcome | None = None

    def tell(
        self, values: float | Sequence[float] | None = None, state: TrialState | None = None
    ) -> None:
        """Say how the trial ends; it is recorded when the block is left.

        :param values: the value, or one for each objective
        :param state: COMPLETE, PRUNED or FAIL; None decides by the values
        :raises ValueError: if the values do not fit the state, or the end was told before
        """
        if self.outcome is not None:
            raise ValueError(f"The end of trial {self.number} was told before: {self.outcome}.")
        reports = self.reports
        last = reports[max(reports)] if reports else None
        n_objectives = len(self._session.store.history.directions)
        outcome = judge_tell(values, state, n_objectives, last)
        if outcome.reason is not None:
            warnings.warn(f"{outcome.reason}.", UserWarning, stacklevel=2)
        self.outcome = outcome


class TrialBlock:
    """Run one trial as an ``async with`` block, which finishes it in every way of leaving.

    An exception fails the trial and goes on; ``TrialPruned`` prunes it and ends there; leaving
    without ``trial.tell(value)`` fails it and is a RuntimeError. SIGTERM cancels the block and then
    exits, unless the program handles it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._trial: BlockTrial | None = None
        self._task: asyncio.Task[object] | None = None
        self._guard = contextlib.AsyncExitStack()
        self.ended_by = "cancelled"

    def end(self, by: str) -> None:
        """Cancel what runs in the block."""
        # Once: it may have to await something in its `finally`.
        task, self._task = self._task, None
        if task is not None:
            self.ended_by = by
            task.cancel()

    async def __aenter__(self) -> BlockTrial:
        session = self._session
        await settle(session)
        self._task = asyncio.current_task()
        async with contextlib.AsyncExitStack() as guard:
            await guard.enter_async_context(terminate_block(self))
            self._trial = BlockTrial(session, *await session.ask(place_of(session)))
            self._guard = guard.pop_all()
        if session.store.waits:
            loop, end = asyncio.get_running_loop(), partial(self.end, LOST)
            self._trial.on_interrupt = lambda: call_if_open(loop, end)
            session.begin(self._trial)
        return self._trial

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        async with self._guard:
            return await self._leave(error)

    async def _leave(self, error: BaseException | None) -> bool:
        trial, session = self._trial, self._session
        assert trial is not None
        trial.on_interrupt = None
        self._task = None  # what comes later is too late
        if is_lost(trial) and self.ended_by == LOST:
            current = asyncio.current_task()
            others = current is not None and current.uncancel()
            if others and isinstance(error, asyncio.CancelledError):
                return False
            raise UpdateFinishedTrialError(
                f"Trial {trial.number} was finished from elsewhere while its block was running."
            ) from error
        pruned = error is not None and is_pruned(error)
        outcome = self._outcome(trial, error)
        forgotten = error is None and trial.outcome is None
        await self._finish(trial, outcome)
        say_finished(session.store.history, trial, outcome, error)
        if forgotten:
            raise RuntimeError(
                f"The block of trial {trial.number} was left without a value: call "
                "`trial.tell(value)` inside, or raise TrialPruned."
            )
        return pruned

    async def _finish(self, trial: BlockTrial, outcome: Outcome) -> None:
        session, number = self._session, trial.number
        place = place_of(session)
        try:
            await place.final(session.finish(number, trial.view, outcome))
        except Exception as error:
            # Nobody else will end it; but what was wrong at first is what counts.
            with contextlib.suppress(Exception):
                failed = Outcome(TrialState.FAIL, None, safe_repr(error))
                await place.final(session.end_for_good(number, failed))
            raise

    def _outcome(self, trial: BlockTrial, error: BaseException | None) -> Outcome:
        if error is None:
            missing = Outcome(TrialState.FAIL, None, "the block was left without a value")
            return trial.outcome or missing
        if is_pruned(error):
            return pruned_outcome(trial)
        reason = self.ended_by if isinstance(error, asyncio.CancelledError) else safe_repr(error)
        return Outcome(TrialState.FAIL, None, reason)
