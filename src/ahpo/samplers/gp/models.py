"""From trials to an acquisition: one process for each objective and each constraint.

Hyperparameters are fitted to the first trials of a schedule: to all of them while they are few,
then once in a while. Each fit starts afresh, so what is suggested depends on the trials only, and
not on what was asked for before; fits are kept in the cache of the view.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from ahpo.history.dominance import on_front
from ahpo.history.hypervolume import select_subset
from ahpo.samplers.gp.acquisition import (
    Acquisition,
    Constrained,
    Feasibility,
    HypervolumeImprovement,
    Improvement,
)
from ahpo.samplers.gp.fit import Hyper, fit
from ahpo.samplers.gp.hypervolume_improvement import boxes_of
from ahpo.samplers.gp.outputs import finite, standardized
from ahpo.samplers.gp.posterior import Posterior
from ahpo.samplers.gp.space import CodeSpace, Floats
from ahpo.samplers.gp.trials import Known

__all__ = ("acquisition_of", "scheduled")

_ALWAYS = 24  # up to so many trials
_EVERY = 0.05  # of the trials are new before the next fit
_MOST_FIT = 250  # trials that hyperparameters are fitted to
_MOST = 500  # trials that are learned from
_MOST_IN_FRONT = {2: 100, 3: 16, 4: 8}  # points, by the number of objectives: boxes are many


def scheduled(n: int) -> int:
    """Return the largest number of trials up to n that hyperparameters are fitted to."""
    step = 1
    while n * _EVERY >= 2 * step and n > _ALWAYS:
        step *= 2
    return n - n % step


class Models:
    """Make posteriors over the same trials.

    :param space: the search space.
    :param known: the finished trials.
    :param pending: codes of the trials that run, (p, D).
    :param deterministic: whether losses have no noise.
    :param cache: where fits are kept.
    """

    def __init__(
        self,
        space: CodeSpace,
        known: Known,
        pending: Floats,
        deterministic: bool,
        cache: dict[Hashable, Any],
    ) -> None:
        self._space = space
        self.known = known
        self.rows = known.most_telling(len(known.losses), _MOST)
        self.features = space.features(known.codes[self.rows])
        self.pending = space.features(pending)
        self._away = space.features(np.concatenate((pending, known.failed)))
        self._deterministic = deterministic
        self._cache = cache

    def posterior(self, what: str, values: Floats, to_y: Callable[[Floats], Floats]) -> Posterior:
        """Return the posterior of ``values``, one for each trial, NaN where it has none."""
        hyper = self._hyper(what, values, to_y)
        mine = values[self.rows]
        there = ~np.isnan(mine)
        return Posterior(
            self.features[there], self._space.owner, to_y(mine[there]), hyper, self._away
        )

    def _hyper(self, what: str, values: Floats, to_y: Callable[[Floats], Floats]) -> Hyper:
        n = scheduled(len(values))
        key = ("gp", "fit", what, self._space.names, self._deterministic)
        of = (n, self._space.distributions)
        kept = self._cache.get(key)
        if kept is not None and kept[0] == of:
            hyper: Hyper = kept[1]
            return hyper
        rows = self.known.most_telling(n, _MOST_FIT)
        rows = rows[~np.isnan(values[rows])]
        features = self._space.features(self.known.codes[rows])
        hyper = fit(
            features, self._space.owner, to_y(values[rows]), len(self._space), self._deterministic
        )
        self._cache[key] = (of, hyper)
        return hyper


def acquisition_of(models: Models) -> Acquisition:
    """Return what is to be maximized."""
    known = models.known
    parts: list[Acquisition] = []
    for at, column in enumerate(known.constraints.T):
        if np.isnan(column[models.rows]).all():
            continue  # too long ago to be learned from
        posterior = models.posterior(f"constraint {at}", column, _over(_scale_of(column)))
        parts.append(Feasibility(posterior, 0.0))
    k = known.losses.shape[1]
    if not known.feasible[models.rows].any():
        return Constrained(parts)
    posteriors = [
        models.posterior(f"objective {at}", known.losses[:, at], standardized) for at in range(k)
    ]
    if k == 1:
        parts.insert(0, Improvement(posteriors[0], _best(posteriors[0], models)))
    else:
        parts.insert(0, _hypervolume(posteriors, models))
    return parts[0] if len(parts) == 1 else Constrained(parts)


def _over(scale: float) -> Callable[[Floats], Floats]:
    return lambda values: finite(values) / scale


def _scale_of(values: Floats) -> float:
    usable = finite(values[~np.isnan(values)])
    size = float(np.sqrt(np.mean(usable * usable))) if len(usable) else 1.0
    return size or 1.0


def _best(posterior: Posterior, models: Models) -> float:
    """Return the lowest mean where a trial that keeps its constraints is, or is pending."""
    points = models.features[models.known.feasible[models.rows]]
    return float(posterior.moments(np.concatenate((points, models.pending)))[0].min())


def _hypervolume(posteriors: list[Posterior], models: Models) -> HypervolumeImprovement:
    """Return the acquisition of several objectives, over what was found and what is expected."""
    y = np.array([standardized(column) for column in models.known.losses[models.rows].T]).T
    worst, lowest = y.max(axis=0), y.min(axis=0)
    reference = worst + 0.1 * np.maximum(worst - lowest, 1e-3)
    points = y[models.known.feasible[models.rows]]
    if len(models.pending):
        believed = [posterior.moments(models.pending)[0] for posterior in posteriors]
        points = np.concatenate((points, np.array(believed).T))
    front = np.unique(points[on_front(points)], axis=0)
    most = _MOST_IN_FRONT.get(y.shape[1], 6)
    if len(front) > most:
        front = front[select_subset(front, most, reference)]
    return HypervolumeImprovement(posteriors, *boxes_of(front, reference))
