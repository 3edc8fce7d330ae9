"""Asynchronous successive halving (ASHA): Li et al., 2018, arXiv:1810.05934, algorithm 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ahpo.pruners.base import KEEP, ArrayPruner, Decision, Progress
from ahpo.pruners.first_length import FirstLength
from ahpo.pruners.rung_index import RungIndex, rung_key
from ahpo.states import StudyDirection

if TYPE_CHECKING:
    from ahpo.history.view import View

__all__ = ("Halving", "SuccessiveHalvingPruner", "check_halving")


def check_halving(min_resource: float, reduction_factor: int, bootstrap_count: int) -> None:
    """Raise ValueError unless the arguments define rungs."""
    if min_resource < 1:
        raise ValueError(f"`min_resource` must be 'auto' or at least 1, but it is {min_resource}.")
    if reduction_factor < 2:
        raise ValueError(f"`reduction_factor` must be at least 2, but it is {reduction_factor}.")
    if bootstrap_count < 0:
        raise ValueError(f"`bootstrap_count` must be at least 0, but it is {bootstrap_count}.")


class Halving(NamedTuple):
    """The rungs of one bracket; the letters are those of the paper."""

    min_resource: float  # r
    reduction_factor: int  # eta
    rate: int  # s, the minimum early-stopping rate
    bootstrap_count: int

    def decide(self, rungs: RungIndex, trial: Progress, maximize: bool) -> Decision:
        """Return the decision on a trial, with its value in each rung that it completes now."""
        reports = dict(trial.intermediate_values)
        if not reports:
            return KEEP
        step = max(reports)
        value = reports[step]
        rung = 0
        while rung_key(rung) in trial.system_attrs:
            rung += 1
        completed: dict[str, float] = {}
        while step >= self.min_resource * self.reduction_factor ** (self.rate + rung):
            if value != value:
                return Decision(True, completed)
            key = rung_key(rung)
            completed[key] = value
            others, better = rungs.standing(trial.number, key, value, maximize)
            if others + 1 <= self.bootstrap_count:
                return Decision(True, completed)
            # As long as eta trials have not come this far, only the best one goes on.
            if better >= max((others + 1) // self.reduction_factor, 1):
                return Decision(True, completed)
            rung += 1
        return Decision(False, completed) if completed else KEEP


class SuccessiveHalvingPruner(ArrayPruner):
    """Prune by asynchronous successive halving.

    Rung n is completed at step ``min_resource * reduction_factor ** (min_early_stopping_rate +
    n)``. There a trial is pruned unless its value is among the best ``1 / reduction_factor`` of all
    the trials that have come this far. A NaN is pruned there. The value is recorded on the trial
    as the system attribute ``completed_rung_<n>``.

    The paper: Li et al., A System for Massively Parallel Hyperparameter Tuning, 2018.

    :param min_resource: the smallest number of steps of a trial, r in the paper. At least 1, or
        "auto": a hundredth of the steps of the first trial to be completed, before which nothing
        is pruned.
    :param reduction_factor: eta in the paper. At least 2.
    :param min_early_stopping_rate: s in the paper. At least 0.
    :param bootstrap_count: how many trials must complete a rung (and are pruned there) before any
        is promoted from it. At least 0; 0 if ``min_resource`` is "auto".
    :raises ValueError: if an argument is outside its range.
    """

    def __init__(
        self,
        min_resource: str | int = "auto",
        reduction_factor: int = 4,
        min_early_stopping_rate: int = 0,
        bootstrap_count: int = 0,
    ) -> None:
        if isinstance(min_resource, str) and min_resource != "auto":
            raise ValueError(
                f"`min_resource` must be 'auto' or at least 1, but it is {min_resource!r}."
            )
        check_halving(
            1 if isinstance(min_resource, str) else min_resource, reduction_factor, bootstrap_count
        )
        if min_early_stopping_rate < 0:
            raise ValueError(
                f"`min_early_stopping_rate` must be at least 0, but it is "
                f"{min_early_stopping_rate}."
            )
        if bootstrap_count > 0 and min_resource == "auto":
            raise ValueError(
                f"`bootstrap_count` must be 0 if `min_resource` is 'auto', but it is "
                f"{bootstrap_count}."
            )
        self._min_resource = None if isinstance(min_resource, str) else min_resource
        self._reduction_factor = reduction_factor
        self._min_early_stopping_rate = min_early_stopping_rate
        self._bootstrap_count = bootstrap_count

    def decide(self, view: View, trial: Progress) -> Decision:
        """Return the decision, with the rungs that the trial completes."""
        min_resource = self._min_resource
        if min_resource is None:
            last_step = view.index(FirstLength).last_step
            if last_step is None:
                return KEEP
            min_resource = max(last_step // 100, 1)
        halving = Halving(
            min_resource,
            self._reduction_factor,
            self._min_early_stopping_rate,
            self._bootstrap_count,
        )
        maximize = view.directions[0] is StudyDirection.MAXIMIZE
        return halving.decide(view.index(RungIndex), trial, maximize)
