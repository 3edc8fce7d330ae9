"""Event loops for these tests: asyncio's own, uvloop, and one in which hours pass at once."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

__all__ = ("LOOPS", "VirtualClock", "VirtualTimeLoop", "new_loop", "run")

T = TypeVar("T")
Main = Callable[[], Coroutine[Any, Any, T]]

LOOPS = ("asyncio", "uvloop")
EPOCH = 1_700_000_000_000_000  # when virtual time begins, in microseconds
_PATIENCE = 60.0  # real seconds without any event after which a test is stuck


class _JumpingSelector(selectors.DefaultSelector):
    """Never wait for time to pass: tell the loop that it has."""

    jump: Callable[[float], None]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:  # nothing is scheduled, so only another thread can go on
            events = super().select(_PATIENCE)
            assert events, "the loop waits for something that never comes"
            return events
        events = super().select(0)
        if not events and timeout > 0:
            self.jump(timeout)
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Be an event loop whose time jumps to the next timer as soon as nobody has anything to do."""

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.jump = self._jump
        self.seconds = 0.0
        super().__init__(selector)

    def _jump(self, seconds: float) -> None:
        self.seconds += seconds

    def time(self) -> float:
        return self.seconds


class VirtualClock:
    """Tell the time of a loop; or, without one, the time that it was told."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed if self._loop is None else self._loop.time()

    def now(self) -> int:
        return EPOCH + round(self.monotonic() * 1e6)


def new_loop(kind: str) -> asyncio.AbstractEventLoop:
    """Return a new loop: ``asyncio``, ``uvloop`` or ``virtual``."""
    if kind == "virtual":
        return VirtualTimeLoop()
    return uvloop.new_event_loop() if kind == "uvloop" else asyncio.SelectorEventLoop()


def run(main: Main[T], kind: str = "asyncio", debug: bool = True) -> T:
    """Run a coroutine function on a new loop, and fail if it leaves a task behind."""

    async def checked() -> T:
        result = await main()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks were left running: {left}"
        return result

    with asyncio.Runner(debug=debug, loop_factory=lambda: new_loop(kind)) as runner:
        return runner.run(checked())
