"""Which exceptions prune a trial, and what such a trial is worth."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ahpo.engine.outcome import Outcome, judge_tell
from ahpo.exceptions import TrialPruned
from ahpo.states import TrialState

if TYPE_CHECKING:
    from ahpo.engine.live_trial import LiveTrial

__all__ = ("is_pruned", "pruned_outcome")


def is_pruned(error: BaseException) -> bool:
    """Tell whether an exception prunes its trial: ours does, and Optuna's where it is loaded."""
    if isinstance(error, TrialPruned):
        return True
    if isinstance(error, BaseExceptionGroup):  # raised inside a task group of the objective
        return all(map(is_pruned, error.exceptions))
    optuna = sys.modules.get("optuna")
    return optuna is not None and isinstance(error, getattr(optuna, "TrialPruned", ()))


def pruned_outcome(trial: LiveTrial) -> Outcome:
    """Return the end of a pruned trial, whose value is the one reported last."""
    reports = trial.reports
    last = reports[max(reports)] if reports else None
    return judge_tell(None, TrialState.PRUNED, 1, last)
