"""Runs whose event loop was closed while they were under way: nobody else will finish them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ahpo.engine.places import Place
from ahpo.engine.run import Run
from ahpo.engine.runner import finish_rest

if TYPE_CHECKING:
    from ahpo.engine.session import Session

__all__ = ("finish_lost",)


async def finish_lost(session: Session, place: Place) -> None:
    """Fail the trials that such runs have left, so that the study can go on.

    Their own tasks can not do so: they never run again.
    """
    for run in tuple(session.runs):
        if isinstance(run, Run) and run.is_lost():
            session.runs.discard(run)
            run.is_ending, run.place, run.ended_by = True, place, "the event loop was closed"
            if run.progress is not None:
                run.progress.close()
            await finish_rest(run)
            if run.error is not None:
                raise run.error
