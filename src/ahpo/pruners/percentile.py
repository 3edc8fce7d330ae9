"""Pruning by a percentile of what other trials had reported at the same step.

The stopping rule of Google Vizier (Golovin et al., 2017, section 3.2.2), generalized from the
median to any percentile, and on the raw values instead of their running averages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ahpo.pruners.base import KEEP, PRUNE, ArrayPruner, Decision, Progress
from ahpo.pruners.intervals import check_schedule, is_due
from ahpo.pruners.step_index import StepIndex
from ahpo.states import StudyDirection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ahpo.history.view import View

__all__ = ("PercentilePruner", "best_of")


def best_of(values: Iterable[float], maximize: bool) -> float | None:
    """Return the best value, NaN aside; None if there is no other."""
    numbers = [value for value in values if value == value]
    if not numbers:
        return None
    return max(numbers) if maximize else min(numbers)


class PercentilePruner(ArrayPruner):
    """Prune a trial whose best value is outside the best ``percentile`` % at its step.

    It is compared with the values that complete trials reported at the same step, NaN aside. A
    trial that reported nothing but NaN is pruned.

    :param percentile: from 0 to 100; 25.0 keeps the best quarter.
    :param n_startup_trials: nothing is pruned before so many trials are complete.
    :param n_warmup_steps: nothing is pruned at steps below this.
    :param interval_steps: steps between checks, counted from the warm-up. A check at which there
        was no report is made at the next report. At least 1.
    :param n_min_trials: nothing is pruned at a step that fewer complete trials reached. At least 1.
    :raises ValueError: if an argument is outside its range.
    """

    def __init__(
        self,
        percentile: float,
        n_startup_trials: int = 5,
        n_warmup_steps: int = 0,
        interval_steps: int = 1,
        *,
        n_min_trials: int = 1,
    ) -> None:
        if not 0.0 <= percentile <= 100.0:
            raise ValueError(f"`percentile` must be between 0 and 100, but it is {percentile}.")
        if n_startup_trials < 0:
            raise ValueError(
                f"`n_startup_trials` is a number of trials and must be at least 0, "
                f"but it is {n_startup_trials}."
            )
        check_schedule(n_warmup_steps, interval_steps)
        if n_min_trials < 1:
            raise ValueError(
                f"`n_min_trials` is a number of trials and must be at least 1, "
                f"but it is {n_min_trials}."
            )
        self._percentile = percentile
        self._n_startup_trials = n_startup_trials
        self._n_warmup_steps = n_warmup_steps
        self._interval_steps = interval_steps
        self._n_min_trials = n_min_trials

    def decide(self, view: View, trial: Progress) -> Decision:
        """Return the decision, in O(number of reports of this trial)."""
        reports = dict(trial.intermediate_values)
        if not reports:
            return KEEP
        step = max(reports)
        if not is_due(step, reports, self._n_warmup_steps, self._interval_steps):
            return KEEP
        index = view.index(StepIndex)
        # Even with no start-up there must be one trial to compare with.
        if index.n_complete < max(1, self._n_startup_trials):
            return KEEP
        maximize = view.directions[0] is StudyDirection.MAXIMIZE
        best = best_of(reports.values(), maximize)
        if best is None:
            return PRUNE
        if index.count(step) < self._n_min_trials:
            return KEEP
        if maximize:
            worse = best < index.percentile(step, 100.0 - self._percentile)
        else:
            worse = best > index.percentile(step, self._percentile)
        return PRUNE if worse else KEEP
