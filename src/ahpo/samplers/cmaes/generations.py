"""The state of CMA-ES as a fold over finished trials, in the order in which they finished.

What an optimizer is told is a function of the finished trials alone, so that nothing has to be
stored: who resumes a study, or joins it, tells a new optimizer the same again. A population is the
next trials to finish, whoever asked for them and under whichever distribution. So no evaluation is
lost when many trials are pending, none is waited for, and failed ones are just not there. The best
of the last populations are told once more with each, as external solutions are (`clipped`).

Generations never change: the next one has a copy of the optimizer. Threads that meet here do the
same work twice at worst.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ahpo.history.view import View
from ahpo.samplers.cmaes.box import Box, Floats
from ahpo.samplers.cmaes.optimizers import Shape, Start, clipped, copied, make, narrowed, shape_of
from ahpo.samplers.cmaes.restarts import Restarts
from ahpo.states import StudyDirection, TrialState
from ahpo.streams import Stream

__all__ = ("MARK", "Generation", "Rules", "advanced", "first_generation")

# The system attribute with the values of discrete parameters as they were before rounding.
MARK = "cmaes:unrounded"

_ELITES = 2  # of a population are told again; measured on BBOB: 2 beat 1 up to 200 trials
_REMEMBERED = 3  # populations that they come from: a lucky value is not told for ever
_WIDEST = 0.3  # standard deviation in a range of length 1; that of uniform values is 0.29
_COMPLETE, _PRUNED = int(TrialState.COMPLETE), int(TrialState.PRUNED)


class _Solution(NamedTuple):
    point: Floats
    value: float  # to be minimized


class Rules(NamedTuple):
    """Say how generations follow each other: the options of the sampler that matter here."""

    separable: bool
    lr_adapt: bool
    consider_pruned: bool
    strategy: str | None
    factor: int
    start: Callable[[Box, bool], Start]  # whether larger values are better


class Generation(NamedTuple):
    """Hold the optimizer after the first ``seen`` rows of a view, and what it was not told yet.

    ``recent``: the last populations, oldest first; ``since``: trials that started before do not
    count; ``maximize``: whether larger values are better.
    """

    box: Box
    start: Start
    maximize: bool
    optimizer: Any
    shape: Shape
    restarts: Restarts
    seen: int = 0
    since: int = -1
    waiting: tuple[_Solution, ...] = ()
    recent: tuple[_Solution, ...] = ()

    def wanted(self, rules: Rules) -> int:
        """Return how many trials are told at a time: the population but for its elites."""
        popsize: int = self.optimizer.population_size
        return popsize - (self._n_elites(rules, popsize) if self.recent else 0)

    @staticmethod
    def _n_elites(rules: Rules, popsize: int) -> int:
        # Learning rates are adapted by how much populations agree: those must be independent.
        return 0 if rules.lr_adapt else min(_ELITES, popsize // 3)

    def elites(self, rules: Rules) -> list[_Solution]:
        """Return those of the recent solutions that are told again."""
        if not self.recent:
            return []
        n = self._n_elites(rules, self.optimizer.population_size)
        return sorted(self.recent, key=lambda solution: solution.value)[:n]


def first_generation(view: View, box: Box, rules: Rules) -> Generation:
    """Return the generation that nothing was told."""
    maximize = view.directions[0] is StudyDirection.MAXIMIZE
    start = rules.start(box, maximize)
    optimizer = make(box, start, rules.separable, rules.lr_adapt)
    restarts = Restarts(optimizer.population_size)
    return Generation(box, start, maximize, optimizer, shape_of(optimizer), restarts)


def advanced(now: Generation, view: View, rules: Rules) -> Generation:
    """Return the generation after all rows of the view; the same one if no population is full."""
    if view.n - now.seen + len(now.waiting) < now.wanted(rules):
        return now
    waiting = list(now.waiting)
    for since, solution in _solutions(now, view, rules.consider_pruned):
        if since[0] < now.since:
            continue
        waiting.append(solution)
        wanted = now.wanted(rules)
        if len(waiting) >= wanted:
            now = _told(now, waiting, rules)
            if rules.strategy and now.optimizer.should_stop():
                now = _restarted(now, since[1], rules)
            waiting = []
    return now._replace(seen=view.n, waiting=tuple(waiting))


def _solutions(
    now: Generation, view: View, consider_pruned: bool
) -> list[tuple[tuple[int, int], _Solution]]:
    """Return what is new in the rows of the view, by the order of finishing, with its times."""
    new = slice(now.seen, view.n)
    states, values = view.states[new], view.values[new, 0]
    usable = states == _COMPLETE
    if consider_pruned:
        pruned = states == _PRUNED
        values = np.where(pruned, view.last_value[new], values)
        usable |= pruned
    usable &= ~np.isnan(values)
    box = now.box
    points, inside = box.encode(np.array([view.column(name)[new] for name in box.names]))
    usable &= inside
    completed = view.completed[new]
    order = np.argsort(completed, kind="stable")
    order = order[usable[order]]
    values, points = values[order], points[order]
    if len(box.stepped):
        points = _unrounded(view, order + now.seen, points, box)
    if now.maximize:
        values = -values
    times = zip(view.started[new][order].tolist(), completed[order].tolist(), strict=True)
    return list(zip(times, map(_Solution, points, values.tolist()), strict=True))


def _unrounded(view: View, rows: NDArray[np.int64], points: Floats, box: Box) -> Floats:
    result = np.array(points)
    for i, number in enumerate(view.numbers[rows].tolist()):
        known = view.finished(number).system_attrs.get(MARK)
        if known:
            result[i] = box.unround(points[i], known)
    return result


def _told(now: Generation, fresh: list[_Solution], rules: Rules) -> Generation:
    """Return the generation after a population; if that breaks the distribution, it stays."""
    population = fresh + now.elites(rules)
    points = clipped(now.shape, np.array([solution.point for solution in population]))
    optimizer = copied(now.optimizer)
    keep = _REMEMBERED * optimizer.population_size
    recent = (now.recent + tuple(fresh))[-keep:]
    now = now._replace(recent=recent, restarts=now.restarts.told(len(fresh)))
    # What has converged to a point may divide by zero, or fail its own checks.
    with np.errstate(all="ignore"):
        try:
            optimizer.tell([(p, s.value) for p, s in zip(points, population, strict=True)])
            shape = narrowed(optimizer, shape_of(optimizer), max(_WIDEST, now.start.sigma))
        except (AssertionError, np.linalg.LinAlgError):
            return now
    return now._replace(optimizer=optimizer, shape=shape) if shape.is_sound() else now


def _restarted(now: Generation, at: int, rules: Rules) -> Generation:
    """Return a generation that begins anew somewhere at random, with another population.

    The random numbers are a function of what was found, so that all workers restart alike.
    """
    told = np.array([solution.value for solution in now.recent])
    draws = Stream(0).again(told.tobytes().hex())
    restarts, popsize = now.restarts.next(rules.strategy or "ipop", rules.factor, draws)
    mean = draws.generator(restarts.n, "mean").random(len(now.box.names))
    start = Start(mean, now.start.sigma, None, popsize)
    optimizer = make(now.box, start, rules.separable, rules.lr_adapt)
    return now._replace(
        optimizer=optimizer, shape=shape_of(optimizer), restarts=restarts, since=at, recent=()
    )
