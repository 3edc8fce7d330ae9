"""Pruning by the median of what other trials had reported at the same step."""

from __future__ import annotations

from ahpo.pruners.percentile import PercentilePruner

__all__ = ("MedianPruner",)


class MedianPruner(PercentilePruner):
    """Prune a trial whose best value is worse than the median at its step.

    The median is that of the values which complete trials reported at the same step, NaN aside. A
    trial that reported nothing but NaN is pruned.

    :param n_startup_trials: nothing is pruned before so many trials are complete.
    :param n_warmup_steps: nothing is pruned at steps below this.
    :param interval_steps: steps between checks, counted from the warm-up. A check at which there
        was no report is made at the next report. At least 1.
    :param n_min_trials: nothing is pruned at a step that fewer complete trials reached. At least 1.
    :raises ValueError: if an argument is outside its range.
    """

    def __init__(
        self,
        n_startup_trials: int = 5,
        n_warmup_steps: int = 0,
        interval_steps: int = 1,
        *,
        n_min_trials: int = 1,
    ) -> None:
        super().__init__(
            50.0, n_startup_trials, n_warmup_steps, interval_steps, n_min_trials=n_min_trials
        )
