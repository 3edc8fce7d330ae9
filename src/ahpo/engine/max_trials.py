"""The callback that stops a study after so many trials."""

from __future__ import annotations

from collections.abc import Container

from ahpo.engine.reader import StudyFace
from ahpo.states import TrialState
from ahpo.trials.frozen import FrozenTrial

__all__ = ("MaxTrialsCallback",)


class MaxTrialsCallback:
    """Stop a study when so many trials of it have finished, whoever ran them.

    :param n_trials: how many
    :param states: the states that count; None for all
    """

    def __init__(
        self, n_trials: int, states: Container[TrialState] | None = (TrialState.COMPLETE,)
    ) -> None:
        self._n_trials = n_trials
        self._states = states

    def __call__(self, study: StudyFace, trial: FrozenTrial) -> None:
        if study.count_trials(self._states) >= self._n_trials:
            study.stop()
