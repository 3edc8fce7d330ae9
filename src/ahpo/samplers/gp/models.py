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
from ahpo.samplers.gp.outputs import relative, standardized
from ahpo.samplers.gp.posterior import Posterior
from ahpo.samplers.gp.space import CodeSpace, Floats
from ahpo.samplers.gp.trials import Known

__all__ = ("Models", "acquisition_of", "scheduled")

_ALWAYS = 16  # up to so many trials
_EVERY = 0.08  # of the trials are new before the next fit
_MOST_FIT = 250  # trials that hyperparameters are fitted to
_MOST = 500  # trials that are learned from
_MOST_IN_FRONT = {2: 100, 3: 16, 4: 8}  # points, by the number of objectives: boxes are many

What = tuple[str, Any]  # "objective" and its place, or "constraint" and its name


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
        self.rows = known.most_telling(len(known), _MOST)
        self.losses = known.losses(len(known))[self.rows]
        self.feasible = known.feasible[self.rows]
        self.features = space.features(known.codes[self.rows])
        self.pending = space.features(pending)
        self._away = space.features(np.concatenate((pending, known.failed)))
        self._deterministic = deterministic
        self._cache = cache

    def objective(self, at: int) -> Posterior:
        """Return the posterior of one objective, of losses that are standardized."""
        return self._posterior(("objective", at), self.losses[:, at], standardized)

    def constraint(self, name: str) -> Posterior | None:
        """Return the posterior of a constraint, relative to its size; None if too little is known.

        :param name: the constraint; 0 stays 0.
        """
        values = self.known.constraints[name][self.rows]
        if np.isnan(values).all():
            return None  # those that have it are too long ago to be learned from
        return self._posterior(("constraint", name), values, relative)

    def _posterior(self, what: What, values: Floats, to_y: Callable[[Floats], Floats]) -> Posterior:
        there = ~np.isnan(values)
        hyper = self._hyper(what, to_y)
        return Posterior(
            self.features[there], self._space.owner, to_y(values[there]), hyper, self._away
        )

    def _hyper(self, what: What, to_y: Callable[[Floats], Floats]) -> Hyper:
        n = scheduled(len(self.known))
        key = ("gp", "fit", what, self._space.names, self._deterministic)
        of = (n, self._space.distributions)
        kept = self._cache.get(key)
        if kept is not None and kept[0] == of:
            hyper: Hyper = kept[1]
            return hyper
        kind, which = what
        known = self.known
        values = known.losses(n)[:, which] if kind == "objective" else known.constraints[which][:n]
        rows = known.most_telling(n, _MOST_FIT)
        rows = rows[~np.isnan(values[rows])]
        features = self._space.features(self.known.codes[rows])
        hyper = fit(
            features, self._space.owner, to_y(values[rows]), len(self._space), self._deterministic
        )
        self._cache[key] = (of, hyper)
        return hyper


def acquisition_of(models: Models) -> Acquisition:
    """Return what is to be maximized."""
    limits = [models.constraint(name) for name in models.known.constraints]
    parts: list[Acquisition] = [Feasibility(limit, 0.0) for limit in limits if limit is not None]
    if models.feasible.any():
        objectives = [models.objective(at) for at in range(models.losses.shape[1])]
        if len(objectives) == 1:
            parts.insert(0, Improvement(objectives[0], _best(objectives[0], models)))
        else:
            parts.insert(0, _hypervolume(objectives, models))
    return parts[0] if len(parts) == 1 else Constrained(parts)


def _best(posterior: Posterior, models: Models) -> float:
    """Return the lowest mean where a trial that keeps its constraints is.

    That of pending ones does not count: it is the mean that they are expected to change.
    """
    return float(posterior.moments(models.features[models.feasible])[0].min())


def _hypervolume(posteriors: list[Posterior], models: Models) -> HypervolumeImprovement:
    """Return the acquisition of several objectives, over what was found and what is expected."""
    y = np.array([standardized(column) for column in models.losses.T]).T
    worst, lowest = y.max(axis=0), y.min(axis=0)
    reference = worst + 0.1 * np.maximum(worst - lowest, 1e-3)
    points = y[models.feasible]
    if len(models.pending):
        believed = [posterior.moments(models.pending)[0] for posterior in posteriors]
        points = np.concatenate((points, np.array(believed).T))
    front = np.unique(points[on_front(points)], axis=0)
    most = _MOST_IN_FRONT.get(y.shape[1], 6)
    if len(front) > most:
        front = front[select_subset(front, most, reference)]
    return HypervolumeImprovement(posteriors, *boxes_of(front, reference))
