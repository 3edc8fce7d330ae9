"""Generations: which trials are in which, as the marks on trials say.

A trial is marked with its generation when it starts: the newest one, or the next when enough trials
of the newest are complete. When a generation is full it is *closed*, and what has been completed
since the one before was closed competes with its parents to be the parents of the next: so trials
of earlier generations that end late are not lost. A trial without a mark, which was added or came
from another sampler, counts for generation 0.

All of it is a fold over finished trials, in the order in which they finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ahpo.history.growing import Growing
from ahpo.history.index import Index
from ahpo.states import TrialState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ahpo.history.records import FinishedTrial
    from ahpo.history.view import View

__all__ = ("Course", "Marks", "course", "mark_of", "members")

_UNMARKED = -1
_COMPLETE = int(TrialState.COMPLETE)


def mark_of(system_attrs: Mapping[str, Any], key: str) -> int:
    """Return the generation that a trial is marked with, or -1."""
    mark = system_attrs.get(key)
    # A user may put anything there.
    return mark if type(mark) is int and 0 <= mark < 2**31 else _UNMARKED


class Course:
    """Tell which generation is the newest, and where earlier ones were closed.

    ``ends``: for each closed generation, how many rows there were when it was.
    """

    __slots__ = ("_counts", "_n", "_size", "ends")

    def __init__(self, size: int) -> None:
        self._size = size
        self._n = 0
        self._counts: dict[int, int] = {}
        self.ends: list[int] = []

    @property
    def newest(self) -> int:
        """Return the generation of a trial that starts now."""
        return len(self.ends)

    def add(self, complete: bool, mark: int) -> None:
        """Take in the next row."""
        self._n += 1
        if not complete:
            return
        ends = self.ends
        if mark == _UNMARKED:
            if ends == [self._n - 1]:
                # The last one of a run of unmarked trials closes their generation, however many.
                ends[0] = self._n
            mark = 0
        if mark > len(ends):  # somebody else has seen the earlier ones closed
            ends.extend([self._n - 1] * (mark - len(ends)))
        if mark < len(ends):
            return
        count = self._counts.get(mark, 0) + 1
        if count >= self._size:
            self._counts = {}
            ends.append(self._n)
        else:
            self._counts = {mark: count}


class _Generations(Index):
    """Follow the course of a study, and keep the marks by number."""

    def __init__(self, kind: Marks) -> None:
        self._key = kind.key
        self.course = Course(kind.size)
        self.marks: Growing[np.int32] = Growing(np.int32, _UNMARKED)

    def finished(self, row: FinishedTrial) -> None:
        number, mark = row.number, mark_of(row.system_attrs, self._key)
        if number < self.marks.size:
            self.marks.data[number] = mark
        else:
            self.marks.set(number, mark)
        self.course.add(row.state is TrialState.COMPLETE, mark)


@dataclass(frozen=True)
class Marks:
    """One kind of generations: those of equal ones share an index, which calling makes.

    ``key``: the system attribute that marks a trial; ``size``: how many trials close a generation.
    """

    key: str
    size: int

    def __call__(self) -> _Generations:
        return _Generations(self)


def course(view: View, kind: Marks) -> Course:
    """Return the course of a view: the live one of the study, or that of the selected rows."""
    index = view.index(kind)
    if view.whole:
        return index.course
    found = Course(kind.size)
    complete = (view.states == _COMPLETE).tolist()
    marks = index.marks.take(view.numbers).tolist()
    for is_complete, mark in zip(complete, marks, strict=True):
        found.add(is_complete, mark)
    return found


def members(view: View, kind: Marks, generation: int) -> NDArray[np.intp]:
    """Return the rows of the complete trials of one generation, by number."""
    numbers = view.numbers
    marks = view.index(kind).marks.take(numbers)
    wanted = marks == generation
    if generation == 0:
        wanted |= marks == _UNMARKED
    rows = np.flatnonzero(wanted & (view.states == _COMPLETE))
    return rows[np.argsort(numbers[rows])]
