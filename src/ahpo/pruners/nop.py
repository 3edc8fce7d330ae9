"""The pruner that never prunes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ahpo.pruners.base import KEEP, ArrayPruner, Decision, Progress

if TYPE_CHECKING:
    from ahpo.history.view import View

__all__ = ("NopPruner",)


class NopPruner(ArrayPruner):
    """Never prune a trial: ``trial.should_prune()`` is always False."""

    def decide(self, view: View, trial: Progress) -> Decision:
        """Keep the trial."""
        return KEEP
