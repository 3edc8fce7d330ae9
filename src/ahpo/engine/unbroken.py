"""Await something to its end, whatever is cancelled meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import anyio

__all__ = ("outlast", "unbroken")

T = TypeVar("T")


async def outlast(*tasks: asyncio.Task[Any]) -> asyncio.CancelledError | None:
    """Return when the tasks have ended: the last cancellation of the caller until then, if any."""
    try:
        await _end_of(tasks)
        return None
    except asyncio.CancelledError as error:
        cancelled = error
    # The scope keeps anyio from cancelling over and over, which no task could wait through. Where
    # nobody cancels, which is as a rule, it is not paid for.
    with anyio.CancelScope(shield=True):
        while not all(task.done() for task in tasks):
            try:
                await _end_of(tasks)
            except asyncio.CancelledError as error:
                cancelled = error
    return cancelled


async def _end_of(tasks: tuple[asyncio.Task[Any], ...]) -> None:
    # What `asyncio.wait` does, in a third of its time.
    for task in tasks:
        if task.done():
            continue
        ended: asyncio.Future[None] = task.get_loop().create_future()

        def tell(_: object, ended: asyncio.Future[None] = ended) -> None:
            if not ended.done():
                ended.set_result(None)

        task.add_done_callback(tell)
        await ended


async def unbroken(
    work: Coroutine[Any, Any, T], undo: Callable[[T], Coroutine[Any, Any, None]] | None = None
) -> T:
    """Return what the coroutine returns; a cancellation of the caller waits until it has.

    anyio's shield holds off its own scopes only. `Task.cancel`, as asyncio's timeouts, task groups
    and Ctrl-C use it, goes through: hence a task of its own, which nobody else knows to cancel.

    :param undo: awaited with the result, likewise unbroken, if the caller is cancelled instead of
        getting it
    """
    task = asyncio.get_running_loop().create_task(work)
    cancelled = await outlast(task)
    result = task.result()
    if cancelled is None:
        return result
    if undo is not None:
        await unbroken(undo(result))
    raise cancelled
