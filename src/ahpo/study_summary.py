"""What is known of a study without loading its trials."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from ahpo.states import StudyDirection
from ahpo.trials.frozen import FrozenTrial

__all__ = ("StudySummary",)


class StudySummary:
    """Hold the basic facts of a study, as ``get_all_study_summaries`` returns them.

    :param study_name: the name of the study.
    :param direction: the direction of its only objective, or None if ``directions`` is given.
    :param best_trial: its best trial, or None.
    :param user_attrs: its user attributes by key.
    :param n_trials: how many trials it has, in any state.
    :param datetime_start: when its first trial started, or None.
    :param study_id: the identifier of the study in its storage.
    :param directions: the directions of all objectives.
    :raises ValueError: if neither ``direction`` nor ``directions`` is given, or if they differ.
    """

    __slots__ = (
        "_directions",
        "_study_id",
        "best_trial",
        "datetime_start",
        "n_trials",
        "study_name",
        "user_attrs",
    )

    def __init__(
        self,
        study_name: str,
        direction: StudyDirection | None,
        best_trial: FrozenTrial | None,
        user_attrs: dict[str, Any],
        n_trials: int,
        datetime_start: datetime | None,
        study_id: int,
        *,
        directions: Sequence[StudyDirection] | None = None,
    ) -> None:
        if directions is None and direction is not None:
            directions = (direction,)
        if directions is None or (direction is not None and list(directions) != [direction]):
            raise ValueError(
                f"One of `direction` and `directions` must be given, but direction={direction} "
                f"and directions={directions}."
            )
        self._directions = list(directions)
        self.study_name = study_name
        self.best_trial = best_trial
        self.user_attrs = user_attrs
        self.n_trials = n_trials
        self.datetime_start = datetime_start
        self._study_id = study_id

    @property
    def direction(self) -> StudyDirection:
        """The direction of the only objective.

        :raises RuntimeError: if there are several: those are in ``directions``.
        """
        if len(self._directions) > 1:
            raise RuntimeError(
                "`direction` cannot be read, as this study has several objectives: use "
                f"`directions`, which is {self._directions}."
            )
        return self._directions[0]

    @property
    def directions(self) -> Sequence[StudyDirection]:
        """The directions of all objectives."""
        return self._directions

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StudySummary):
            return NotImplemented
        return bool(_parts(self) == _parts(other))

    # A value that can change, and holds a dict, has no hash.
    __hash__ = None  # type: ignore[assignment]

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, StudySummary):
            return NotImplemented
        return self._study_id < other._study_id

    def __le__(self, other: object) -> bool:
        if not isinstance(other, StudySummary):
            return NotImplemented
        return self._study_id <= other._study_id


_parts = attrgetter(*StudySummary.__slots__)
