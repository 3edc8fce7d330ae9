"""A study without an engine: facts go straight to the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from ahpo.history.records import OpenTrial
from ahpo.pruners.base import ArrayPruner
from ahpo.states import StudyDirection, TrialState


class PlainStudy(BaseStudy):
    """Apply facts to a history and read it."""

    def __init__(self, direction: str = "minimize", study_name: str = "plain") -> None:
        self.history = History(study_name, [StudyDirection[direction.upper()]])

    def _read(self) -> History:
        return self.history

    def start(self, system_attrs: Mapping[str, Any] | None = None) -> int:
        """Create a running trial."""
        number = self.history.n_trials
        self.history.apply(TrialCreated(number, 100 + number, TrialState.RUNNING, number))
        self.record(number, system_attrs or {})
        return number

    def open(self, number: int) -> OpenTrial:
        """Return the record of a running trial."""
        return self.history.open_trial(number)

    def record(self, number: int, system_attrs: Mapping[str, Any]) -> None:
        """Set system attributes."""
        for key, value in system_attrs.items():
            self.history.apply(SystemAttrSet(number, key, value))

    def param(self, number: int, name: str, value: float, distribution: BaseDistribution) -> None:
        """Set a parameter, in internal representation."""
        self.history.apply(ParamSet(number, name, value, distribution))

    def report(self, number: int, step: int, value: float) -> None:
        """Report a value."""
        self.history.apply(ValueReported(number, step, value))

    def decide(self, pruner: ArrayPruner, number: int) -> bool:
        """Ask a pruner as an engine would, and record what it wants to be recorded."""
        decision = pruner.decide(self.view(), self.open(number))
        self.record(number, decision.system_attrs)
        return decision.prune

    def finish(
        self,
        number: int,
        values: Sequence[float] | float | None = None,
        state: TrialState = TrialState.COMPLETE,
    ) -> None:
        """Finish a trial."""
        if isinstance(values, (int, float)):
            values = [values]
        told = None if values is None else tuple(float(value) for value in values)
        self.history.apply(TrialFinished(number, state, told, 10**6))

    def add(
        self,
        reports: Mapping[int, float],
        value: float | None = 0.0,
        state: TrialState = TrialState.COMPLETE,
    ) -> int:
        """Add a finished trial with its reports."""
        number = self.start()
        for step, reported in reports.items():
            self.report(number, step, reported)
        self.finish(number, value if state is not TrialState.FAIL else None, state)
        return number
