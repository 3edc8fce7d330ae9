"""The tree of a define-by-run search space, as far as trials have shown it.

A node stands for the parameter that the objective asks for after given values of the parameters
before it; its branches are the values of that parameter. What lies behind a branch that no trial
has taken is unknown: it counts as one leaf. A branch at whose end a trial finished is an explored
leaf and counts as none.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.history.index import Index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ahpo.history.records import FinishedTrial

__all__ = ("LeafTree", "Node", "Path", "count_branches", "value_of_branch")

# How far from the grid, in steps, a float may be: more than what rounding does to tiny steps.
_OFF_GRID = 0.01

Path: TypeAlias = Sequence[tuple[str, BaseDistribution, float]]


def count_branches(distribution: BaseDistribution) -> int | None:
    """Return how many values a distribution has; None if they are not finitely many."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return (distribution.high - distribution.low) // distribution.step + 1
    if isinstance(distribution, FloatDistribution):
        if distribution.low == distribution.high:
            return 1
        if distribution.step is not None:
            return round((distribution.high - distribution.low) / distribution.step) + 1
    return None


def value_of_branch(distribution: BaseDistribution, branch: int) -> float:
    """Return the internal value of a branch, counted from 0."""
    if isinstance(distribution, IntDistribution):
        return float(distribution.low + branch * distribution.step)
    if isinstance(distribution, FloatDistribution):
        # In decimals, so that the third step of 0.1 is 0.3 and not 0.30000000000000004.
        step = Decimal(str(distribution.step or 0.0))
        return float(Decimal(str(distribution.low)) + branch * step)
    return float(branch)


def branch_of_value(distribution: BaseDistribution, value: float) -> int | None:
    """Return the branch of an internal value; None if it has none."""
    if isinstance(distribution, FloatDistribution):
        steps = (value - distribution.low) / (distribution.step or 1.0)
        branch = round(steps)
        if abs(steps - branch) > _OFF_GRID or not 0 <= branch < (count_branches(distribution) or 0):
            return None
        return branch
    if not distribution._contains(value):
        return None
    if isinstance(distribution, IntDistribution):
        return (round(value) - distribution.low) // distribution.step
    return round(value)


class Node:
    """One parameter after given values of the parameters before it.

    ``left``, int64 (branches,): how many leaves are unexplored behind each branch. ``children``:
    the nodes behind branches, as far as they are known.
    """

    __slots__ = ("children", "distribution", "left", "name")

    def __init__(self, name: str, distribution: BaseDistribution, branches: int) -> None:
        self.name = name
        self.distribution = distribution
        self.left: NDArray[np.int64] = np.ones(branches, np.int64)
        self.children: dict[int, Node] = {}

    def fits(self, name: str, distribution: BaseDistribution) -> bool:
        """Tell whether the node is one for this parameter with this range."""
        if self.name != name:
            return False
        return self.distribution is distribution or self.distribution == distribution

    def adapted(self, distribution: BaseDistribution, branches: int) -> Node:
        """Return the node with another range: what is known of common values is kept."""
        node = Node(self.name, distribution, branches)
        for old in range(len(self.left)):
            new = branch_of_value(distribution, value_of_branch(self.distribution, old))
            if new is not None:
                node.left[new] = self.left[old]
                if old in self.children:
                    node.children[new] = self.children[old]
        return node

    def unexplored(self, running: Sequence[Path], depth: int) -> NDArray[np.int64]:
        """Return ``left`` without the leaves that running trials have taken.

        :param running: the paths of trials that have come to this node, and further.
        :param depth: how long the path to this node is.
        """
        left = self.left.copy()
        behind: dict[int, list[Path]] = {}
        for path in running:
            branch = branch_of_value(self.distribution, path[depth][2])
            if branch is not None:
                behind.setdefault(branch, []).append(path)
        for branch, paths in behind.items():
            # A leaf that is explored already is not taken by those who are there once more.
            if left[branch]:
                left[branch] = _unexplored_behind(self.children.get(branch), paths, depth + 1)
        return left


def _unexplored_behind(node: Node | None, running: Sequence[Path], depth: int) -> int:
    further = [path for path in running if len(path) > depth]
    if node is None:
        if not further:
            return 0  # taken, and nothing is known of what lies behind
        name, distribution, _ = further[-1][depth]
        branches = count_branches(distribution)
        if branches is None:
            return 0
        node = Node(name, distribution, branches)
    further = [path for path in further if node.fits(*path[depth][:2])]
    return int(node.unexplored(further, depth).sum())


class LeafTree(Index):
    """Keep the tree of all trials that finished, in whatever way.

    If the objective changes its mind about the parameter at a place, or its range, the last word
    counts.
    """

    def __init__(self) -> None:
        # A root with one branch, behind which the first parameter is.
        self.root = Node("", CategoricalDistribution((None,)), 1)

    @property
    def left(self) -> int:
        """The number of unexplored leaves."""
        return int(self.root.left[0])

    def unexplored(self, running: Sequence[Path]) -> int:
        """Return the number of unexplored leaves that no running trial has taken."""
        if not running or not self.left:
            return self.left
        return _unexplored_behind(self.root.children.get(0), running, 0)

    def node_at(self, path: Path) -> Node | None:
        """Return the node behind a path, None if it is not known."""
        node = self.root.children.get(0)
        for name, distribution, value in path:
            if node is None or not node.fits(name, distribution):
                return None
            branch = branch_of_value(distribution, value)
            node = None if branch is None else node.children.get(branch)
        return node

    def finished(self, row: FinishedTrial) -> None:
        """Take in the path of one trial."""
        trail: list[tuple[Node, int]] = [(self.root, 0)]
        for name, value in row.params.items():
            distribution = row.distributions[name]
            branches = count_branches(distribution)
            branch = branch_of_value(distribution, value)
            if branches is None or branch is None:
                return  # no value that this search would try: it says nothing
            trail.append((_grown(trail, name, distribution, branches), branch))
        last, branch = trail[-1]
        if branch not in last.children:
            _add(trail, -int(last.left[branch]))


def _grown(
    trail: list[tuple[Node, int]], name: str, distribution: BaseDistribution, branches: int
) -> Node:
    """Return the node for a parameter behind the end of a trail, made or changed if need be."""
    parent, branch = trail[-1]
    node = parent.children.get(branch)
    if node is not None and node.fits(name, distribution):
        return node
    if node is not None and node.name == name:
        node = node.adapted(distribution, branches)
    else:
        node = Node(name, distribution, branches)
    parent.children[branch] = node
    _add(trail, int(node.left.sum()) - int(parent.left[branch]))
    return node


def _add(trail: list[tuple[Node, int]], change: int) -> None:
    for node, branch in trail:
        node.left[branch] += change
