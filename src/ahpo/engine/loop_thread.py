"""An event loop in a thread of its own, for the synchronous face."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from anyio.from_thread import start_blocking_portal

from ahpo.engine.signals import terminate_by_exit

if TYPE_CHECKING:
    from ahpo.engine.session import Session

__all__ = ("run_on_own_loop",)


def run_on_own_loop(session: Session, work: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine function in a new thread with a new loop, and wait until it has ended.

    Ctrl-C and SIGTERM reach the calling thread: they cancel the work, which finishes its trials,
    and are raised when it has. The thread is gone when this returns.
    """
    with terminate_by_exit(), start_blocking_portal("asyncio") as portal:
        future = portal.start_task_soon(work)
        try:
            future.result()
        except (KeyboardInterrupt, SystemExit) as signal:
            if session.run is not None:
                session.run.ended_by = type(signal).__name__
                session.run.budget.stop()
            future.cancel()
            raise
