"""Patience: pruning waits until a trial has not improved for some steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from ahpo.overrides import keeps
from ahpo.pruners.base import KEEP, PRUNE, ArrayPruner, BasePruner, Decision, Progress, is_pure
from ahpo.pruners.percentile import best_of
from ahpo.states import StudyDirection

if TYPE_CHECKING:
    from ahpo.history.base_study import BaseStudy
    from ahpo.history.view import View
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("PatientPruner",)


class PatientPruner(BasePruner):
    """Let another pruner prune a trial only when it has not improved for some steps.

    The best of the last ``patience + 1`` reported values has to be worse than the best one before
    them by more than ``min_delta``. NaN is left aside; if one of the two sides has nothing else,
    the trial is kept.

    :param wrapped_pruner: any pruner, which then decides; None prunes right away.
    :param patience: the number of steps without improvement that are borne. At least 0.
    :param min_delta: how much worse is not yet worse. At least 0.
    :raises ValueError: if ``patience`` or ``min_delta`` is negative.
    """

    def __new__(
        cls, wrapped_pruner: BasePruner | None, patience: int, min_delta: float = 0.0
    ) -> Self:
        # Around a pruner with a pure function, or none, there is such a function, too.
        arrays = wrapped_pruner is None or isinstance(wrapped_pruner, ArrayPruner)
        kind = _ArrayPatientPruner if cls is PatientPruner and arrays else cls
        return super().__new__(kind)  # type: ignore[return-value]

    def __init__(
        self, wrapped_pruner: BasePruner | None, patience: int, min_delta: float = 0.0
    ) -> None:
        if patience < 0:
            raise ValueError(f"`patience` must be at least 0, but it is {patience}.")
        if min_delta < 0:
            raise ValueError(f"`min_delta` must be at least 0, but it is {min_delta}.")
        self._wrapped_pruner = wrapped_pruner
        self._patience = patience
        self._min_delta = min_delta

    def __getnewargs__(self) -> tuple[BasePruner | None, int, float]:
        return self._wrapped_pruner, self._patience, self._min_delta

    def prune(self, study: BaseStudy, trial: FrozenTrial) -> bool:
        """Tell whether the trial should be pruned, judged by the values that it has reported.

        :param study: the study, to be read only.
        :param trial: the running trial; its ``system_attrs`` get what is to be recorded.
        :returns: True if the trial should be pruned.
        """
        if not self._has_lost_patience(study.view(), trial):
            return False
        return self._wrapped_pruner is None or self._wrapped_pruner.prune(study, trial)

    def _has_lost_patience(self, view: View, trial: Progress) -> bool:
        # By step, whatever the order of the reports.
        reports = sorted(trial.intermediate_values.copy().items())
        split = len(reports) - self._patience - 1
        if split < 1:
            return False
        maximize = view.directions[0] is StudyDirection.MAXIMIZE
        before = best_of((value for _, value in reports[:split]), maximize)
        after = best_of((value for _, value in reports[split:]), maximize)
        if before is None or after is None:
            return False
        if maximize:
            return before - self._min_delta > after
        return before + self._min_delta < after


class _ArrayPatientPruner(PatientPruner, ArrayPruner):
    """Wrap an `ArrayPruner`, or none."""

    _wrapped_pruner: ArrayPruner | None

    def _is_derived(self) -> bool:
        # A user may have overridden something in what is wrapped.
        wrapped = self._wrapped_pruner
        return keeps(self, PatientPruner, ("prune",)) and (wrapped is None or is_pure(wrapped))

    def decide(self, view: View, trial: Progress) -> Decision:
        """Return the decision, with what the wrapped pruner wants to be recorded."""
        if not self._has_lost_patience(view, trial):
            return KEEP
        return PRUNE if self._wrapped_pruner is None else self._wrapped_pruner.decide(view, trial)

    def visible(self, view: View, number: int) -> View:
        """Return what the wrapped pruner lets the sampler of trial ``number`` learn from."""
        wrapped = self._wrapped_pruner
        return view if wrapped is None else wrapped.visible(view, number)
