"""A study as a plain list of trials: everything is recomputed from it each time it is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ahpo.distributions import BaseDistribution, incompatibility
from ahpo.history.facts import (
    ConstraintSet,
    Fact,
    ParamSet,
    StudySystemAttrSet,
    StudyUserAttrSet,
    SystemAttrSet,
    TrialCreated,
    TrialFinished,
    TrialStarted,
    UserAttrSet,
    ValueReported,
)
from ahpo.history.frozen import to_datetime
from ahpo.history.records import FinishedTrial
from ahpo.states import StudyDirection, TrialState
from ahpo.trials.frozen import FrozenTrial

OPEN = (TrialState.RUNNING, TrialState.WAITING)


@dataclass
class NaiveTrial:
    number: int
    trial_id: int
    state: TrialState
    started: int | None
    completed: int | None = None
    values: tuple[float, ...] | None = None
    params: dict[str, float] = field(default_factory=dict)
    distributions: dict[str, BaseDistribution] = field(default_factory=dict)
    reports: dict[int, float] = field(default_factory=dict)
    user_attrs: dict[str, Any] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def known_values(self) -> tuple[float, ...] | None:
        values = self.values
        return None if values is None or any(map(math.isnan, values)) else values

    @property
    def violation(self) -> float:
        listed = self.system_attrs.get("constraints")
        constraints = {} if listed is None else {str(i): v for i, v in enumerate(listed)}
        for key, value in self.system_attrs.items():
            if key.startswith("constraints:"):
                constraints[key.removeprefix("constraints:")] = value
        if not constraints and listed is None:
            return math.nan
        return float(sum(value for value in constraints.values() if value > 0))

    def record(self) -> FinishedTrial:
        return FinishedTrial(
            number=self.number,
            trial_id=self.trial_id,
            state=self.state,
            values=self.known_values,
            params=self.params,
            distributions=self.distributions,
            intermediate_values=self.reports,
            user_attrs=self.user_attrs,
            system_attrs=self.system_attrs,
            started=self.started,
            completed=self.completed,
        )

    def frozen(self) -> FrozenTrial:
        kinds = self.distributions
        return FrozenTrial(
            number=self.number,
            trial_id=self.trial_id,
            state=self.state,
            value=None,
            values=self.known_values,
            datetime_start=to_datetime(self.started),
            datetime_complete=to_datetime(self.completed),
            params={n: kinds[n].to_external_repr(value) for n, value in self.params.items()},
            distributions=kinds,
            user_attrs=self.user_attrs,
            system_attrs=self.system_attrs,
            intermediate_values=self.reports,
        )


class NaiveStudy:
    """Take facts one at a time; `refusal` names the error that a fact deserves, if any."""

    def __init__(self, directions: tuple[StudyDirection, ...]) -> None:
        self.directions = directions
        self.trials: list[NaiveTrial] = []
        self.rows: list[NaiveTrial] = []
        self.user_attrs: dict[str, Any] = {}
        self.system_attrs: dict[str, Any] = {}
        self.first_distributions: dict[str, BaseDistribution] = {}

    def refusal(self, fact: Fact) -> str | None:
        if isinstance(fact, StudyUserAttrSet | StudySystemAttrSet):
            return None
        if isinstance(fact, TrialCreated):
            return None if fact.number == len(self.trials) and fact.state in OPEN else "ValueError"
        if not 0 <= fact.number < len(self.trials):
            return "KeyError"
        state = self.trials[fact.number].state
        if state not in OPEN:
            return "UpdateFinishedTrialError"
        if isinstance(fact, TrialStarted) and state is not TrialState.WAITING:
            return "ValueError"
        if isinstance(fact, TrialFinished):
            fits = fact.values is None or len(fact.values) == len(self.directions)
            return None if fits and fact.state not in OPEN else "ValueError"
        if isinstance(fact, ParamSet):
            first = self.first_distributions.get(fact.name, fact.distribution)
            return "ValueError" if incompatibility(first, fact.distribution) else None
        return None

    def apply(self, fact: Fact) -> None:
        if isinstance(fact, StudyUserAttrSet):
            self.user_attrs[fact.key] = fact.value
            return
        if isinstance(fact, StudySystemAttrSet):
            self.system_attrs[fact.key] = fact.value
            return
        if isinstance(fact, TrialCreated):
            self.trials.append(NaiveTrial(fact.number, fact.trial_id, fact.state, fact.at))
            return
        trial = self.trials[fact.number]
        if isinstance(fact, TrialStarted):
            trial.state, trial.started = TrialState.RUNNING, fact.at
        elif isinstance(fact, ParamSet):
            self.first_distributions.setdefault(fact.name, fact.distribution)
            if fact.name not in trial.params:
                trial.params[fact.name] = fact.value
                trial.distributions[fact.name] = fact.distribution
        elif isinstance(fact, ValueReported):
            trial.reports[fact.step] = fact.value
        elif isinstance(fact, UserAttrSet):
            trial.user_attrs[fact.key] = fact.value
        elif isinstance(fact, SystemAttrSet):
            trial.system_attrs[fact.key] = fact.value
        elif isinstance(fact, ConstraintSet):
            trial.system_attrs[f"constraints:{fact.key}"] = fact.value
        else:
            trial.state, trial.values, trial.completed = fact.state, fact.values, fact.at
            self.rows.append(trial)

    # -- what the columns should hold -------------------------------------------------------

    def values(self) -> NDArray[np.float64]:
        absent = (math.nan,) * len(self.directions)
        told = [absent if row.values is None else row.values for row in self.rows]
        return np.array(told, float).reshape(len(told), len(self.directions))

    def column(self, name: str) -> NDArray[np.float64]:
        return np.array([row.params.get(name, math.nan) for row in self.rows], float)

    def last_steps(self) -> list[int]:
        return [max(row.reports, default=-1) for row in self.rows]

    def last_values(self) -> NDArray[np.float64]:
        last = [row.reports[max(row.reports)] if row.reports else math.nan for row in self.rows]
        return np.array(last, float)

    # -- what derives from them -------------------------------------------------------------

    def _losses(self, trial: NaiveTrial) -> tuple[float, ...]:
        assert trial.values is not None
        return tuple(
            -value if direction is StudyDirection.MAXIMIZE else value
            for value, direction in zip(trial.values, self.directions, strict=True)
        )

    def feasible(self) -> list[NaiveTrial]:
        return [
            trial
            for trial in self.trials
            if trial.state is TrialState.COMPLETE
            and trial.known_values is not None
            and not trial.violation > 0
        ]

    def best_numbers(self) -> list[int]:
        """Return the Pareto front of the feasible complete trials, by number."""
        points = {trial.number: self._losses(trial) for trial in self.feasible()}
        return [
            number
            for number, point in points.items()
            if not any(
                other != point and all(a <= b for a, b in zip(other, point, strict=True))
                for other in points.values()
            )
        ]

    def _spaces(self, include_pruned: bool) -> list[dict[str, BaseDistribution]]:
        states = (TrialState.COMPLETE, *((TrialState.PRUNED,) if include_pruned else ()))
        return [row.distributions for row in self.rows if row.state in states]

    def intersection(self, include_pruned: bool) -> dict[str, BaseDistribution]:
        spaces = self._spaces(include_pruned)
        return {
            name: distribution
            for name, distribution in sorted(spaces[0].items() if spaces else ())
            if all(space.get(name) == distribution for space in spaces)
        }

    def groups(self, include_pruned: bool) -> set[frozenset[tuple[str, BaseDistribution]]]:
        """Return the classes of parameters that occur in exactly the same trials."""
        spaces = self._spaces(include_pruned)
        occurrences: dict[tuple[int, ...], set[tuple[str, BaseDistribution]]] = {}
        for name in {name for space in spaces for name in space}:
            where = tuple(place for place, space in enumerate(spaces) if name in space)
            occurrences.setdefault(where, set()).add((name, spaces[where[0]][name]))
        return {frozenset(group) for group in occurrences.values()}
