"""Trials without an engine: what an engine does with a sampler, one line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.samplers.array_sampler import ArraySampler
from ahpo.states import TrialState
from tests.pruners.plain_study import PlainStudy


class PlainTrial:
    """Ask a sampler for the parameters of one new trial."""

    def __init__(
        self,
        study: PlainStudy,
        sampler: ArraySampler,
        fixed: dict[str, Any] | None = None,
        system_attrs: dict[str, Any] | None = None,
    ) -> None:
        self.study, self.sampler, self.fixed = study, sampler, fixed or {}
        attributes = {} if fixed is None else {"fixed_params": fixed}
        self.number = study.start({**attributes, **(system_attrs or {})})
        self.view = study.view()
        study.record(self.number, sampler.prepare(self.view, self.number) or {})
        study.open(self.number).proposal = sampler.propose(self.view, self.number)

    def _suggest(self, name: str, distribution: BaseDistribution) -> Any:
        opened = self.study.open(self.number)
        if name not in opened.params:
            if name in self.fixed:
                value = distribution.to_internal_repr(self.fixed[name])
            elif name in opened.proposal:
                value = opened.proposal[name]
            elif distribution.single():
                value = float(getattr(distribution, "low", 0.0))
            else:
                value = self.sampler.draw(self.view, self.number, name, distribution)
            self.study.param(self.number, name, value, distribution)
        return distribution.to_external_repr(opened.params[name])

    def suggest_int(self, name: str, low: int, high: int, step: int = 1, log: bool = False) -> int:
        """Suggest an int."""
        value: int = self._suggest(name, IntDistribution(low, high, log, step))
        return value

    def suggest_float(
        self, name: str, low: float, high: float, step: float | None = None, log: bool = False
    ) -> float:
        """Suggest a float."""
        value: float = self._suggest(name, FloatDistribution(low, high, log, step))
        return value

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Suggest one of the choices."""
        return self._suggest(name, CategoricalDistribution(choices))

    @property
    def params(self) -> dict[str, Any]:
        """The parameters so far."""
        return self.study.history.frozen(self.number).params

    def finish(self, state: TrialState = TrialState.COMPLETE) -> dict[str, Any]:
        """End the trial and return its parameters."""
        params = self.params
        values = [0.0] if state is TrialState.COMPLETE else None
        told = self.sampler.observe(
            self.view, self.study.history.frozen(self.number), state, values
        )
        self.study.record(self.number, told or {})
        self.study.finish(self.number, values, state)
        return params


Objective = Callable[[PlainTrial], object]


def run(
    study: PlainStudy, sampler: ArraySampler, objective: Objective, most: int = 1000
) -> list[dict[str, Any]]:
    """Run trials one after the other until the sampler is exhausted; return their parameters.

    An objective may return the state of its trial.
    """
    params = []
    for _ in range(most):
        trial = PlainTrial(study, sampler)
        state = objective(trial)
        params.append(trial.finish(state if isinstance(state, TrialState) else TrialState.COMPLETE))
        if sampler.exhausted(study.view()):
            break
    return params
