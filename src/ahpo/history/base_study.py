"""Plain reads of a study: what every face of it shows in the same way."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from ahpo.history.frozen import copied
from ahpo.history.history import History
from ahpo.history.listing import frozen_trials
from ahpo.history.view import View
from ahpo.states import StudyDirection, TrialState
from ahpo.trials.frozen import FrozenTrial

__all__ = ("METRIC_NAMES", "BaseStudy")

METRIC_NAMES = "study:metric_names"


class BaseStudy:
    """Read a study. Nothing here waits; a face that can, brings the history up to date first."""

    def _history(self) -> History:
        """Return the history as it is."""
        raise NotImplementedError

    def _read(self) -> History:
        """Return the history to read from, up to date where the face can wait for that."""
        return self._history()

    def view(self) -> View:
        """Return a view of the study as it is now, for samplers and pruners."""
        return View(self._read())

    def _stop_if(self, exhausted: Callable[[View], bool], number: int) -> None:
        """Take from a sampler that the study is to stop if that holds when a trial has ended."""
        # A study that is only read has nothing to stop.

    def _keep_system_attr(self, key: str, value: Any) -> None:
        """Take a system attribute of the study from a sampler."""
        # A study that is only read keeps nothing.

    @property
    def study_name(self) -> str:
        """Return the name of the study."""
        return self._history().study_name

    @property
    def directions(self) -> list[StudyDirection]:
        """Return the direction of each objective."""
        return list(self._history().directions)

    @property
    def direction(self) -> StudyDirection:
        """Return the direction of the one objective.

        :raises RuntimeError: if the study has several objectives
        """
        self._check_single("A single direction can not be retrieved", "`directions`")
        return self._history().directions[0]

    def _check_single(self, what: str, instead: str) -> None:
        if self._is_multi_objective():
            raise RuntimeError(
                f"{what} from a study with {len(self._history().directions)} objectives: "
                f"use {instead} instead."
            )

    def _is_multi_objective(self) -> bool:
        return len(self._history().directions) > 1

    @property
    def user_attrs(self) -> dict[str, Any]:
        """Return a copy of the user attributes."""
        attributes: dict[str, Any] = copied(dict(self._read().user_attrs.items()))
        return attributes

    @property
    def metric_names(self) -> list[str] | None:
        """Return the names of the objectives, or None if none were set."""
        names = self._read().system_attrs.get(METRIC_NAMES)
        return None if names is None else list(names)

    @property
    def trials(self) -> list[FrozenTrial]:
        """Return a copy of each trial, by number."""
        return self.get_trials()

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials, by number.

        :param deepcopy: False shares the objects with everybody else who asks, and is faster:
            they must not be changed
        :param states: keep only the trials in these states
        :raises TypeError: if ``states`` is no container
        """
        if states is not None and not isinstance(states, Container):
            raise TypeError(f"`states` must be several TrialStates or None, but it is {states!r}.")
        history = self._read()
        return frozen_trials(history, history.numbers(states), shared=not deepcopy)

    def count_trials(self, states: Container[TrialState] | None = None) -> int:
        """Return how many trials are in these states (None: in any)."""
        return len(self._read().numbers(states))

    @property
    def best_trial(self) -> FrozenTrial:
        """Return a copy of the complete, feasible trial with the best value.

        :raises RuntimeError: if the study has several objectives
        :raises ValueError: if there is no such trial
        """
        self._check_single("A single best trial can not be retrieved", "`best_trials`")
        return self._best_trial(self._read())

    @staticmethod
    def _best_trial(history: History) -> FrozenTrial:
        number = history.best_number
        if number is None:
            complete = bool(
                (history.table.states.rows(history.table.n) == TrialState.COMPLETE).any()
            )
            what = "No feasible trials" if complete else "No trials"
            raise ValueError(f"{what} are completed yet.")
        return history.frozen(number)

    @property
    def best_value(self) -> float:
        """Return the best value.

        :raises RuntimeError: if the study has several objectives
        :raises ValueError: if no feasible trial is complete
        """
        self._check_single("A single best value can not be retrieved", "`best_trials`")
        value = self._best_trial(self._read()).value
        assert value is not None
        return value

    @property
    def best_params(self) -> dict[str, Any]:
        """Return the parameters of the best trial.

        :raises RuntimeError: if the study has several objectives
        :raises ValueError: if no feasible trial is complete
        """
        self._check_single("A single best trial can not be retrieved", "`best_trials`")
        return dict(self._best_trial(self._read()).params)

    @property
    def best_trials(self) -> list[FrozenTrial]:
        """Return a copy of each trial on the Pareto front of the complete, feasible ones."""
        history = self._read()
        if history.front is not None:
            return [history.frozen(number) for number in sorted(history.front.numbers)]
        return [history.frozen(number) for number in history.best_numbers()]
