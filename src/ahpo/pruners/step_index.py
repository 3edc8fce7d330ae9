"""The reported values of complete trials by step, sorted, with percentiles in O(1)."""

from __future__ import annotations

from array import array
from bisect import insort
from math import floor, isinf
from typing import TYPE_CHECKING

from ahpo.history.index import Index
from ahpo.states import TrialState

if TYPE_CHECKING:
    from ahpo.history.records import FinishedTrial

__all__ = ("StepIndex", "percentile_of_sorted")


def percentile_of_sorted(values: array[float], percentile: float) -> float:
    """Return a percentile of sorted values by linear interpolation between the nearest two.

    The same floats as ``numpy.percentile``, but infinite values count as what they are: numpy
    answers NaN as soon as one of them is next to the position asked for.

    :param values: sorted, without NaN, at least one.
    :param percentile: from 0 to 100.
    """
    last = len(values) - 1
    position = last * (percentile / 100.0)
    below = min(floor(position), last)
    weight = position - below
    low = values[below]
    if weight == 0.0:
        return low
    high = values[below + 1]
    if low == high:
        return low
    if isinf(low) or isinf(high):
        return low + high
    # From the nearer end, as numpy does: then it is exact at both ends, and monotonous.
    if weight < 0.5:
        return low + (high - low) * weight
    return high - (high - low) * (1.0 - weight)


class StepIndex(Index):
    """Keep, for each step, what COMPLETE trials reported there, sorted; NaN is only counted."""

    def __init__(self) -> None:
        self.n_complete = 0
        self._by_step: dict[int, array[float]] = {}
        self._n_nan: dict[int, int] = {}

    def finished(self, row: FinishedTrial) -> None:
        """Take in the reported values of a trial that is COMPLETE."""
        if row.state is not TrialState.COMPLETE:
            return
        by_step = self._by_step
        for step, value in row.intermediate_values.items():
            if value != value:
                self._n_nan[step] = self._n_nan.get(step, 0) + 1
                continue
            values = by_step.get(step)
            if values is None:
                # An array holds 8 bytes a value, a list of floats 32. It is sorted at every
                # moment, so readers in other threads need no lock.
                values = by_step[step] = array("d")
            insort(values, value)
        self.n_complete += 1

    def count(self, step: int) -> int:
        """Return how many complete trials reported at the step, be it a NaN."""
        return len(self._by_step.get(step, ())) + self._n_nan.get(step, 0)

    def percentile(self, step: int, percentile: float) -> float:
        """Return the percentile (0 to 100) of the values at the step; NaN if there are none."""
        values = self._by_step.get(step)
        return float("nan") if values is None else percentile_of_sorted(values, percentile)
