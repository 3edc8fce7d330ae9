"""Try again, for a while, to reach what can not be reached."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from ahpo.exceptions import StorageInternalError
from ahpo.storages.exchange import StorageUnavailable, StorageUnreachable

__all__ = ("PATIENCE", "OneWait", "Patience", "patiently")

T = TypeVar("T")


class Patience(NamedTuple):
    """How many seconds to try in all, how long to pause at first and at most, and what waits.

    What the attempts take counts, too: those that hang do so for long. ``clock`` tells.
    """

    total: float = 60.0
    first: float = 0.05
    longest: float = 2.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic


PATIENCE = Patience()


async def patiently(
    work: Callable[[bool], Awaitable[T]], patience: Patience, was_there: bool = True
) -> T:
    """Return what ``await work(repeated)`` does, once it does not raise `StorageUnavailable`.

    :param was_there: whether the storage has been reached before; if not, and nothing answers, its
        address is taken to be wrong
    :raises StorageInternalError: if it still does after all that time
    """
    pause, waited, repeated = patience.first, 0.0, False
    while True:
        began = patience.clock()
        try:
            return await work(repeated)
        except StorageUnavailable as error:
            if not was_there and isinstance(error, StorageUnreachable):
                raise StorageInternalError(str(error)) from error
            if repeated:  # the first attempt may have waited for a connection that was long dead
                waited += patience.clock() - began
            if waited >= patience.total:
                raise StorageInternalError(
                    f"The storage could not be reached for {waited:.0f} s: {error}"
                ) from error
        await patience.sleep(pause)
        waited, pause, repeated = waited + pause, min(2.0 * pause, patience.longest), True


class OneWait:
    """Let those who come after a storage was given up not wait for it again."""

    def __init__(self) -> None:
        self._in_vain: str | None = None  # what was said then

    def was_noticed_by_nobody(self) -> None:
        """Take back that the storage was given up: nobody has waited for what was tried."""
        self._in_vain = None

    async def patiently(self, work: Callable[[bool], Awaitable[T]], patience: Patience) -> T:
        """Do as `patiently`; the first one after it was given up tries once, and says the same."""
        before, self._in_vain = self._in_vain, None
        if before is not None:
            patience = patience._replace(total=0.0)
        try:
            return await patiently(work, patience)
        except StorageInternalError as error:
            if not isinstance(error.__cause__, StorageUnavailable):
                raise
            self._in_vain = before or str(error)
            raise StorageInternalError(self._in_vain) from error.__cause__
