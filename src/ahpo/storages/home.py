"""What the store of a study needs of the storage that has opened it."""

from __future__ import annotations

from typing import Any, Protocol

from ahpo.storages.exchange import Link
from ahpo.storages.patience import Patience
from ahpo.storages.protocol import StudyStore

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

    def reopened(self, study_name: str) -> StudyStore:
        """Open a study, blocking this thread."""
        ...

    def forget(self, store: Any) -> None:
        """Take notice that the study of a store has been deleted."""
        ...
