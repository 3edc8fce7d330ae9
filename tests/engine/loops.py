"""Event loops for these tests: asyncio's own, uvloop, and one in which hours pass at once."""

from __future__ import annotations

import asyncio
import gc
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
    held = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout != 0 and (timeout is None or self.held):  # only another thread can go on
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
        self.selector = _JumpingSelector()
        self.selector.jump = self._jump
        self.seconds = 0.0
        super().__init__(self.selector)

    def hold(self, held: bool = True) -> None:
        """Let no time pass, so that threads can do something meanwhile; or let it pass again."""
        self.selector.held = held

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
    """Run a coroutine function on a new loop.

    It fails if a task is left running, or if an exception was lost that asyncio could only log.
    """
    lost: list[dict[str, Any]] = []

    async def checked() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
        result = await main()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks were left running: {left}"
        gc.collect(0)
        assert not lost, f"exceptions were lost: {lost}"
        return result

    with asyncio.Runner(debug=debug, loop_factory=lambda: new_loop(kind)) as runner:
        return runner.run(checked())
