"""Exchanges in the thread of plain code, which saves it four changes of threads.

Plain code waits for the exchange that it asks for, so it may as well carry it out, where that takes
no event loop: with a file. It is tried only when nobody else is at it, and holds back signals: what
Python raises between any two instructions would leave half of it done.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from ahpo.storages.exchange import Link, Request, Response
from ahpo.storages.pending import in_plain_code

__all__ = ("HeldSignals", "in_place", "may_be_in_place")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def may_be_in_place(link: Link | None) -> bool:
    """Tell whether a link may be able to carry out an exchange in this thread."""
    return link is not None and link.in_place and in_plain_code()


def in_place(link: Link, request: Request) -> Response:
    """Carry out a request in this thread.

    :raises NotInPlace: if that is not possible, and nothing has happened
    """
    coroutine = link.exchange(request)
    try:
        coroutine.send(None)
    except StopIteration as end:
        response: Response = end.value
        return response
    coroutine.close()
    raise RuntimeError(f"{link!r} waits for something, so it is none for plain code.")


class HeldSignals:
    """Hold back Ctrl-C and SIGTERM while something is carried out, and let them in after it."""

    def __init__(self) -> None:
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._noted: list[tuple[int, FrameType | None]] = []

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # signals raise in no other one
        for signum in _SIGNALS:
            handler = signal.getsignal(signum)
            if callable(handler):
                self._before[signum] = handler
                signal.signal(signum, self._note)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._noted.append((signum, frame))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for signum in reversed(self._before):
            signal.signal(signum, self._before[signum])
        for signum, frame in self._noted:
            self._before[signum](signum, frame)
