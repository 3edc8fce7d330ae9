"""Search spaces that finished trials have in common, kept up to date one trial at a time.

Both trackers fold over the distributions of trials and never look back: a trial that brings
nothing new costs one pass over its own parameters (the intersection) or one look-up (the groups).
What they hand out is never changed afterwards but replaced, so a snapshot may keep it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ahpo.distributions import BaseDistribution

__all__ = ("GroupTracker", "IntersectionTracker")


class IntersectionTracker:
    """Keep the parameters that every trial seen so far has, with one and the same distribution.

    A parameter that is missing from a trial, or has another distribution there, is out for good.
    """

    __slots__ = ("_space",)

    def __init__(self) -> None:
        self._space: dict[str, BaseDistribution] | None = None

    def add(self, distributions: Mapping[str, BaseDistribution]) -> None:
        """Take in the distributions of one more trial."""
        space = self._space
        if space is None:
            self._space = dict(sorted(distributions.items()))
            return
        lost = False
        for name, distribution in space.items():
            other = distributions.get(name)
            # Trials of one process mostly share the object: `is` saves the comparison.
            if other is not distribution and other != distribution:
                lost = True
                break
        if lost:
            self._space = {
                name: distribution
                for name, distribution in space.items()
                if distributions.get(name) == distribution
            }

    def space(self) -> dict[str, BaseDistribution]:
        """Return the intersection, by name; empty before the first trial. Not to be changed."""
        return {} if self._space is None else self._space


class GroupTracker:
    """Keep the coarsest split of the parameters in which each trial has a group wholly or not.

    Parameters that always occur together share a group; each parameter is in exactly one, with the
    distribution that was seen first.
    """

    __slots__ = ("_groups", "_known")

    def __init__(self) -> None:
        self._groups: list[dict[str, BaseDistribution]] = []
        # Sets of names that have been taken in: they cannot split a group any more.
        self._known: set[frozenset[str]] = set()

    def add(self, distributions: Mapping[str, BaseDistribution]) -> None:
        """Take in the distributions of one more trial."""
        names = frozenset(distributions)
        if names in self._known:
            return
        groups: list[dict[str, BaseDistribution]] = []
        for group in self._groups:
            inside = {name: group[name] for name in group if name in names}
            if not inside or len(inside) == len(group):
                groups.append(group)
                continue
            groups.append(inside)
            groups.append({name: group[name] for name in group if name not in names})
        seen = {name for group in self._groups for name in group}
        new = {name: distributions[name] for name in distributions if name not in seen}
        if new:
            groups.append(new)
        self._groups = groups
        self._known.add(names)  # last, as an interruption may come between

    def groups(self) -> list[dict[str, BaseDistribution]]:
        """Return the groups, in the order in which they came apart. Not to be changed."""
        return self._groups
