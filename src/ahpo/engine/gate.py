"""Ctrl-C and SIGTERM for plain code: let into what the user wrote, held back from the engine."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ("EXIT_CODE", "Gate", "handler_of")

EXIT_CODE = 128 + signal.SIGTERM

_Handler = Callable[[int, FrameType | None], Any]


def handler_of(signum: int) -> Any:
    """Return who handles a signal. A closed loop does so no more, though uvloop stays entered."""
    handler = signal.getsignal(signum)
    loop_is_closed = getattr(getattr(handler, "__self__", None), "is_closed", None)
    return signal.SIG_DFL if callable(loop_is_closed) and loop_is_closed() else handler


def _exit(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(EXIT_CODE)


class Gate:
    """Decide when a signal may raise.

    Python raises KeyboardInterrupt between any two instructions of the main thread. In the
    engine's own code that could leave a trial that nobody finishes. So a signal is noted while the
    gate is closed, and raised when it opens: around the objective, a callback, a sampler. One that
    gets in closes the gate behind it, so that a second one does not undo what the first one makes
    the engine do. But where the engine waits for a storage, which may take long, a second signal
    insists: it gets in, and what is left running is left to its leases.

    What a signal raises is up to the handler that was there before: a user's own is called just
    the same. SIGTERM, which by default would kill the process, raises SystemExit.
    """

    def __init__(self) -> None:
        self.may_insist = False  # whether a second signal gets in though the gate is closed
        self.insisted = False
        self._open = False
        self._before: dict[int, _Handler] = {}
        self._noted: int | None = None
        self.ended_by: str | None = None

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Guard what runs inside, if this is the main thread: in no other does a signal raise."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        try:
            for signum in (signal.SIGINT, signal.SIGTERM):
                self._install(signum)
            yield
        finally:
            self._uninstall()
        self.check()

    def _install(self, signum: signal.Signals) -> None:
        before = handler_of(signum)
        if before is signal.SIG_DFL and signum == signal.SIGTERM:
            before = _exit
        if callable(before):  # ignored signals stay ignored
            self._before[signum] = before
            signal.signal(signum, self._handle)

    def _uninstall(self) -> None:
        interruption: BaseException | None = None
        while True:
            try:
                for number, before in self._before.items():
                    if signal.getsignal(number) == self._handle:  # or somebody's, who keeps it
                        signal.signal(number, signal.SIG_DFL if before is _exit else before)
                break
            except BaseException as error:  # from the handler that is back already: once more
                interruption = error
        if interruption is not None:
            raise interruption

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        again = self._noted is not None or self.ended_by is not None
        if self._open:
            self._let_in(signum, frame)
        elif again and self.may_insist:
            self.insisted = True
            self._let_in(signum, frame)
        else:
            self._noted = signum

    def _let_in(self, signum: int, frame: FrameType | None) -> None:
        was_open, self._open, self._noted = self._open, False, None
        before = self.ended_by
        self.ended_by = "KeyboardInterrupt" if signum == signal.SIGINT else "SIGTERM"
        self._before[signum](signum, frame)
        self._open, self.ended_by = was_open, before  # a handler that raised nothing: go on

    def forget(self) -> bool:
        """Return whether a signal was noted, and forget it."""
        noted, self._noted = self._noted, None
        return noted is not None

    @property
    def is_awaited(self) -> bool:
        """Tell whether a signal was noted, which waits to be let in."""
        return self._noted is not None

    def check(self) -> None:
        """Raise what was noted."""
        if self._noted is not None:
            self._let_in(self._noted, sys._getframe(1))

    def open(self) -> None:
        """Let signals in, the one that was noted first."""
        self._open = True
        self.check()

    def close(self) -> None:
        """Hold signals back."""
        self._open = False
