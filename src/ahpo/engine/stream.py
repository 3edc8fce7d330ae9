"""Finished trials as they finish: ``async for frozen in study.stream(...)``."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from ahpo.engine.optimize import Options, optimize_on_loop

if TYPE_CHECKING:
    from ahpo.engine.session import Session
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("TrialStream",)

_Queue = asyncio.Queue["FrozenTrial | None"]


async def _fill(session: Session, options: Options, queue: _Queue) -> None:
    async def put(frozen: FrozenTrial) -> None:
        queue.put_nowait(frozen)

    try:
        await optimize_on_loop(session, options, notify=(put,))
    finally:
        queue.put_nowait(None)


class TrialStream:
    """Iterate over finished trials; the study runs as long as somebody iterates.

    An exception that ends the study is raised here, after the trials that finished before it.
    Leaving the loop early cancels the rest. A ``for`` loop can not wait for that; what the study
    is awaited for next does, and ``async with contextlib.aclosing(stream)`` does so at once.
    """

    # The loop that iterates can not hold a task group open over its `yield`s, since whoever leaves
    # it early closes it from elsewhere: so the stream owns a task, cancels it and waits for it.

    def __init__(self, session: Session, options: Options) -> None:
        self._session = session
        self._options = options
        self._queue: _Queue = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    def __aiter__(self) -> TrialStream:
        return self

    async def __anext__(self) -> FrozenTrial:
        if self._ended:
            raise StopAsyncIteration
        if self._task is None:
            filling = _fill(self._session, self._options, self._queue)
            self._task = asyncio.get_running_loop().create_task(filling)
        try:
            frozen = await self._queue.get()
        except BaseException:
            await self.aclose()
            raise
        if frozen is None:
            self._ended = True
            await self._task
            raise StopAsyncIteration
        return frozen

    async def aclose(self) -> None:
        """Cancel the rest, and return when no trial is running any more."""
        self._ended = True
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def __del__(self) -> None:
        task = self._task
        if task is not None and not task.done() and not task.get_loop().is_closed():
            task.cancel()
            self._session.leaving = task
