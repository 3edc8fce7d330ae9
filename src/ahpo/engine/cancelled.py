"""Is it a cancellation? Asked also where asyncio is not loaded."""

from __future__ import annotations

import sys

__all__ = ("is_cancelled",)


def is_cancelled(error: BaseException) -> bool:
    """Tell whether an exception is asyncio's cancellation."""
    # Plain code must not pay for the import of asyncio, and without it nothing is cancelled.
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)
