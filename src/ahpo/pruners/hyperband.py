"""Hyperband: Li et al., 2017, JMLR 18(185), on asynchronous successive halving.

The paper spends one budget on several brackets, which start pruning sooner or later. Here each
trial belongs to one bracket for good, by a hash of the study's name and its number, with
probabilities in proportion to the number of configurations that the paper gives each bracket.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from ahpo.pruners.base import KEEP, ArrayPruner, Decision, Progress
from ahpo.pruners.first_length import FirstLength
from ahpo.pruners.rung_index import RungIndex
from ahpo.pruners.successive_halving import Halving, check_halving
from ahpo.states import StudyDirection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ahpo.history.view import View

__all__ = ("Allocation", "HyperbandPruner", "allocate")


@dataclass(frozen=True)
class Allocation:
    """Assign the trials of a study to brackets: ``budgets`` are their shares.

    Calling it makes the index of the rungs of each bracket, so it is the kind of that index: two
    pruners with equal allocations share one.
    """

    study_name: str
    budgets: tuple[int, ...]

    def __post_init__(self) -> None:
        # crc32 of a text goes on from that of its beginning.
        object.__setattr__(self, "_start", crc32(f"{self.study_name}_".encode()))
        object.__setattr__(self, "_ends", list(accumulate(self.budgets)))

    def bracket(self, number: int) -> int:
        """Return the bracket of a trial."""
        ends: list[int] = self._ends  # type: ignore[attr-defined]
        start: int = self._start  # type: ignore[attr-defined]
        return bisect_right(ends, crc32(b"%d" % number, start) % ends[-1])

    def brackets(self, numbers: Iterable[int]) -> NDArray[np.int8]:
        """Return the brackets of trials."""
        return np.fromiter(map(self.bracket, numbers), np.int8)

    def __call__(self) -> RungIndex:
        """Return a new index of the rungs, in which a trial competes with those of its bracket."""
        return _BracketRungs(self)


class _BracketRungs(RungIndex):
    def __init__(self, allocation: Allocation) -> None:
        super().__init__()
        self._allocation = allocation

    def league(self, number: int) -> int:
        return self._allocation.bracket(number)


def allocate(min_resource: float, max_resource: float, reduction_factor: int) -> tuple[int, ...]:
    """Return the shares of the brackets, the one that prunes soonest first; () if there are none.

    With s_max the largest s for which eta^s is at most R, bracket s gets ceil((s_max + 1) eta^s /
    (s + 1)) configurations (algorithm 1 of the paper, where B = (s_max + 1) R).
    """
    # Rounding makes log(243, 3) less than 5: one bracket fewer. Whoever works on the same study
    # has to come to the same brackets, and Optuna computes it so.
    n_brackets = math.floor(math.log(max_resource / min_resource, reduction_factor)) + 1
    return tuple(
        math.ceil(n_brackets * reduction_factor**s / (s + 1)) for s in reversed(range(n_brackets))
    )


class HyperbandPruner(ArrayPruner):
    """Prune by Hyperband: several brackets of successive halving, which prune sooner or later.

    There are ``floor(log(max_resource / min_resource, reduction_factor)) + 1`` brackets; four to
    six are usual. The bracket of a trial follows from the name of the study and the number of the
    trial, so give the study a name to reproduce it. Samplers learn from the trials of the same
    bracket only.

    The paper: Li et al., Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization,
    2017.

    :param min_resource: the smallest number of steps of a trial. At least 1.
    :param max_resource: the largest number of steps of a trial (the steps being 0 to
        ``max_resource - 1``), or "auto": as many as the first trial to be completed has, before
        which nothing is pruned.
    :param reduction_factor: eta in the paper. At least 2.
    :param bootstrap_count: how many trials must complete a rung (and are pruned there) before any
        is promoted from it. At least 0; 0 if ``max_resource`` is "auto".
    :raises ValueError: if an argument is outside its range.
    """

    def __init__(
        self,
        min_resource: int = 1,
        max_resource: str | int = "auto",
        reduction_factor: int = 3,
        bootstrap_count: int = 0,
    ) -> None:
        check_halving(min_resource, reduction_factor, bootstrap_count)
        if max_resource != "auto" and not isinstance(max_resource, int):
            raise ValueError(
                f"`max_resource` must be 'auto' or an int, but it is {max_resource!r}."
            )
        if isinstance(max_resource, int) and max_resource < 1:
            raise ValueError(f"`max_resource` must be at least 1, but it is {max_resource}.")
        if bootstrap_count > 0 and max_resource == "auto":
            raise ValueError(
                f"`bootstrap_count` must be 0 if `max_resource` is 'auto', but it is "
                f"{bootstrap_count}."
            )
        self._min_resource = min_resource
        self._max_resource = None if isinstance(max_resource, str) else max_resource
        self._reduction_factor = reduction_factor
        self._bootstrap_count = bootstrap_count

    def _allocation(self, view: View) -> Allocation | None:
        max_resource = self._max_resource
        if max_resource is None:
            last_step = view.index(FirstLength).last_step
            if last_step is None:
                return None
            max_resource = last_step + 1
        key = (HyperbandPruner, self._min_resource, max_resource, self._reduction_factor)
        allocation: Allocation | None = view.cache.get(key)
        if allocation is None:
            budgets = allocate(self._min_resource, max_resource, self._reduction_factor)
            allocation = view.cache[key] = Allocation(view.study_name, budgets)
        return allocation if allocation.budgets else None

    def decide(self, view: View, trial: Progress) -> Decision:
        """Return the decision, with the rungs that the trial completes in its bracket."""
        allocation = self._allocation(view)
        if allocation is None:
            return KEEP
        halving = Halving(
            self._min_resource,
            self._reduction_factor,
            allocation.bracket(trial.number),
            self._bootstrap_count,
        )
        maximize = view.directions[0] is StudyDirection.MAXIMIZE
        return halving.decide(view.index(allocation), trial, maximize)

    def visible(self, view: View, number: int) -> View:
        """Return the trials of the bracket of trial ``number``; all, until there are brackets."""
        allocation = self._allocation(view)
        if allocation is None:
            return view
        cache = view.cache
        known: NDArray[np.int8] = cache.get(allocation, np.empty(0, np.int8))
        if len(known) < view.n:
            new = allocation.brackets(view.numbers[len(known) :].tolist())
            # Replaced, not extended: another thread may be reading it.
            known = cache[allocation] = np.concatenate([known, new])
        return view.select(known[: view.n] == allocation.bracket(number))
