"""Exhaustive search over a search space that the objective defines as it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ahpo.samplers.array_sampler import ArraySampler
from ahpo.samplers.leaf_tree import LeafTree, Node, Path, count_branches, value_of_branch

if TYPE_CHECKING:
    from ahpo.distributions import BaseDistribution
    from ahpo.history.records import OpenTrial
    from ahpo.history.view import View

__all__ = ("BruteForceSampler",)


def _path(trial: OpenTrial) -> Path:
    distributions = trial.distributions
    return [(name, distributions[name], value) for name, value in list(trial.params.items())]


class BruteForceSampler(ArraySampler):
    """Try every combination of values that the objective can ask for, each once, at random.

    Parameters may depend on the values of others. Their ranges must be finite: a float needs a
    ``step``. The study stops when everything has been tried, whether the trials were completed,
    pruned or failed; a study that is resumed goes on with what is left. If ranges change within a
    study, some of the combinations may be left out.

    Of several trials that run at the same time, each gets a combination of its own as long as one
    is known to be left.

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
        path = _path(view.open_trial(number))
        # Live, not as of the view: others have finished and started since this trial was asked.
        node = view.index(LeafTree).node_at(path)
        if node is None or node.name != name:
            node = Node(name, distribution, branches)
        elif not node.fits(name, distribution):
            node = node.adapted(distribution, branches)
        left = node.unexplored(self._others(view, number, path, node), len(path))
        if not left.any():
            # All is explored or taken: rather go where something may turn up behind a running
            # trial than where nothing can.
            left = node.left if node.left.any() else np.ones_like(node.left)
        ends = left.cumsum()
        target = int(self.stream.uniform(number, name) * ends[-1])
        return value_of_branch(distribution, int(ends.searchsorted(target, "right")))

    def exhausted(self, view: View) -> bool:
        """Tell whether all known combinations have been tried, or are being tried."""
        tree = view.index(LeafTree)
        if self._avoid_premature_stop or not tree.left:
            return tree.left == 0
        running = view.running()
        # No trial takes more than one leaf.
        return tree.left <= len(running) and tree.unexplored(list(map(_path, running))) == 0

    @staticmethod
    def _others(view: View, number: int, path: Path, node: Node) -> list[Path]:
        depth = len(path)
        others = []
        for trial in view.running():
            if len(trial.params) > depth and trial.number != number:
                other = _path(trial)
                if other[:depth] == path and node.fits(*other[depth][:2]):
                    others.append(other)
        return others
