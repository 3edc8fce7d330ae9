"""The base class of the incremental indexes that a history keeps for its readers.

An index is a fold over facts: it sees each finished trial, each system attribute and each parameter
of an open trial once, in the order in which the history learned of them, and nothing else. So what
it answers costs nothing per trial at the time of the question. The history alone writes to an
index; readers may be in other threads, so every answer must stay right while a value is being
added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ahpo.distributions import BaseDistribution
    from ahpo.history.records import FinishedTrial

__all__ = ("Index",)


class Index:
    """Derive data from the facts of a study, one fact at a time.

    Subclasses override what they need; by default nothing is done.
    """

    def finished(self, row: FinishedTrial) -> None:
        """Take in one trial that became COMPLETE, PRUNED or FAIL; called once per trial."""

    def attribute(self, number: int, key: str, value: Any) -> None:
        """Take in one system attribute that was set on trial ``number``, whatever its state."""

    def param(self, number: int, name: str, value: float, distribution: BaseDistribution) -> None:
        """Take in one parameter that an open trial got; those of finished trials are in the row."""
