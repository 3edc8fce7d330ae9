"""Await what a callable returned, in a context of its own."""

from __future__ import annotations

import contextvars
import math
import types
from collections.abc import Awaitable, Coroutine
from typing import Any

from ahpo.engine.watch import Watch, watched

__all__ = ("as_coroutine", "in_own_context")

_UNWATCHED = Watch(math.inf)


async def _awaiting(made: Awaitable[Any]) -> Any:
    return await made


def as_coroutine(made: Awaitable[Any]) -> Coroutine[Any, Any, Any]:
    """Return a coroutine that awaits what a callable returned: that itself, if it is one."""
    return made if isinstance(made, types.CoroutineType) else _awaiting(made)


async def in_own_context(made: Awaitable[Any], number: int) -> Any:
    """Await what a callback returned, in a copy of the context.

    A variable that it sets is not there for what the task does next.

    :param number: the trial that it was called for
    """
    return await watched(as_coroutine(made), number, _UNWATCHED, contextvars.copy_context())
