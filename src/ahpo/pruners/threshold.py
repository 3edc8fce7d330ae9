"""Pruning of trials that report a value out of bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ahpo.pruners.base import KEEP, PRUNE, ArrayPruner, Decision, Progress
from ahpo.pruners.intervals import check_schedule, is_due

if TYPE_CHECKING:
    from ahpo.history.view import View

__all__ = ("ThresholdPruner",)


def _bound(name: str, value: Any, default: float) -> float:
    if value is None:
        return default
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"`{name}` must be a float or None, but it is {value!r}.") from None


class ThresholdPruner(ArrayPruner):
    """Prune a trial that reports a value below ``lower`` or above ``upper``, or NaN.

    :param lower: the smallest value that is kept; None for no bound.
    :param upper: the largest value that is kept; None for no bound.
    :param n_warmup_steps: nothing is pruned at steps below this.
    :param interval_steps: steps between checks, counted from the warm-up. A check at which there
        was no report is made at the next report. At least 1.
    :raises TypeError: if neither bound is given, or one is not a float.
    :raises ValueError: if ``lower`` is above ``upper``, or a number of steps is outside its range.
    """

    def __init__(
        self,
        lower: float | None = None,
        upper: float | None = None,
        n_warmup_steps: int = 0,
        interval_steps: int = 1,
    ) -> None:
        if lower is None and upper is None:
            raise TypeError("`lower` and `upper` are both None, but at least one must be a float.")
        self._lower = _bound("lower", lower, -float("inf"))
        self._upper = _bound("upper", upper, float("inf"))
        if self._lower > self._upper:
            raise ValueError(f"`lower` must not be above `upper`, but {lower} is above {upper}.")
        check_schedule(n_warmup_steps, interval_steps)
        self._n_warmup_steps = n_warmup_steps
        self._interval_steps = interval_steps

    def decide(self, view: View, trial: Progress) -> Decision:
        """Return the decision on the value at the largest step."""
        reports = dict(trial.intermediate_values)
        if not reports:
            return KEEP
        step = max(reports)
        if not is_due(step, reports, self._n_warmup_steps, self._interval_steps):
            return KEEP
        value = reports[step]
        # A NaN fails every comparison, but a NaN for a bound must not prune everything.
        inside = value == value and not (value < self._lower or value > self._upper)
        return KEEP if inside else PRUNE
