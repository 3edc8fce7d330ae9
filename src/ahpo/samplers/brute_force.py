"""Exhaustive search over a search space that the objective defines as it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ahpo.samplers.array_sampler import ArraySampler
from ahpo.samplers.leaf_tree import LeafTree, Node, count_branches, value_of_branch

if TYPE_CHECKING:
    from ahpo.distributions import BaseDistribution
    from ahpo.history.view import View

__all__ = ("BruteForceSampler",)


class BruteForceSampler(ArraySampler):
    """Try every combination of values that the objective can ask for, each once, at random.

    Parameters may depend on the values of others. Their ranges must be finite: a float needs a
    ``step``. The study stops when everything has been tried, whether the trials were completed,
    pruned or failed; a study that is resumed goes on with what is left. If ranges change within a
    study, some of the combinations may be left out.

    Of several trials that run at the same time, each gets a combination of its own as long as one
    is known to be left. What a trial will ask for is not known before it does: those that start
    while the last combinations are being tried may try some of them twice.

    :param seed: seed of the order; None for one from the operating system.
    :param avoid_premature_stop: what lies behind the parameters that a running trial has so far is
        not known before it ends. False stops the study when nothing else is left, which may leave
        combinations out; True goes on, which may try some twice.
    """

    def __init__(self, seed: int | None = None, avoid_premature_stop: bool = False) -> None:
        super().__init__(seed)
        self._avoid_premature_stop = avoid_premature_stop

    def draw(self, view: View, number: int, name: str, distribution: BaseDistribution) -> float:
        """Return the internal value of a branch, with a probability like the leaves behind it.

        :raises ValueError: if the distribution has infinitely many values.
        """
        branches = count_branches(distribution)
        if branches is None:
            raise ValueError(
                f"BruteForceSampler needs a finite search space: the `step` of {name!r} must be "
                f"given, but it is a {distribution}."
            )
        # Live, not as of the view: others have gone on since this trial was asked for.
        node = view.index(LeafTree).node_at(number)
        if node is None or node.name != name:
            node = Node(name, distribution, branches)
        elif not node.fits(name, distribution):
            node = node.adapted(distribution, branches)
        # First what is open; then what others are on the way to; then what they are at, behind
        # which more may turn up; and if all is explored, anything.
        left = node.open
        if not node.n_open:
            left = node.untaken()
            if not left.any():
                left = node.left if node.n_left else np.ones(branches, np.int64)
        ends = left.cumsum()
        target = int(self.stream.uniform(number, name) * ends[-1])
        return value_of_branch(distribution, int(ends.searchsorted(target, "right")))

    def exhausted(self, view: View) -> bool:
        """Tell whether a further trial would find nothing, as far as is known."""
        root = view.index(LeafTree).root
        if self._avoid_premature_stop:
            return root.n_left == 0
        # Not before all leaves are really taken: a trial on its way to one may yet fail, or show
        # more of the tree.
        return not root.n_open and not root.has_untaken()
