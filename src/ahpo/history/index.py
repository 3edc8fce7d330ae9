"""The base class of the incremental indexes that a history keeps for its readers.

An index is a fold over facts: it sees each finished trial and each system attribute once, in the
order in which the history learned of them, and never sees anything else. So what it answers costs
nothing per trial at the time of the question. The history alone writes to an index; readers may be
in other threads, so every answer must stay right while a value is being added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ahpo.history.records import FinishedTrial

__all__ = ("Index",)


class Index:
    """Derive data from the facts of a study, one fact at a time.

    Subclasses override what they need; both methods do nothing by default.
    """

    def finished(self, row: FinishedTrial) -> None:
        """Take in one trial that became COMPLETE, PRUNED or FAIL; called once per trial."""

    def attribute(self, number: int, key: str, value: Any) -> None:
        """Take in one system attribute that was set on trial ``number``, whatever its state."""
