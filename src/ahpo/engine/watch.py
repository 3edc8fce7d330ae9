"""Notice a coroutine objective that keeps the event loop from running."""

from __future__ import annotations

import contextvars
import time
import types
import warnings
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from ahpo.exceptions import ObjectiveBlocksLoopWarning

__all__ = ("BLOCKING_SECONDS", "Watch", "watched")

# A step this long is no accident of the scheduler, and others can feel it.
BLOCKING_SECONDS = 0.5


class Watch:
    """Warn, once, of the first step of an objective that takes too long.

    :param limit: seconds that one step between two awaits may take
    :param timer: what measures them
    """

    def __init__(
        self, limit: float = BLOCKING_SECONDS, timer: Callable[[], float] = time.perf_counter
    ) -> None:
        self.limit = limit
        self.timer = timer
        self._warned = False

    def slow(self, number: int, seconds: float) -> None:
        """Warn that a step of the trial took that long."""
        if self._warned:
            return
        self._warned = True
        warnings.warn(
            f"The objective of trial {number} blocked the event loop for {seconds:.2f} s, so that "
            "no other trial could go on: await something that does not block, move the work to a "
            "thread with `await asyncio.to_thread(...)`, or make the objective a plain `def`.",
            ObjectiveBlocksLoopWarning,
            stacklevel=2,
        )


@types.coroutine
def watched(
    objective: Coroutine[Any, Any, Any], number: int, watch: Watch, context: contextvars.Context
) -> Generator[Any, Any, Any]:
    """Run a coroutine as `await` would, in a context, and measure each of its steps."""
    run, timer, limit = context.run, watch.timer, watch.limit
    resume: Callable[[Any], Any] = objective.send
    sent: Any = None
    while True:
        start = timer()
        try:
            waits_for = run(resume, sent)
        except StopIteration as end:
            return end.value
        finally:
            seconds = timer() - start
            if seconds > limit:
                watch.slow(number, seconds)
        try:
            sent = yield waits_for
        except GeneratorExit as closing:
            try:
                run(objective.close)
            finally:
                raise closing  # whatever it makes of that: nobody will go on with it
        except BaseException as error:
            resume, sent = objective.throw, error
        else:
            resume = objective.send
