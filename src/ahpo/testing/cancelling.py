"""Cancel a coroutine at its n-th suspension: wherever it waits for something."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, NamedTuple

__all__ = ("Attempt", "attempt")


class Attempt(NamedTuple):
    """Say how a coroutine ended that was to be cancelled."""

    reached: bool  # whether it came so far that it was cancelled
    cancelled: bool  # whether it ended so, and did not finish its work first
    result: Any


@types.coroutine
def _steps(
    coroutine: Coroutine[Any, Any, Any], suspended: Callable[[], None]
) -> Generator[Any, Any, Any]:
    resume: Callable[[Any], Any] = coroutine.send
    sent: Any = None
    while True:
        try:
            waits_for = resume(sent)
        except StopIteration as end:
            return end.value
        suspended()
        try:
            sent = yield waits_for
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:
            resume, sent = coroutine.throw, error
        else:
            resume = coroutine.send


async def attempt(coroutine: Coroutine[Any, Any, Any], n: int) -> Attempt:
    """Run a coroutine in a task of its own, which is cancelled at its n-th suspension, from 1.

    What else it raises is raised.
    """
    count = 0

    def suspended() -> None:
        nonlocal count
        count += 1
        if count == n:
            task.cancel()

    async def work() -> Any:
        return await _steps(coroutine, suspended)

    task = asyncio.get_running_loop().create_task(work())
    await asyncio.wait({task})
    if task.cancelled():
        return Attempt(True, True, None)
    return Attempt(count >= n, False, task.result())
