"""The parents of each generation, as a fold over the rows of a view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ahpo.samplers.generations import Marks, course
from ahpo.states import StudyDirection, TrialState
from ahpo.trials.constraints import violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ahpo.history.view import View
    from ahpo.trials import FrozenTrial

__all__ = (
    "Selection",
    "losses_of",
    "newest_generation",
    "parents_of",
    "signs_of",
    "violations_of",
)

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_COMPLETE = int(TrialState.COMPLETE)


class Selection(Protocol):
    """Choose who survives; equal ones share what they have chosen, so it is hashable."""

    def survivors(self, losses: Floats, violation: Floats, generation: int) -> Rows:
        """Return the rows of ``losses`` (n, k) that will be the parents of a generation."""
        ...


def newest_generation(view: View, marks: Marks) -> int:
    """Return the generation of a trial that starts with this view."""
    return course(view, marks).newest(view.n)


def signs_of(directions: Sequence[StudyDirection]) -> Floats:
    """Return the factor that makes a loss of each objective, (k,)."""
    return np.array([-1.0 if d is StudyDirection.MAXIMIZE else 1.0 for d in directions])


def parents_of(view: View, marks: Marks, selection: Selection, generation: int) -> Rows:
    """Return the rows of a view that are the parents of a generation; none for generation 0."""
    known_course = course(view, marks)
    ends = known_course.ends
    generation = min(generation, known_course.newest(view.n))
    if not generation:
        return np.empty(0, dtype=np.intp)
    known: dict[int, tuple[int, Rows]] = view.cache.setdefault(("ga", marks, selection), {})
    first = generation
    while first and (first not in known or known[first][0] != ends[first - 1]):
        first -= 1
    parents = known[first][1] if first else np.empty(0, dtype=np.intp)
    for g in range(first + 1, generation + 1):
        start, end = ends[g - 2] if g > 1 else 0, ends[g - 1]
        new = start + np.flatnonzero(view.states[start:end] == _COMPLETE)
        pool = np.concatenate((new, parents))
        losses = view.values[pool] * signs_of(view.directions)
        parents = pool[selection.survivors(losses, view.violation[pool], g)]
        known[g] = (end, parents)
    return parents


def losses_of(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> Floats:
    """Return the objective values of complete trials as losses, (n, k)."""
    values = np.array([trial.values for trial in trials], dtype=float)
    losses: Floats = values.reshape(len(trials), len(directions)) * signs_of(directions)
    return losses


def violations_of(trials: Sequence[FrozenTrial]) -> Floats:
    """Return by how much trials break their constraints, (n,), NaN where they have none."""
    return np.array([violation(trial.system_attrs) for trial in trials], dtype=float)
