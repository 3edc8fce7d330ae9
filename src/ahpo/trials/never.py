"""The answer of a trial that is never pruned, for plain and for coroutine objectives."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

__all__ = ("NEVER", "Never")


class Never(int):
    """Be false, and give False when awaited, since nobody knows which kind of objective asks."""

    # An int, as a bool is, which can have no subclass.
    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, bool]:
        return False
        yield

    def __repr__(self) -> str:
        return "False"


NEVER: Final = Never(0)
