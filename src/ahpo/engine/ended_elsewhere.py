"""A trial that somebody else has finished: its objective is told, and made to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ahpo.engine.live_trial import LiveTrial

__all__ = ("LOST", "TrialLost", "is_lost")

# Why such a trial is interrupted.
LOST = "finished from elsewhere"


class TrialLost(Exception):
    """Tell that somebody else has finished the trial while its objective was running."""


def is_lost(trial: LiveTrial) -> bool:
    """Tell whether somebody else has finished the trial."""
    return trial.interrupted_by == LOST
