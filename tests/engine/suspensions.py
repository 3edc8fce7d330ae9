"""Act at the k-th suspension of a program: whenever any of its tasks hands over to the loop."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

__all__ = ("Suspensions",)


class Suspensions:
    """Count the suspensions of all tasks that start from now on, and act at some of them.

    Each await that really waits, in whatever task and however deep, is one suspension. The order
    in which a loop runs its tasks is fixed, so the k-th one is the same in each run.

    :param act: called with the suspended task and the name of its coroutine function, at the
        suspensions of ``at``
    :param at: numbers of suspensions, from 1
    """

    def __init__(
        self, act: Callable[[asyncio.Task[Any], str], object], at: tuple[int, ...]
    ) -> None:
        self.count = 0
        self._act = act
        self._at = frozenset(at)

    def install(self) -> None:
        """Watch the tasks that the running loop makes from now on."""
        asyncio.get_running_loop().set_task_factory(self._make_task)

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Task[Any]:
        # Not by the name of the task: a loop gives it one after it was made.
        async def watched() -> Any:
            return await self.steps(coroutine, coroutine.__qualname__)

        return asyncio.Task(watched(), loop=loop, **options)

    @types.coroutine
    def steps(self, coroutine: Coroutine[Any, Any, Any], name: str) -> Generator[Any, Any, Any]:
        """Run a coroutine as `await` would, and count where it waits."""
        resume: Callable[[Any], Any] = coroutine.send
        sent: Any = None
        while True:
            try:
                waits_for = resume(sent)
            except StopIteration as end:
                return end.value
            self._suspended(name)
            try:
                sent = yield waits_for
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:
                resume, sent = coroutine.throw, error
            else:
                resume = coroutine.send

    def _suspended(self, name: str) -> None:
        self.count += 1
        if self.count in self._at:
            task = asyncio.current_task()
            assert task is not None
            self._act(task, name)
