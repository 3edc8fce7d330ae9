"""The tree of a define-by-run search space, as far as trials have shown it.

A node stands for the parameter that the objective asks for after given values of the parameters
before it; its branches are the values of that parameter. What lies behind a branch that no trial
has taken is unknown: it counts as one leaf. A branch at whose end a trial finished is an explored
leaf and counts as none. One at whose end a trial runs is a leaf that is unexplored, but taken.
"""

from __future__ import annotations

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

__all__ = ("LeafTree", "Node", "branch_of_value", "count_branches", "value_of_branch")

# How far from the grid, in steps, a float may be: more than what rounding does to tiny steps.
_OFF_GRID = 0.01

# The parameters of a trial in order of suggestion, by name.
_Steps: TypeAlias = dict[str, tuple[float, BaseDistribution]]


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

    ``left``, int64 (branches,): how many leaves behind each branch are unexplored; ``open``: how
    many will still be so when each running trial has got to one, behind the place to which it has
    come. ``n_left`` and ``n_open`` are their sums. ``children``: the nodes behind branches, as far
    as they are known. ``here``: which running trials have come to the end of a branch.
    """

    __slots__ = ("children", "distribution", "here", "left", "n_left", "n_open", "name", "open")

    def __init__(self, name: str, distribution: BaseDistribution, branches: int) -> None:
        self.name = name
        self.distribution = distribution
        self.left: NDArray[np.int64] = np.ones(branches, np.int64)
        self.open: NDArray[np.int64] = np.ones(branches, np.int64)
        self.n_left = self.n_open = branches
        self.children: dict[int, Node] = {}
        self.here: dict[int, set[int]] = {}

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
                node.set(new, int(self.left[old]), int(self.open[old]))
                if old in self.children:
                    node.children[new] = self.children[old]
                if old in self.here:
                    node.here[new] = self.here[old]
        return node

    def set(self, branch: int, left: int, open_: int) -> None:
        """Set the counts of a branch."""
        self.n_left += left - int(self.left[branch])
        self.n_open += open_ - int(self.open[branch])
        self.left[branch] = left
        self.open[branch] = open_

    def recount(self, branch: int) -> None:
        """Bring the counts of a branch up to date with what is at its end."""
        child = self.children.get(branch)
        here = len(self.here.get(branch, ()))
        if child is None:
            left = int(self.left[branch])
            self.set(branch, left, 0 if here else left)
        else:
            self.set(branch, child.n_left, max(0, child.n_open - here))

    def untaken(self) -> NDArray[np.int64]:
        """Return how many leaves are unexplored and no running trial is at them, (branches,).

        More than ``open`` counts, if running trials are on the way to them; looks at all nodes.
        """
        counts = self.left.copy()
        for branch in self.here:
            counts[branch] = 0
        for branch, child in self.children.items():
            counts[branch] = child.untaken().sum() if child.n_left else 0
        return counts

    def has_untaken(self) -> bool:
        """Tell whether any of the counts that ``untaken`` would return is above zero."""
        for branch in np.flatnonzero(self.left).tolist():
            child = self.children.get(branch)
            if branch not in self.here if child is None else child.has_untaken():
                return True
        return False


_Trail: TypeAlias = list[tuple[Node, int]]


class LeafTree(Index):
    """Keep the tree of all trials that finished in whatever way or run.

    If the objective changes its mind about the parameter at a place, or its range, the last word
    counts.
    """

    def __init__(self) -> None:
        # A root with one branch, behind which the first parameter is.
        self.root = Node("", CategoricalDistribution((None,)), 1)
        self._running: dict[int, _Steps] = {}

    def node_at(self, number: int) -> Node | None:
        """Return the node of the next parameter of a running trial, None if it is not known."""
        trail = self._trail(self._running.get(number, {}))
        if trail is None:
            return None
        node, branch = trail[-1]
        return node.children.get(branch)

    def param(self, number: int, name: str, value: float, distribution: BaseDistribution) -> None:
        """Take in that a running trial goes on by one branch."""
        steps = self._running.setdefault(number, {})
        trail = self._trail(steps)
        steps[name] = value, distribution
        if trail is None:
            return
        _leave(trail, number)
        branch = branch_of_value(distribution, value)
        if branch is not None:
            node = _grown(trail, name, distribution)
            trail.append((node, branch))
            node.here.setdefault(branch, set()).add(number)
        _settle(trail)

    def finished(self, row: FinishedTrial) -> None:
        """Take in that a trial has explored the leaf to which it has come."""
        self._running.pop(row.number, None)
        trail: _Trail = [(self.root, 0)]
        for name, value in row.params.items():
            distribution = row.distributions[name]
            branch = branch_of_value(distribution, value)
            if branch is None:
                return  # no value that this search would try: it says nothing
            trail.append((_grown(trail, name, distribution), branch))
        node, branch = trail[-1]
        if branch not in node.children:
            node.set(branch, 0, 0)
        _leave(trail, row.number)
        _settle(trail)

    def _trail(self, steps: _Steps) -> _Trail | None:
        """Return the way through the tree; None if the tree has it not, or not any more."""
        node: Node | None
        node, branch = self.root, 0
        trail: _Trail = [(node, branch)]
        for name, (value, distribution) in steps.items():
            node = node.children.get(branch)
            if node is None or not node.fits(name, distribution):
                return None
            place = branch_of_value(distribution, value)
            if place is None:
                return None
            branch = place
            trail.append((node, branch))
        return trail


def _grown(trail: _Trail, name: str, distribution: BaseDistribution) -> Node:
    """Return the node for a parameter behind the end of a trail, made or changed if need be."""
    parent, branch = trail[-1]
    node = parent.children.get(branch)
    if node is not None and node.fits(name, distribution):
        return node
    branches = count_branches(distribution)
    assert branches is not None, "a value has a branch, so there are branches"
    if node is not None and node.name == name:
        node = node.adapted(distribution, branches)
    else:
        node = Node(name, distribution, branches)
    parent.children[branch] = node
    return node


def _leave(trail: _Trail, number: int) -> None:
    node, branch = trail[-1]
    here = node.here.get(branch)
    if here is not None:
        here.discard(number)
        if not here:
            del node.here[branch]


def _settle(trail: _Trail) -> None:
    """Bring the counts along a trail up to date, from its end to the root."""
    for node, branch in reversed(trail):
        node.recount(branch)
