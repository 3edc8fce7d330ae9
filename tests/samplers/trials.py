"""A study without an engine: finished and running trials put down by hand, or by a sampler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ahpo.distributions import BaseDistribution
from ahpo.history.base_study import BaseStudy
from ahpo.history.facts import (
    ParamSet,
    SystemAttrSet,
    TrialCreated,
    TrialFinished,
    ValueReported,
)
from ahpo.history.history import History
from ahpo.history.view import View
from ahpo.samplers.array_sampler import ArraySampler
from ahpo.states import StudyDirection, TrialState

Space = dict[str, BaseDistribution]

MINIMIZE, MAXIMIZE = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE


class Trials(BaseStudy):
    """Put trials down, and let samplers suggest others."""

    def __init__(self, space: Space, directions: Sequence[StudyDirection] = (MINIMIZE,)) -> None:
        self.space = space
        self.history = History("by hand", directions)

    def _read(self) -> History:
        return self.history

    def start(
        self,
        params: Mapping[str, Any] | None = None,
        attrs: Mapping[str, Any] | None = None,
        space: Space | None = None,
    ) -> int:
        """Start a trial with some external values, and return its number."""
        number = self.history.n_trials
        self.history.apply(TrialCreated(number, number, TrialState.RUNNING, 0))
        for key, value in (attrs or {}).items():
            self.history.apply(SystemAttrSet(number, key, value))
        distributions = self.space if space is None else space
        for name, value in (params or {}).items():
            distribution = distributions[name]
            internal = distribution.to_internal_repr(value)
            self.history.apply(ParamSet(number, name, internal, distribution))
        return number

    def end(
        self,
        number: int,
        *values: float,
        state: TrialState = TrialState.COMPLETE,
        reports: Mapping[int, float] | None = None,
    ) -> None:
        """End a trial."""
        for step, value in (reports or {}).items():
            self.history.apply(ValueReported(number, step, value))
        told = values if state is TrialState.COMPLETE else None
        self.history.apply(TrialFinished(number, state, told, 0))

    def add(self, params: Mapping[str, Any], *values: float, **more: Any) -> int:
        """Start and end a trial, and return its number."""
        number = self.start(params, more.pop("attrs", None), more.pop("space", None))
        self.end(number, *values, **more)
        return number

    def ask(self, sampler: ArraySampler, space: Space | None = None) -> int:
        """Start a trial with all parameters as a sampler suggests them, and return its number."""
        number = self.start()
        view = View(self.history)
        proposal = sampler.propose(view, number)
        opened = self.history.open_trial(number)
        opened.proposal = proposal
        for name, distribution in (self.space if space is None else space).items():
            value = proposal.get(name)
            if value is None:
                value = sampler.draw(view, number, name, distribution)
            self.history.apply(ParamSet(number, name, value, distribution))
        return number

    def params(self, number: int) -> dict[str, Any]:
        """Return the external values of a trial."""
        return self.history.frozen(number).params

    def run(
        self,
        sampler: ArraySampler,
        objective: Callable[[dict[str, Any]], float | Sequence[float]],
        n_trials: int,
    ) -> list[dict[str, Any]]:
        """Run trials one after the other, and return their parameters."""
        found = []
        for _ in range(n_trials):
            number = self.ask(sampler)
            params = self.params(number)
            values = objective(params)
            self.end(number, *(values if isinstance(values, Sequence) else (values,)))
            found.append(params)
        return found
