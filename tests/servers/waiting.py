"""Wait for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ("until",)

_PAUSE = 0.01


def until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Return as soon as the condition holds; it is asked again and again.

    :raises TimeoutError: it did not hold within these seconds
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(_PAUSE)
