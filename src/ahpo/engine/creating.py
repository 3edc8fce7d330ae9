"""What opening and creating studies decides from its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ahpo.engine.reader import checked_pruner, checked_sampler
from ahpo.engine.session import Session
from ahpo.history.frozen import copied, to_datetime
from ahpo.history.history import History
from ahpo.pruners.base import BasePruner
from ahpo.samplers.base import BaseSampler
from ahpo.states import StudyDirection
from ahpo.storages.protocol import Storage, StudyStore
from ahpo.study_summary import StudySummary

__all__ = ("checked_directions", "make_session", "summary")

_DIRECTIONS = {"minimize": StudyDirection.MINIMIZE, "maximize": StudyDirection.MAXIMIZE}


def checked_directions(direction: Any, directions: Any) -> list[StudyDirection]:
    """Return the directions that ``direction`` or ``directions`` name; minimize if neither does.

    :raises ValueError: if both are given, or one is no direction
    """
    if direction is not None and directions is not None:
        raise ValueError("Specify only one of `direction` and `directions`.")
    if directions is None:
        return [_checked_direction("minimize" if direction is None else direction, "direction")]
    if isinstance(directions, str) or not isinstance(directions, Sequence):
        raise ValueError(
            "`directions` must be a sequence of 'minimize' or 'maximize', "
            f"but it is {directions!r}."
        )
    if len(directions) < 1:
        raise ValueError("`directions` must name at least one objective, but it is empty.")
    return [_checked_direction(one, "directions") for one in directions]


def _checked_direction(direction: Any, argument: str) -> StudyDirection:
    if isinstance(direction, StudyDirection) and direction is not StudyDirection.NOT_SET:
        return direction
    known = _DIRECTIONS.get(direction) if isinstance(direction, str) else None
    if known is None:
        raise ValueError(
            f"`{argument}` must be 'minimize', 'maximize' or a StudyDirection, "
            f"but it is {direction!r}."
        )
    return known


def make_session(
    storage: Storage, store: StudyStore, sampler: BaseSampler | None, pruner: BasePruner | None
) -> Session:
    """Return a session with the default sampler and pruner for what is None.

    :raises TypeError: if one is no sampler or no pruner
    """
    # The defaults are imported when needed: who brings others does not wait for them.
    if sampler is None:
        from ahpo.samplers.tpe import TPESampler

        sampler = TPESampler()
    if pruner is None:
        from ahpo.pruners.median import MedianPruner

        pruner = MedianPruner()
    return Session(storage, store, checked_sampler(sampler), checked_pruner(pruner))


def summary(history: History, study_id: int, include_best_trial: bool) -> StudySummary:
    """Return what `get_all_study_summaries` says of one study."""
    best = history.best_number if include_best_trial else None
    several = len(history.directions) > 1
    return StudySummary(
        study_name=history.study_name,
        direction=None if several else history.directions[0],
        best_trial=None if best is None else history.frozen(best),
        user_attrs=copied(history.user_attrs),
        n_trials=history.n_trials,
        datetime_start=to_datetime(history.first_started),
        study_id=study_id,
        directions=history.directions if several else None,
    )
