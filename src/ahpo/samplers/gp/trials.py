"""What a Gaussian process learns from: the finished trials as codes, losses and constraints.

Complete trials count with their values. A pruned one counts with its last report, but not as better
than the median of the complete ones, since it was stopped for being bad. Of what failed nothing is
known but the place; like a running trial it keeps others away from there.

Shapes: n trials; D parameters; k objectives; q constraints.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ahpo.history.dominance import non_domination_ranks
from ahpo.history.records import OpenTrial
from ahpo.history.view import View
from ahpo.samplers.gp.outputs import finite
from ahpo.samplers.gp.space import CodeSpace, Floats
from ahpo.states import StudyDirection, TrialState
from ahpo.trials.constraints import constraints_of

__all__ = ("Known", "known_trials", "pending_codes")

_FAIL, _COMPLETE = int(TrialState.FAIL), int(TrialState.COMPLETE)
_FIXED_PARAMS = "fixed_params"  # the system attribute of enqueued trials


class Known(NamedTuple):
    """Hold what is known of the finished trials that have all parameters of a space.

    ``codes``: (n, D); ``losses``: (n, k), finite; ``violation``: (n,), by how much a trial breaks
    its constraints; ``constraints``: (n, q), NaN where a trial lacks one; ``failed``: (f, D), the
    codes of trials that failed.
    """

    codes: Floats
    losses: Floats
    violation: Floats
    constraints: Floats
    failed: Floats

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Tell which trials keep all constraints that are known of them."""
        return self.violation <= 0.0

    def order(self, n: int) -> NDArray[np.intp]:
        """Return which of the first n trials are best, those that keep their constraints first."""
        several = self.losses.shape[1] > 1
        rank = non_domination_ranks(self.losses[:n]) if several else self.losses[:n, 0]
        return np.lexsort((rank, self.violation[:n]))

    def most_telling(self, n: int, most: int) -> NDArray[np.intp]:
        """Return at most so many of the first n trials: the best, and the latest of the others."""
        if n <= most:
            return np.arange(n)
        best = self.order(n)[: most // 2]
        others = np.setdiff1d(np.arange(n), best)
        return np.sort(np.concatenate((best, others[len(best) - most :])))


def known_trials(view: View, space: CodeSpace) -> Known:
    """Return what a view knows."""
    raw = np.array([view.column(name) for name in space.names]).T.reshape(view.n, len(space))
    codes, inside = space.encode(raw)
    states = view.states
    failed = codes[inside & (states == _FAIL)]
    losses = _losses(view)
    rows = np.flatnonzero(inside & (states != _FAIL) & ~np.isnan(losses).any(axis=1))
    losses = np.array([finite(column) for column in losses[rows].T]).T.reshape(-1, losses.shape[1])
    violation = np.nan_to_num(view.violation[rows])
    return Known(codes[rows], losses, violation, _constraints(view, rows), failed)


def _losses(view: View) -> Floats:
    """Return one row for each trial, NaN where nothing is known."""
    signs = np.array([-1.0 if d is StudyDirection.MAXIMIZE else 1.0 for d in view.directions])
    losses: Floats = view.values * signs
    complete = view.states == _COMPLETE
    pruned = ~complete & (view.states != _FAIL)
    if len(signs) == 1 and pruned.any() and complete.any():
        losses = losses.copy()
        values = np.sort(losses[complete, 0])
        median = float(values[len(values) // 2])  # there may be infinities: no mean of two
        reported = np.where(np.isnan(view.last_value), median, signs[0] * view.last_value)
        losses[pruned, 0] = np.maximum(reported[pruned], median)
    return losses


def _constraints(view: View, rows: NDArray[np.intp]) -> Floats:
    """Return the constraints of some rows, one column for each name."""
    if not view.has_constraints:
        return np.empty((len(rows), 0))
    cache = view.cache
    kept: dict[int, dict[str, float]] = cache.setdefault(("gp", "constraints"), {})
    found: list[dict[str, float]] = []
    numbers = view.numbers
    for row in rows.tolist():
        number = int(numbers[row])
        if number not in kept:
            kept[number] = constraints_of(view.finished(number).system_attrs)
        found.append(kept[number])
    names = sorted({name for each in found for name in each})
    return np.array(
        [[each.get(name, np.nan) for name in names] for each in found], dtype=float
    ).reshape(len(rows), len(names))


def pending_codes(view: View, space: CodeSpace, number: int) -> Floats:
    """Return the codes (p, D) of running trials, but for ``number``, whose parameters are known."""
    values = [_values(trial, space.names) for trial in view.running() if trial.number != number]
    raw = np.array([row for row in values if row is not None], dtype=float)
    codes, inside = space.encode(raw.reshape(-1, len(space)))
    return codes[inside]


def _values(trial: OpenTrial, names: tuple[str, ...]) -> list[float] | None:
    """Return the parameters of a running trial, suggested or proposed; None if one is unknown."""
    params, proposal = trial.params, trial.proposal
    # What was enqueued overrules the proposal when it is suggested, and not before.
    sure = not trial.system_attrs or _FIXED_PARAMS not in trial.system_attrs
    values: list[float] = []
    for name in names:
        value = params.get(name)
        if value is None and sure:
            value = proposal.get(name)
        if value is None:
            return None
        values.append(value)
    return values
