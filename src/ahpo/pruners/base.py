"""The documented interface of pruners, for those that users write, and the pure one of our own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeGuard

from ahpo.overrides import keeps

if TYPE_CHECKING:
    from ahpo.history.base_study import BaseStudy
    from ahpo.history.view import View
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("KEEP", "PRUNE", "ArrayPruner", "BasePruner", "Decision", "Progress", "is_pure")


class Decision(NamedTuple):
    """Say whether a trial is to be pruned, and what to record on it with the decision."""

    prune: bool
    system_attrs: Mapping[str, Any] = {}


KEEP = Decision(False)
PRUNE = Decision(True)


class Progress(Protocol):
    """Describe the trial under decision: the open record of a history, or a `FrozenTrial`."""

    @property
    def number(self) -> int:
        """The number of the trial."""
        ...

    @property
    def intermediate_values(self) -> dict[int, float]:
        """The reported values by step, in the order of the reports."""
        ...

    @property
    def system_attrs(self) -> dict[str, Any]:
        """What has been recorded on the trial."""
        ...

    @property
    def last_step(self) -> int | None:
        """The largest reported step, or None."""
        ...


class BasePruner(ABC):
    """Decide which running trials are to be stopped early."""

    @abstractmethod
    def prune(self, study: BaseStudy, trial: FrozenTrial) -> bool:
        """Tell whether the trial should be pruned, judged by the values that it has reported.

        Objectives do not call this; they call ``trial.report`` and ``trial.should_prune``.

        :param study: the study, to be read only.
        :param trial: the running trial. What a pruner puts into its ``system_attrs`` is recorded.
        :returns: True if the trial should be pruned.
        """


def is_pure(pruner: BasePruner) -> TypeGuard[ArrayPruner]:
    """Tell whether the pure function of a pruner does all that its documented method does.

    It does not if a user's subclass has overridden ``prune``.
    """
    return isinstance(pruner, ArrayPruner) and pruner._is_derived()


class ArrayPruner(BasePruner):
    """Decide from a view of the history and the progress of one trial, by a pure function.

    Subclasses implement ``decide``; the documented ``prune`` is derived from it here, once.
    """

    def _is_derived(self) -> bool:
        """Tell whether ``prune`` is the one that derives from the pure function."""
        return keeps(self, ArrayPruner, ("prune",))

    @abstractmethod
    def decide(self, view: View, trial: Progress) -> Decision:
        """Return the decision on a running trial, and what to record on the trial with it."""

    def visible(self, view: View, number: int) -> View:
        """Return what the sampler of trial ``number`` may learn from; by default the whole view."""
        return view

    def prune(self, study: BaseStudy, trial: FrozenTrial) -> bool:
        """Tell whether the trial should be pruned, judged by the values that it has reported.

        :param study: the study, to be read only.
        :param trial: the running trial; its ``system_attrs`` get what is to be recorded.
        :returns: True if the trial should be pruned.
        """
        decision = self.decide(study.view(), trial)
        trial.system_attrs.update(decision.system_attrs)
        return decision.prune
