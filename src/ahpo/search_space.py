"""The search space that the trials of a study have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ahpo.history.search_space import IntersectionTracker
from ahpo.states import TrialState

if TYPE_CHECKING:
    from ahpo.distributions import BaseDistribution
    from ahpo.history.base_study import BaseStudy
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("IntersectionSearchSpace", "intersection_search_space")


def intersection_search_space(
    trials: Iterable[FrozenTrial], include_pruned: bool = False
) -> dict[str, BaseDistribution]:
    """Return the parameters that all complete trials have, with one and the same distribution.

    `IntersectionSearchSpace` answers the same for a study without looking at its trials again.

    :param trials: the trials; those that are not complete are left aside.
    :param include_pruned: count pruned trials, too.
    :returns: ``{name: distribution}``, sorted by name.
    """
    tracker = IntersectionTracker()
    for trial in trials:
        if trial.state is TrialState.COMPLETE or (
            include_pruned and trial.state is TrialState.PRUNED
        ):
            tracker.add(trial.distributions)
    return dict(tracker.space())


class IntersectionSearchSpace:
    """Calculate the intersection search space of one study.

    :param include_pruned: count pruned trials, too.
    """

    def __init__(self, include_pruned: bool = False) -> None:
        self._include_pruned = include_pruned
        self._study_name: str | None = None

    def calculate(self, study: BaseStudy, use_cache: bool = False) -> dict[str, BaseDistribution]:
        """Return the parameters that all complete trials have, with one and the same distribution.

        :param study: the study, always the same one.
        :param use_cache: has no effect: the study keeps the answer up to date.
        :returns: ``{name: distribution}``, sorted by name.
        :raises ValueError: if the study is not the one of the first call.
        """
        view = study.view()
        if self._study_name is None:
            self._study_name = view.study_name
        elif self._study_name != view.study_name:
            raise ValueError(
                f"`study` must be the study of the first call, {self._study_name!r}, but it is "
                f"{view.study_name!r}."
            )
        return dict(view.intersection(self._include_pruned))
