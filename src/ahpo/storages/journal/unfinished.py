"""A trial that has not finished, as a journal has told of it so far."""

from __future__ import annotations

from typing import Any

from ahpo.distributions import BaseDistribution
from ahpo.history.records import FinishedTrial
from ahpo.states import TrialState

__all__ = ("Unfinished",)


class Unfinished:
    """Hold a trial that has not finished."""

    __slots__ = (
        "distributions",
        "number",
        "params",
        "reports",
        "started",
        "state",
        "system_attrs",
        "trial_id",
        "user_attrs",
        "values",
    )

    def __init__(self, number: int, trial_id: int, state: TrialState, started: int | None) -> None:
        self.number = number
        self.trial_id = trial_id
        self.state = state
        self.started = started
        self.values: tuple[float, ...] | None = None
        self.params: dict[str, float] = {}
        self.distributions: dict[str, BaseDistribution] = {}
        self.reports: dict[int, float] = {}
        self.user_attrs: dict[str, Any] = {}
        self.system_attrs: dict[str, Any] = {}

    def whole(self, completed: int | None = None) -> FinishedTrial:
        """Return all of the trial as it is now; its dicts are shared."""
        return FinishedTrial(
            self.number,
            self.trial_id,
            self.state,
            self.values,
            self.params,
            self.distributions,
            self.reports,
            self.user_attrs,
            self.system_attrs,
            self.started,
            completed,
        )

    def copied(self) -> FinishedTrial:
        """Return all of the trial as it is now."""
        return self.whole()._replace(
            params=dict(self.params),
            distributions=dict(self.distributions),
            intermediate_values=dict(self.reports),
            user_attrs=dict(self.user_attrs),
            system_attrs=dict(self.system_attrs),
        )
