"""What a store is to do in an exchange, and who waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from ahpo.history.facts import Fact
from ahpo.storages.exchange import Create, Reap, Start
from ahpo.storages.pending import Pending

__all__ = ("Item", "Result", "recorded")

# Who waits, the result, and the error.
Result: TypeAlias = tuple[Pending[Any], Any, BaseException | None]


class Item(NamedTuple):
    """Something to be done, and who waits for it; ``read`` is whether news are to be read."""

    what: Fact | Start | Create | Reap | None
    pending: Pending[Any] | None = None
    read: bool = False


def recorded(items: Iterable[Item]) -> Iterator[Fact]:
    """Give the facts that the history has already: nobody waits for them."""
    for what, pending, _ in items:
        if pending is None and what is not None:
            assert not isinstance(what, Start | Create | Reap)  # somebody waits for those
            yield what
