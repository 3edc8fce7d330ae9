"""Try again, for a while, to reach what can not be reached."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from ahpo.exceptions import StorageInternalError
from ahpo.storages.exchange import StorageUnavailable

__all__ = ("PATIENCE", "Patience", "patiently")

T = TypeVar("T")


class Patience(NamedTuple):
    """How many seconds to try in all, how long to pause at first and at most, and what waits.

    What the attempts take counts, too: those that hang do so for long.
    """

    total: float = 60.0
    first: float = 0.05
    longest: float = 2.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


PATIENCE = Patience()


async def patiently(work: Callable[[bool], Awaitable[T]], patience: Patience) -> T:
    """Return what ``await work(repeated)`` does, once it does not raise `StorageUnavailable`.

    :raises StorageInternalError: if it still does after all that time
    """
    pause, waited, repeated = patience.first, 0.0, False
    while True:
        began = time.monotonic()
        try:
            return await work(repeated)
        except StorageUnavailable as error:
            waited += time.monotonic() - began
            repeated = True
            if waited >= patience.total:
                raise StorageInternalError(
                    f"The storage could not be reached for {waited:.0f} s: {error}"
                ) from error
        await patience.sleep(pause)
        waited, pause = waited + pause, min(2.0 * pause, patience.longest)
