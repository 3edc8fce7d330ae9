"""Finished trials as they finish: ``async for frozen in study.stream(...)``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ahpo.engine.host import running_task
from ahpo.engine.lines import say_dropped
from ahpo.engine.on_loop import optimize_on_loop
from ahpo.engine.options import Options
from ahpo.engine.unbroken import outlast

if TYPE_CHECKING:
    from ahpo.engine.session import Session
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("TrialStream",)


class _Feed:
    """Carry finished trials, and then None and perhaps an error, from the study to who iterates."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[FrozenTrial | None] = asyncio.Queue()
        self.error: BaseException | None = None
        self.left = False

    async def fill(self, session: Session, options: Options) -> None:
        """Run the study to its end."""
        own = asyncio.current_task()
        try:
            await optimize_on_loop(session, options, notify=(self._put,))
        except BaseException as error:
            if running_task() is not own:
                raise  # the loop was closed: there is nobody left to tell
            self._end(error)
        else:
            self._end(None)

    def _end(self, error: BaseException | None) -> None:
        self.queue.put_nowait(None)
        if isinstance(error, asyncio.CancelledError):
            raise error
        if error is not None and self.left:
            say_dropped(error)
            if not isinstance(error, Exception):
                raise error
        self.error = error

    async def _put(self, frozen: FrozenTrial) -> None:
        self.queue.put_nowait(frozen)


class TrialStream:
    """Iterate over finished trials.

    An exception that ends the study is raised here, after the trials that finished before it.
    Leaving the loop early cancels the rest. An ``async for`` can not wait for that; what the study
    is awaited for next does, and ``async with contextlib.aclosing(stream)`` does so at once.
    """

    # The loop that iterates can not hold a task group open over its turns, since whoever leaves it
    # early closes it from elsewhere: so the stream owns a task, cancels it and waits for it.

    def __init__(self, session: Session, options: Options) -> None:
        self._session = session
        self._options = options
        self._feed = _Feed()
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    def __aiter__(self) -> _Turns:
        return _Turns(self)

    async def __anext__(self) -> FrozenTrial:
        if self._ended:
            raise StopAsyncIteration
        if self._task is None:
            filling = self._feed.fill(self._session, self._options)
            self._task = asyncio.get_running_loop().create_task(filling)
        try:
            frozen = await self._feed.queue.get()
        except BaseException:
            await self.aclose()
            raise
        if frozen is not None:
            return frozen
        self._ended = True
        await self._task
        error = self._feed.error
        if isinstance(error, StopAsyncIteration):  # which would look like the end of the stream
            raise RuntimeError("The study ended with StopAsyncIteration.") from error
        if error is not None:
            raise error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Cancel the rest, and return when no trial is running any more."""
        self.leave()
        if self._task is not None:
            cancelled = await outlast(self._task)
            self._session.leaving.discard(self._task)
            if cancelled is not None:
                raise cancelled

    def leave(self) -> None:
        """Cancel the rest; what the study is awaited for next waits until it has ended."""
        task, feed = self._task, self._feed
        if self._ended or task is None:
            self._ended = True
            return
        self._ended = feed.left = True
        if feed.error is not None:
            say_dropped(feed.error)
        if not task.done() and not task.get_loop().is_closed():
            self._session.leaving.add(task)
            # Garbage may be collected in any thread.
            task.get_loop().call_soon_threadsafe(task.cancel)

    def __del__(self) -> None:
        self.leave()


class _Turns:
    """Be what one ``async for`` holds, so that its end is noticed even if the stream is kept."""

    def __init__(self, stream: TrialStream) -> None:
        self._stream = stream

    def __aiter__(self) -> _Turns:
        return self

    async def __anext__(self) -> FrozenTrial:
        return await self._stream.__anext__()

    def __del__(self) -> None:
        self._stream.leave()
