"""Records of single trials: the open one that still changes, the finished one that never does."""

from __future__ import annotations

from typing import Any, NamedTuple

from ahpo.distributions import BaseDistribution
from ahpo.states import TrialState

__all__ = ("FinishedTrial", "OpenTrial", "Relative")


class Relative(NamedTuple):
    """Hold what a user's sampler sampled jointly, and from where, as the objective shall see it."""

    space: dict[str, BaseDistribution]
    params: dict[str, Any]


class OpenTrial:
    """Hold an unfinished trial. The history writes it; everybody else only reads.

    Another thread may add to the dicts meanwhile: read them by ``get``, or copy them first.
    ``params`` and ``proposal`` are in internal representation; the proposal is what a sampler
    chose jointly when the trial was asked for, whether or not the objective has asked for it yet.
    ``relative`` is what it derives from, if the sampler is one that has to be asked by its
    documented methods.
    ``finished`` is set when the history has no open trial of that number any more.
    """

    __slots__ = (
        "distributions",
        "finished",
        "intermediate_values",
        "number",
        "params",
        "proposal",
        "relative",
        "started",
        "state",
        "system_attrs",
        "trial_id",
        "user_attrs",
    )

    def __init__(self, number: int, trial_id: int, state: TrialState, started: int | None) -> None:
        self.number = number
        self.trial_id = trial_id
        self.state = state
        self.started = started
        self.finished = False
        self.params: dict[str, float] = {}
        self.distributions: dict[str, BaseDistribution] = {}
        self.proposal: dict[str, float] = {}
        self.relative: Relative | None = None
        self.user_attrs: dict[str, Any] = {}
        self.system_attrs: dict[str, Any] = {}
        self.intermediate_values: dict[int, float] = {}

    @property
    def last_step(self) -> int | None:
        """Return the largest reported step, or None if nothing was reported."""
        return max(self.intermediate_values) if self.intermediate_values else None

    def as_running(self, started: int | None) -> OpenTrial:
        """Return the record that takes the place of this one when the trial starts."""
        # A new one, since a reader must not see the new state with the old time.
        trial = OpenTrial(self.number, self.trial_id, TrialState.RUNNING, started)
        trial.params, trial.distributions = self.params, self.distributions
        trial.proposal, trial.intermediate_values = self.proposal, self.intermediate_values
        trial.relative = self.relative
        trial.user_attrs, trial.system_attrs = self.user_attrs, self.system_attrs
        return trial

    def copy(self) -> OpenTrial:
        """Return the trial as it is now; the values of attributes are shared."""
        trial = OpenTrial(self.number, self.trial_id, self.state, self.started)
        trial.finished = self.finished
        trial.params, trial.distributions = self.params.copy(), self.distributions.copy()
        trial.proposal = self.proposal.copy()
        trial.intermediate_values = self.intermediate_values.copy()
        trial.user_attrs, trial.system_attrs = self.user_attrs.copy(), self.system_attrs.copy()
        return trial

    def record(self) -> FinishedTrial:
        """Return a copy of the trial as it is now."""
        # A parameter's distribution is set before its value: so this order misses none.
        params = list(self.params.items())
        distributions = dict(self.distributions.items())
        return FinishedTrial(
            number=self.number,
            trial_id=self.trial_id,
            state=self.state,
            values=None,
            params=dict(params),
            distributions=distributions,
            intermediate_values=dict(self.intermediate_values.items()),
            user_attrs=dict(self.user_attrs.items()),
            system_attrs=dict(self.system_attrs.items()),
            started=self.started,
            completed=None,
        )


class FinishedTrial(NamedTuple):
    """Give all of one trial, as a rule a finished one; ``params`` are internal values."""

    number: int
    trial_id: int
    state: TrialState
    values: tuple[float, ...] | None
    params: dict[str, float]
    distributions: dict[str, BaseDistribution]
    intermediate_values: dict[int, float]
    user_attrs: dict[str, Any]
    system_attrs: dict[str, Any]
    started: int | None
    completed: int | None

    @property
    def last_step(self) -> int | None:
        """Return the largest reported step, or None if nothing was reported."""
        return max(self.intermediate_values) if self.intermediate_values else None
