"""Exhaustive search over a grid that is given in advance.

The points of the grid are numbered in a shuffled order, which depends on nothing but the grid and
the seed: every worker of a study numbers them alike. Which point a trial evaluates stands in its
system attributes ``grid_id`` and ``search_space``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ahpo.history.index import Index
from ahpo.samplers.array_sampler import ArraySampler

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ahpo.distributions import BaseDistribution
    from ahpo.history.base_study import BaseStudy
    from ahpo.history.records import FinishedTrial
    from ahpo.history.view import View

__all__ = ("GridSampler", "GridValueType")

GridValueType: TypeAlias = str | float | int | bool | None

_ID = "grid_id"
_SPACE = "search_space"


def _canonical(space: object) -> str:
    # By `repr`, because NaN does not equal itself; numbers of different types stay different.
    if not isinstance(space, Mapping):
        return ""
    return repr(sorted((str(name), list(values)) for name, values in space.items()))


@dataclass(frozen=True)
class _Grid:
    """One grid: equal grids share an index, which calling makes."""

    canonical: str
    size: int = field(compare=False)
    space: dict[str, list[Any]] = field(compare=False)

    def __call__(self) -> _Visits:
        return _Visits(self)

    def point_of(self, system_attrs: Mapping[str, Any]) -> int | None:
        """Return the point of this grid that a trial has been given, or None."""
        point = system_attrs.get(_ID)
        if point is None or not 0 <= point < self.size:
            return None
        space = system_attrs.get(_SPACE)
        if space is self.space or _canonical(space) == self.canonical:
            return int(point)
        return None


class _Visits(Index):
    """Which points have been evaluated, by trials that finished in whatever way."""

    def __init__(self, grid: _Grid) -> None:
        self._grid = grid
        self.visited: NDArray[np.bool_] = np.zeros(grid.size, np.bool_)
        self.left = grid.size

    def finished(self, row: FinishedTrial) -> None:
        point = self._grid.point_of(row.system_attrs)
        if point is not None and not self.visited[point]:
            self.visited[point] = True
            self.left -= 1


class GridSampler(ArraySampler):
    """Try every combination of given values, each once, in a shuffled order.

    The study stops when all have been evaluated, whether the trials were completed, pruned or
    failed. A value is used as it stands in the grid, even if the objective asks for another range
    or a coarser step. Trials that run at the same time get different points as long as there are
    any.

    :param search_space: ``{name: values}``; the values are str, int, float, bool or None.
    :param seed: seed of the order, below 2**32; None is the same as 0.
    :raises ValueError: if a parameter has no values, or ``seed`` is not one of 32 bits.
    """

    def __init__(
        self, search_space: Mapping[str, Sequence[GridValueType]], seed: int | None = None
    ) -> None:
        super().__init__(seed or 0)
        if seed is not None and not 0 <= seed < 2**32:
            raise ValueError(f"`seed` must be at least 0 and below 2**32, but it is {seed}.")
        space = {name: list(values) for name, values in sorted(search_space.items())}
        for name, values in space.items():
            _check_values(name, values)
        size = math.prod(len(values) for values in space.values())
        self._grid = _Grid(_canonical(space), size, space)
        # Optuna numbers the points so: workers of both can share a study.
        self._order: NDArray[np.int64] = np.random.RandomState(seed or 0).permutation(size)

    def is_exhausted(self, study: BaseStudy) -> bool:
        """Tell whether all points of the grid have been evaluated.

        :param study: a study with trials of this sampler.
        """
        return self.exhausted(study.view())

    def exhausted(self, view: View) -> bool:
        """Tell whether all points of the grid have been evaluated."""
        return self._visits(view).left == 0

    def all_taken(self, view: View) -> bool:
        """Tell whether all points that are left are being evaluated."""
        # A trial that has just begun will choose a point, and has none yet.
        undecided = sum(
            not trial.system_attrs and trial.number >= self._grid.size for trial in view.running()
        )
        return int((~self._taken(view)).sum()) <= undecided

    def prepare(self, view: View, number: int) -> dict[str, Any] | None:
        """Return the system attributes that give trial ``number`` a point of the grid."""
        known = view.open_trial(number).system_attrs
        # An enqueued trial has its own parameters, and the copy of another trial has its point.
        if "fixed_params" in known or self._grid.point_of(known) is not None:
            return None
        return {_SPACE: self._grid.space, _ID: self._choose(view, number)}

    def draw(self, view: View, number: int, name: str, distribution: BaseDistribution) -> float:
        """Return the internal value that the parameter has at the trial's point."""
        space = self._grid.space
        if name not in space:
            raise ValueError(
                f"The parameter {name!r} is not in the `search_space` of GridSampler, which has "
                f"{list(space)}."
            )
        point = self._grid.point_of(view.open_trial(number).system_attrs)
        if point is None:
            raise ValueError(
                f"Trial {number} is enqueued without {name!r}: with GridSampler an enqueued trial "
                f"must have all parameters."
            )
        rest = int(self._order[point])
        place = 0
        for other in reversed(space):
            rest, place = divmod(rest, len(space[other]))
            if other == name:
                break
        return self._internal(name, space[name][place], distribution)

    @staticmethod
    def _internal(name: str, value: Any, distribution: BaseDistribution) -> float:
        internal = distribution.to_internal_repr(value)
        if not distribution._contains(internal):
            warnings.warn(
                f"`search_space` has {value!r} for {name!r}, which is out of the range of "
                f"{distribution}; it is used all the same.",
                UserWarning,
                stacklevel=3,
            )
        return internal

    def _visits(self, view: View) -> _Visits:
        return view.index(self._grid)

    def _taken(self, view: View, but: int | None = None) -> NDArray[np.bool_]:
        """Return which points have been evaluated, or are by another trial than one."""
        taken = self._visits(view).visited.copy()
        for trial in view.running():
            if trial.number != but:
                point = self._grid.point_of(trial.system_attrs)
                if point is None and not trial.system_attrs and trial.number < self._grid.size:
                    point = trial.number  # another process has just begun it, and will choose so
                if point is not None:
                    taken[point] = True
        return taken

    def _choose(self, view: View, number: int) -> int:
        taken = self._taken(view, number)
        if number < self._grid.size and not taken[number]:
            return number
        free = np.flatnonzero(~taken)
        if not len(free):
            free = np.flatnonzero(~self._visits(view).visited)
        if not len(free):  # exhausted, but somebody goes on
            free = np.arange(self._grid.size)
        return int(free[int(self.stream.uniform(number, _ID) * len(free))])


def _check_values(name: str, values: list[Any]) -> None:
    if not values:
        raise ValueError(f"`search_space` must have values for each name, but {name!r} has none.")
    for value in values:
        if value is not None and not isinstance(value, (str, int, float, bool)):
            warnings.warn(
                f"`search_space` has {value!r} for {name!r}: storages can keep values of type "
                f"str, int, float, bool or None only.",
                UserWarning,
                stacklevel=4,
            )
