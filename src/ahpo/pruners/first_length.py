"""How long trials are, judged by the first one that was completed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ahpo.history.index import Index
from ahpo.states import TrialState

if TYPE_CHECKING:
    from ahpo.history.records import FinishedTrial

__all__ = ("FirstLength",)


class FirstLength(Index):
    """Remember the largest step of the first COMPLETE trial that reported anything.

    Once known it never changes, so rungs and brackets that depend on it stay what they are, also
    in a study that is resumed.
    """

    def __init__(self) -> None:
        self.last_step: int | None = None

    def finished(self, row: FinishedTrial) -> None:
        """Take in one trial."""
        if self.last_step is None and row.state is TrialState.COMPLETE and row.intermediate_values:
            self.last_step = max(row.intermediate_values)
