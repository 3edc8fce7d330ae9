"""States of a trial, directions of an objective, and the legal changes of state as a table."""

from __future__ import annotations

from enum import IntEnum

__all__ = ("LEGAL_CHANGES", "StudyDirection", "TrialState")


class TrialState(IntEnum):
    """Name the state of a trial.

    ``RUNNING`` trials are being evaluated, ``WAITING`` ones are enqueued; the other three are
    final: ``COMPLETE`` with its values, ``PRUNED`` by a pruner, ``FAIL`` by an error.
    """

    RUNNING = 0
    COMPLETE = 1
    PRUNED = 2
    FAIL = 3
    WAITING = 4

    def __str__(self) -> str:
        return f"TrialState.{self.name}"

    def is_finished(self) -> bool:
        """Tell whether the state is final: COMPLETE, PRUNED or FAIL."""
        return self is not TrialState.RUNNING and self is not TrialState.WAITING


class StudyDirection(IntEnum):
    """Name the direction in which an objective is optimized."""

    NOT_SET = 0
    MINIMIZE = 1
    MAXIMIZE = 2


_FINAL = frozenset((TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))

# WAITING -> final is legal: `tell` may close an enqueued trial that nobody started.
LEGAL_CHANGES: dict[TrialState, frozenset[TrialState]] = {
    TrialState.WAITING: _FINAL | {TrialState.RUNNING},
    TrialState.RUNNING: _FINAL,
    TrialState.COMPLETE: frozenset(),
    TrialState.PRUNED: frozenset(),
    TrialState.FAIL: frozenset(),
}
