"""Pruning by a Wilcoxon signed-rank test (Wilcoxon, 1945) against the best trial."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from ahpo.pruners.base import KEEP, PRUNE, ArrayPruner, Decision, Progress
from ahpo.pruners.signed_rank import p_value_of_increase
from ahpo.states import StudyDirection

if TYPE_CHECKING:
    from ahpo.history.view import View

__all__ = ("WilcoxonPruner",)

# Below two pairs the test says nothing.
_MIN_PAIRS = 2


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=4)


class WilcoxonPruner(ArrayPruner):
    """Prune a trial that is worse than the best one, by a test over problem instances.

    It is meant for objectives that are a mean over instances (folds of a cross-validation,
    questions to a model, seeds): report the value of each instance with the instance as the step,
    in any order and better in a new one for each trial. The pairs of values on the instances that
    the trial shares with the best trial are tested. A trial is not pruned while the mean of what it
    reported is at least as good as that of the best trial, nor if either of the two reported
    infinite values or NaN.

    :param p_threshold: prune below this p-value, from 0 to 1. The test is repeated with each
        report: for a given rate of wrong decisions in all, correct it as Pocock does.
    :param n_startup_steps: nothing is pruned on fewer pairs than this, nor on fewer than two.
    :raises ValueError: if an argument is outside its range.
    """

    def __init__(self, *, p_threshold: float = 0.1, n_startup_steps: int = 2) -> None:
        if not 0.0 <= p_threshold <= 1.0:
            raise ValueError(f"`p_threshold` must be between 0 and 1, but it is {p_threshold}.")
        if n_startup_steps < 0:
            raise ValueError(f"`n_startup_steps` must be at least 0, but it is {n_startup_steps}.")
        self._p_threshold = p_threshold
        self._n_startup_steps = n_startup_steps

    def decide(self, view: View, trial: Progress) -> Decision:
        """Return the decision, which looks at the best trial only."""
        own = trial.intermediate_values.copy()
        if not own:
            return KEEP
        values = np.array(list(own.values()))
        if not np.isfinite(values).all():
            _warn(
                f"Trial {trial.number} has reported NaN or an infinite value: WilcoxonPruner "
                f"can not test it and will not prune it."
            )
            return KEEP
        best_number = view.best_number()
        if best_number is None:
            return KEEP
        best = view.finished(best_number).intermediate_values
        if not best:
            _warn(
                f"The best trial ({best_number}) has no intermediate values: WilcoxonPruner has "
                f"nothing to compare with. If it was added by `add_trial`, give it some."
            )
            return KEEP
        best_values = np.array(list(best.values()))
        if not np.isfinite(best_values).all():
            _warn(
                f"The best trial ({best_number}) has reported NaN or an infinite value: "
                f"WilcoxonPruner can not compare with it and will not prune."
            )
            return KEEP
        maximize = view.directions[0] is StudyDirection.MAXIMIZE
        pruned = self._is_worse(own, best, maximize) and not (
            values.mean() >= best_values.mean() if maximize else values.mean() <= best_values.mean()
        )
        return PRUNE if pruned else KEEP

    def _is_worse(self, own: dict[int, float], best: dict[int, float], maximize: bool) -> bool:
        shared = sorted(own.keys() & best.keys())
        if len(shared) < len(own):
            _warn(
                "The trial has reported steps that the best trial has not: WilcoxonPruner leaves "
                "them aside."
            )
        if len(shared) < max(_MIN_PAIRS, self._n_startup_steps):
            return False
        worse = np.array([own[step] - best[step] for step in shared])
        return p_value_of_increase(-worse if maximize else worse) < self._p_threshold
