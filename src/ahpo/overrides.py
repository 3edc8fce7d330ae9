"""Whether somebody has put methods of their own in place of those of a class."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ("keeps",)


def keeps(thing: object, kind: type, methods: Iterable[str]) -> bool:
    """Tell whether methods of an object are those of a class, overridden nowhere below it."""
    own = vars(thing)
    return all(
        name not in own and getattr(type(thing), name) is getattr(kind, name) for name in methods
    )
