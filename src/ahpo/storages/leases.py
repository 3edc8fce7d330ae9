"""How long a running trial may go without a sign of life, and what is done about one that does."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from ahpo.logging import get_logger

__all__ = ("LEASES", "LEASE_EXPIRED", "Leases", "Renewing", "keep")

LEASE_EXPIRED = "its worker gave no sign of life (the lease expired)"

_logger = get_logger("ahpo.storages")


class Leases(NamedTuple):
    """How leases are kept.

    ``interval`` is how often they are renewed, ``grace`` how long one lasts without, in seconds.
    ``sleep`` is what waits in between.
    """

    interval: float = 60.0
    grace: float = 120.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


LEASES = Leases()


class Renewing(Protocol):
    """Hold leases, unless the study of the trials has been deleted."""

    @property
    def deleted(self) -> bool:
        """Whether there is nothing left to hold them for."""
        ...

    async def renew(self) -> None:
        """Renew them."""
        ...


async def keep(store: weakref.ref[Renewing], leases: Leases) -> None:
    """Renew the leases of a store's trials, and reap those of others, until the store is gone."""
    while True:
        await leases.sleep(leases.interval)
        kept = store()
        if kept is None or kept.deleted:
            return
        try:
            await kept.renew()
        except Exception as error:
            # The next time may do better; if not, the leases expire, which is what they are for.
            _logger.warning(f"The leases of running trials could not be renewed: {error!r}.")
        del kept
