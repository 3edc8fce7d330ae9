"""What the store of a study needs of the storage that has opened it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ahpo.storages.exchange import Link
from ahpo.storages.patience import Patience

if TYPE_CHECKING:
    from ahpo.storages.replica import ReplicaStore

__all__ = ("Home",)


class Home(Protocol):
    """Be the storage of a replica."""

    patience: Patience

    def now(self) -> int:
        """Return the time of day, in microseconds since the epoch."""
        ...

    async def relink(self, study_name: str) -> Link:
        """Return another link to a study."""
        ...

    def reopened(self, study_name: str) -> ReplicaStore:
        """Open a study, blocking this thread."""
        ...

    def forget(self, store: ReplicaStore) -> None:
        """Take notice that the study of a store has been deleted."""
        ...
