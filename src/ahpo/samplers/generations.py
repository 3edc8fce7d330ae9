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
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ahpo.states import TrialState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ahpo.history.view import View

__all__ = ("Course", "Marks", "course", "mark_of", "members")

_UNMARKED = -1
_COMPLETE = int(TrialState.COMPLETE)


class Marks(NamedTuple):
    """One kind of generations.

    ``key``: the system attribute that marks a trial; ``size``: how many trials close a generation.
    """

    key: str
    size: int


def mark_of(system_attrs: Mapping[str, Any], key: str) -> int:
    """Return the generation that a trial is marked with, or -1."""
    mark = system_attrs.get(key)
    # A user may put anything there.
    return mark if type(mark) is int and 0 <= mark < 2**31 else _UNMARKED


class Course:
    """Tell when generations were closed, as far as rows have been read.

    ``ends``: for each closed generation, how many rows there were when it was. Threads that meet
    here write the same values, so none needs a lock.
    """

    __slots__ = ("_marks", "_state", "ends")

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        # The rows that were read, the newest generation, and how many of it are complete.
        self._state = (0, 0, 0)
        self.ends: dict[int, int] = {}

    def read(self, view: View) -> None:
        """Read the rows of a view that are new."""
        key, size = self._marks
        ends = self.ends
        n, newest, count = self._state
        if view.n <= n:
            return
        for row, state in enumerate(view.states[n:].tolist(), start=n):
            if state != _COMPLETE:
                continue
            mark = mark_of(view.system_attrs(row), key)
            if mark == _UNMARKED:
                if newest == 1 and ends[0] == row:
                    # The last one of a run of unmarked trials closes their generation.
                    ends[0] = row + 1
                mark = 0
            if mark > newest:  # somebody else has seen the earlier ones closed
                for skipped in range(newest, mark):
                    ends[skipped] = row
                newest, count = mark, 0
            if mark == newest:
                count += 1
                if count >= size:
                    ends[newest] = row + 1
                    newest, count = newest + 1, 0
        self._state = (view.n, newest, count)

    def newest(self, n: int) -> int:
        """Return the generation of a trial that starts when there are ``n`` rows."""
        newest, ends = self._state[1], self.ends
        while newest and ends[newest - 1] > n:  # others have read more
            newest -= 1
        return newest


def course(view: View, marks: Marks) -> Course:
    """Return the course of a view, of which only the new rows are read."""
    known: Course = view.cache.get(marks) or view.cache.setdefault(marks, Course(marks))
    known.read(view)
    return known


def members(view: View, marks: Marks, generation: int) -> NDArray[np.intp]:
    """Return the rows of the complete trials of one generation, by number."""
    complete = np.flatnonzero(view.states == _COMPLETE)
    rows = [
        row
        for row in complete.tolist()
        if max(mark_of(view.system_attrs(row), marks.key), 0) == generation
    ]
    found = np.array(rows, dtype=np.intp)
    return found[np.argsort(view.numbers[found])]
