"""The ways in which a study can run its objective; each is `way(session, body, **options)`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ahpo.engine.session import Session
from tests.engine.loops import run
from tests.engine.studies import async_study, sync_study

__all__ = ("ON_LOOP", "THREADED", "WAYS", "Way", "as_coroutine")

Body = Callable[[Any], Any]
Way = Callable[..., None]


def as_coroutine(body: Body) -> Body:
    """Return a coroutine objective that does what a plain one does, and waits a turn before it."""

    async def objective(trial: Any) -> Any:
        await asyncio.sleep(0)
        return body(trial)

    return objective


def _in_place(session: Session, body: Body, **options: Any) -> None:
    sync_study(session).optimize(body, **options)


def _threads(session: Session, body: Body, **options: Any) -> None:
    sync_study(session).optimize(body, executor="thread", **options)


def _own_loop(session: Session, body: Body, **options: Any) -> None:
    sync_study(session).optimize(as_coroutine(body), **options)


def _loop(session: Session, body: Body, **options: Any) -> None:
    run(lambda: async_study(session).optimize(as_coroutine(body), **options))


def _uvloop(session: Session, body: Body, **options: Any) -> None:
    run(lambda: async_study(session).optimize(as_coroutine(body), **options), "uvloop")


def _loop_threads(session: Session, body: Body, **options: Any) -> None:
    run(lambda: async_study(session).optimize(body, **options))


def _stream(session: Session, body: Body, **options: Any) -> None:
    async def main() -> None:
        async for _ in async_study(session).stream(as_coroutine(body), **options):
            pass

    run(main)


WAYS: dict[str, Way] = {
    "in place": _in_place,
    "threads": _threads,
    "own loop": _own_loop,
    "asyncio": _loop,
    "uvloop": _uvloop,
    "asyncio with threads": _loop_threads,
    "stream": _stream,
}
THREADED = ("threads", "asyncio with threads")
ON_LOOP = ("own loop", "asyncio", "uvloop", "stream")
