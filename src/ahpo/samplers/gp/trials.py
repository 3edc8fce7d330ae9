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
from ahpo.samplers.gp.space import CodeSpace, Floats
from ahpo.states import StudyDirection, TrialState
from ahpo.trials.constraints import constraints_of

__all__ = ("Known", "known_trials", "pending_codes")

_FAIL, _COMPLETE = int(TrialState.FAIL), int(TrialState.COMPLETE)
_FIXED_PARAMS = "fixed_params"  # the system attribute of enqueued trials


class Known(NamedTuple):
    """Hold what is known of the finished trials that have all parameters of a space.

    ``codes``: (n, D); ``told``: (n, k), values to be minimized, of a pruned trial its last report,
    or NaN; ``pruned``: (n,); ``violation``: (n,), by how much a trial breaks its constraints;
    ``constraints``: (n,) each by name, NaN where a trial lacks it; ``failed``: (f, D), the codes of
    trials that failed.
    """

    codes: Floats
    told: Floats
    pruned: NDArray[np.bool_]
    violation: Floats
    constraints: dict[str, Floats]
    failed: Floats

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Tell which trials keep all constraints that are known of them."""
        return self.violation <= 0.0

    def losses(self, n: int) -> Floats:
        """Return the losses (n, k) of the first n trials, as if there were no others."""
        losses, pruned = self.told[:n], self.pruned[:n]
        if not pruned.any():
            return losses
        complete = np.sort(losses[~pruned, 0])
        # There may be infinities: no mean of the two in the middle.
        median = float(complete[len(complete) // 2]) if len(complete) else 0.0
        losses = losses.copy()
        losses[pruned, 0] = np.fmax(losses[pruned, 0], median)
        return losses

    def order(self, n: int) -> NDArray[np.intp]:
        """Return which of the first n trials are best, those that keep their constraints first."""
        losses = self.losses(n)
        rank = non_domination_ranks(losses) if losses.shape[1] > 1 else losses[:, 0]
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
    signs = np.array([-1.0 if d is StudyDirection.MAXIMIZE else 1.0 for d in view.directions])
    told: Floats = view.values * signs
    complete = states == _COMPLETE
    pruned = ~complete & (states != _FAIL)
    if len(signs) == 1:
        told[pruned, 0] = signs[0] * view.last_value[pruned]
    else:
        pruned[:] = False  # a report is of one objective: it tells nothing of several
    rows = np.flatnonzero(inside & (complete | pruned))
    return Known(
        codes[rows],
        told[rows],
        pruned[rows],
        np.nan_to_num(view.violation[rows]),
        _constraints(view, rows),
        codes[inside & (states == _FAIL)],
    )


def _constraints(view: View, rows: NDArray[np.intp]) -> dict[str, Floats]:
    """Return the constraints of some rows by name."""
    if not view.has_constraints:
        return {}
    kept: dict[int, dict[str, float]] = view.cache.setdefault(("gp", "constraints"), {})
    found: list[dict[str, float]] = []
    for number in view.numbers[rows].tolist():
        if number not in kept:
            kept[number] = constraints_of(view.finished(number).system_attrs)
        found.append(kept[number])
    names = sorted({name for each in found for name in each})
    return {name: np.array([each.get(name, np.nan) for each in found]) for name in names}


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
