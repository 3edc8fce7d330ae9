"""One study in memory: facts in, columns and derived values out. Pure: no clock, lock or I/O.

Whoever owns a history applies the facts one at a time (the storages do, under a lock); reading
goes through a `View`, which needs none. A trial on its way from waiting to running to finished is
put into its new place before it leaves the old one, so that readers who look in this order find it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from typing import Any, ClassVar, NoReturn

import numpy as np

from ahpo.distributions import BaseDistribution
from ahpo.exceptions import UpdateFinishedTrialError
from ahpo.history.columns import FinishedTable
from ahpo.history.dominance import ParetoFront
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
from ahpo.history.frozen import frozen_trial, with_own_attrs
from ahpo.history.index import Index
from ahpo.history.records import FinishedTrial, OpenTrial
from ahpo.history.search_space import GroupTracker, IntersectionTracker
from ahpo.states import LEGAL_CHANGES, StudyDirection, TrialState
from ahpo.trials.checks import check_keeps_kind
from ahpo.trials.constraints import CONSTRAINT_PREFIX, violation
from ahpo.trials.frozen import FrozenTrial

__all__ = ("History",)

_RUNNING, _WAITING = TrialState.RUNNING, TrialState.WAITING


def _violation(system_attrs: dict[str, Any]) -> float:
    if not system_attrs:
        return math.nan
    try:
        return violation(system_attrs)
    except (TypeError, ValueError):
        # A user may put anything under these keys; it must not keep a trial from finishing.
        return math.nan


class History:
    """Hold one study: its finished trials as columns, its open ones as records.

    Everything that is asked for often is kept up to date fact by fact, never recomputed: the best
    trial, the Pareto front, the intersection search spaces, the running trials.

    :param study_name: the name of the study
    :param directions: one direction for each objective
    """

    def __init__(self, study_name: str, directions: Sequence[StudyDirection]) -> None:
        self.study_name = study_name
        self.directions = tuple(directions)
        self.user_attrs: dict[str, Any] = {}
        self.system_attrs: dict[str, Any] = {}
        self.table = FinishedTable(len(self.directions))
        self.n_trials = 0
        self.running: dict[int, OpenTrial] = {}
        self.waiting: dict[int, OpenTrial] = {}
        self.first_started: int | None = None
        # The feasible complete trial with the best value (one objective), or the front (several).
        self.best_number: int | None = None
        self._best_loss = math.inf
        self._signs = tuple(-1.0 if d is StudyDirection.MAXIMIZE else 1.0 for d in self.directions)
        self.front = ParetoFront(len(self.directions)) if len(self.directions) > 1 else None
        self._row_of: dict[int, int] = {}
        self._n_settled = 0  # rows of the table that are in all of what derives from them
        self.known_distributions: dict[str, BaseDistribution] = {}
        self.intersections = {False: IntersectionTracker(), True: IntersectionTracker()}
        # The two intersections as they are: without pruned trials, and with them.
        self.spaces: tuple[dict[str, BaseDistribution], dict[str, BaseDistribution]] = ({}, {})
        self._last_complete: dict[str, BaseDistribution] | None = None
        self._forget_derived()

    def _forget_derived(self) -> None:
        self.cache: dict[Hashable, Any] = {}
        self.group_trackers: dict[bool, GroupTracker] = {}
        self._indexes: dict[Callable[[], Index], Index] = {}
        self._param_indexes: list[Index] = []  # those that want to know of parameters
        self._frozen: dict[int, FrozenTrial] = {}
        # The lock under which the owner applies facts, if there is one: a replay must miss none.
        self.guard: AbstractContextManager[Any] = nullcontext()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for derived in (
            "cache",
            "group_trackers",
            "_indexes",
            "_param_indexes",
            "_frozen",
            "guard",
        ):
            del state[derived]
        return state

    def snapshot(self) -> History:
        """Return the history as it is now, to be pickled; what never changes is shared.

        It is quick, and calls nothing that a user wrote: so it may be taken under a lock.
        """
        twin = History.__new__(History)
        state = self.__getstate__()
        for name, value in state.items():
            if isinstance(value, dict):
                state[name] = value.copy()
        state["table"] = self.table.snapshot()
        for kind in ("running", "waiting"):
            state[kind] = {number: trial.copy() for number, trial in state[kind].items()}
        state["intersections"] = {
            pruned: copy(tracker) for pruned, tracker in self.intersections.items()
        }
        state["front"] = copy(self.front)
        twin.__setstate__(state)
        return twin

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget_derived()

    # -- facts ------------------------------------------------------------------------------

    def apply(self, fact: Fact) -> None:
        """Apply one fact.

        :raises UpdateFinishedTrialError: if it would change a finished trial
        :raises KeyError: if there is no such trial
        :raises ValueError: if a parameter's distribution does not fit the study's earlier ones, a
            new trial has not the next number, or a change of state or the values are not legal
        """
        self._appliers[type(fact)](self, fact)

    def open_trial(self, number: int) -> OpenTrial:
        """Return the record of an unfinished trial.

        :raises UpdateFinishedTrialError: if it has finished
        :raises KeyError: if there is no trial of that number
        """
        trial = self.waiting.get(number) or self.running.get(number)
        if trial is None:
            self._raise_not_open(number)
        return trial

    def _raise_not_open(self, number: int) -> NoReturn:
        state = TrialState(int(self.table.states.data[self._row(number)]))
        raise UpdateFinishedTrialError(
            f"Trial#{number} has already finished as {state.name} and can not be updated."
        )

    def _create(self, fact: TrialCreated) -> None:
        number, trial_id, state, at = fact
        if number != self.n_trials:
            raise ValueError(f"The next trial has the number {self.n_trials}, not {number!r}.")
        if state is not _RUNNING and state is not _WAITING:
            raise ValueError(f"A new trial must be RUNNING or WAITING, but it is {state!r}.")
        trial = OpenTrial(number, trial_id, state, at)
        (self.running if state is _RUNNING else self.waiting)[number] = trial
        self.n_trials += 1
        if at is not None and (self.first_started is None or at < self.first_started):
            self.first_started = at

    def _start(self, fact: TrialStarted) -> None:
        trial = self.open_trial(fact.number)
        self._check_change(trial, _RUNNING)
        self.running[fact.number] = trial.as_running(fact.at)
        del self.waiting[fact.number]
        if fact.at is not None and (self.first_started is None or fact.at < self.first_started):
            self.first_started = fact.at

    def check_param(self, name: str, distribution: BaseDistribution) -> None:
        """Raise ValueError if the study knows the name with an incompatible distribution."""
        known = self.known_distributions.get(name)
        if known is not None and known is not distribution and known != distribution:
            check_keeps_kind(name, known, distribution)

    def check_new(self, trials: Sequence[FinishedTrial]) -> None:
        """Check that all of these trials can be added, whatever their numbers.

        :raises ValueError: if a parameter's distribution does not fit the study's earlier ones or
            that of another of the trials, or there are too many or too few values
        """
        new: dict[str, BaseDistribution] = {}
        for trial in trials:
            if trial.values is not None:
                self._check_values("A trial to add", trial.values)
            for name, distribution in trial.distributions.items():
                self.check_param(name, distribution)
                other = new.setdefault(name, distribution)
                if other is not distribution:
                    check_keeps_kind(name, other, distribution)

    def _set_param(self, fact: ParamSet) -> None:
        number, name, value, distribution = fact
        self.set_param(self.open_trial(number), name, value, distribution)

    def set_param(
        self, trial: OpenTrial, name: str, value: float, distribution: BaseDistribution
    ) -> None:
        """Do what a `ParamSet` does, without one, for a trial whose record is at hand.

        :raises UpdateFinishedTrialError: if the trial has finished
        :raises ValueError: if the distribution does not fit the study's earlier ones
        """
        if trial.finished:
            self._raise_not_open(trial.number)
        known = self.known_distributions.setdefault(name, distribution)
        if known is not distribution and known != distribution:
            check_keeps_kind(name, known, distribution)
        if name not in trial.params:  # the first value stays
            trial.distributions[name] = distribution
            trial.params[name] = value
            for index in self._param_indexes:
                index.param(trial.number, name, value, distribution)

    def _report(self, fact: ValueReported) -> None:
        trial = self.running.get(fact.number) or self.open_trial(fact.number)
        trial.intermediate_values[fact.step] = fact.value

    def _set_user_attr(self, fact: UserAttrSet) -> None:
        self.open_trial(fact.number).user_attrs[fact.key] = fact.value

    def _set_system_attr(self, fact: SystemAttrSet) -> None:
        self.open_trial(fact.number).system_attrs[fact.key] = fact.value
        for index in self._indexes.values():
            index.attribute(fact.number, fact.key, fact.value)

    def _set_constraint(self, fact: ConstraintSet) -> None:
        self._set_system_attr(SystemAttrSet(fact.number, CONSTRAINT_PREFIX + fact.key, fact.value))

    def _check_change(self, trial: OpenTrial, state: TrialState) -> None:
        if state not in LEGAL_CHANGES[trial.state]:
            raise ValueError(
                f"Trial#{trial.number} is {trial.state.name}: it can not become {state.name}."
            )

    def _check_values(self, who: str, values: tuple[float, ...]) -> None:
        if len(values) != len(self.directions):
            raise ValueError(
                f"{who} has {len(values)} values, "
                f"but the study has {len(self.directions)} objectives."
            )

    def check_finish(self, fact: TrialFinished) -> OpenTrial:
        """Return the trial that the fact would finish.

        :raises UpdateFinishedTrialError: if it has finished
        :raises KeyError: if there is no such trial
        :raises ValueError: if the change of state or the values are not legal
        """
        number, state, values, _ = fact
        trial = self.running.get(number) or self.open_trial(number)
        self._check_change(trial, state)
        if state is _RUNNING:
            raise ValueError(f"Trial#{number} can not finish as RUNNING.")
        if values is not None:
            self._check_values(f"Trial#{number}", values)
        return trial

    def _finish(self, fact: TrialFinished) -> None:
        if self._n_settled != self.table.n:
            self._settle()
        number, state, values, at = fact
        trial = self.check_finish(fact)
        row = self.table.append(trial, state, values, at, _violation(trial.system_attrs))
        self._row_of[number] = row
        trial.finished = True
        del (self.running if trial.state is _RUNNING else self.waiting)[number]
        if state is TrialState.COMPLETE:
            self._update_best(number, values, row)
        if state is not TrialState.FAIL:
            self._update_spaces(trial.distributions, complete=state is TrialState.COMPLETE)
        if self._indexes:
            known = self.table.row_values(row)
            finished = trial.record()._replace(state=state, values=known, completed=at)
            for index in self._indexes.values():
                index.finished(finished)
        self._n_settled = row + 1

    def _settle(self) -> None:
        """Finish what an interruption has left of the last trial that got into the table.

        Ctrl-C raises between any two instructions; each step here may be one that has been done.
        """
        row = self._n_settled
        if row == self.table.n:
            return
        # Nobody knows which indexes have the row: they are made anew when they are asked for.
        self._indexes, self._param_indexes = {}, []
        trial = self.table.trial(row)
        number, complete = trial.number, trial.state is TrialState.COMPLETE
        self._row_of[number] = row
        for opened in (self.running.get(number), self.waiting.get(number)):
            if opened is not None:
                opened.finished = True
        self.running.pop(number, None)
        self.waiting.pop(number, None)
        if complete and (self.front is None or number not in self.front.numbers):
            self._update_best(number, trial.values, row)
        if trial.state is not TrialState.FAIL:
            self._update_spaces(trial.distributions, complete)
        self._n_settled = row + 1

    def _update_best(self, number: int, values: tuple[float, ...] | None, row: int) -> None:
        if values is None or self.table.violation.get(row) > 0:
            return
        if self.front is not None:
            losses = tuple(s * v for s, v in zip(self._signs, values, strict=True))
            if not any(loss != loss for loss in losses):
                self.front.add(number, losses)
            return
        loss = self._signs[0] * values[0]
        if loss != loss:
            return
        if loss < self._best_loss or self.best_number is None:
            self.best_number = number
            self._best_loss = loss  # last: if an interruption comes between, this is done again
        elif loss == self._best_loss and number < self.best_number:
            self.best_number = number

    def _update_spaces(self, distributions: dict[str, BaseDistribution], complete: bool) -> None:
        # Most trials have the distributions, and mostly the very objects, of the one before, which
        # no tracker would learn from again.
        if distributions == self._last_complete:
            return
        self.intersections[True].add(distributions)
        if complete:
            self.intersections[False].add(distributions)
        for include_pruned, tracker in self.group_trackers.items():
            if complete or include_pruned:
                tracker.add(distributions)
        self.spaces = (self.intersections[False].space(), self.intersections[True].space())
        if complete:
            self._last_complete = distributions

    def _set_study_user_attr(self, fact: StudyUserAttrSet) -> None:
        self.user_attrs[fact.key] = fact.value

    def _set_study_system_attr(self, fact: StudySystemAttrSet) -> None:
        self.system_attrs[fact.key] = fact.value

    _appliers: ClassVar[dict[type, Callable[[History, Any], None]]] = {
        TrialCreated: _create,
        TrialStarted: _start,
        ParamSet: _set_param,
        ValueReported: _report,
        UserAttrSet: _set_user_attr,
        SystemAttrSet: _set_system_attr,
        ConstraintSet: _set_constraint,
        TrialFinished: _finish,
        StudyUserAttrSet: _set_study_user_attr,
        StudySystemAttrSet: _set_study_system_attr,
    }

    # -- reading ----------------------------------------------------------------------------

    def finished(self, number: int) -> FinishedTrial:
        """Return all of a finished trial.

        :raises KeyError: if no trial of that number has finished
        """
        row = self._row_of.get(number)
        if row is None:
            raise KeyError(f"No trial of number {number!r} has finished.")
        return self.table.trial(row)

    def state(self, number: int) -> TrialState:
        """Return the state of a trial.

        :raises KeyError: if there is no trial of that number
        """
        trial = self.waiting.get(number) or self.running.get(number)
        if trial is not None:
            return trial.state
        return TrialState(int(self.table.states.data[self._row(number)]))

    def trial_id(self, number: int) -> int:
        """Return the identifier that the storage has given to a trial.

        :raises KeyError: if there is no trial of that number
        """
        trial = self.running.get(number) or self.waiting.get(number)
        if trial is not None:
            return trial.trial_id
        return int(self.table.trial_ids.data[self._row(number)])

    def _row(self, number: int) -> int:
        row = self._row_of.get(number)
        if row is None:
            raise KeyError(f"The study has no trial of number {number!r}.")
        return row

    def numbers(self, states: Container[TrialState] | None = None) -> list[int]:
        """Return the numbers of the trials in these states (None: all), ascending."""
        if states is None:
            return list(range(self.n_trials))
        table = self.table
        found = {
            trial.number
            for trial in (*self.waiting.values(), *self.running.values())
            if trial.state in states
        }
        final = [state for state in TrialState if state.is_finished() and state in states]
        if final:
            n = table.n
            found.update(table.numbers.rows(n)[np.isin(table.states.rows(n), final)].tolist())
        return sorted(found)

    def best_numbers(self) -> list[int]:
        """Return all feasible complete trials that share the best value (one objective)."""
        if self.best_number is None:
            return []
        n, table = self.table.n, self.table
        losses = table.values.rows(n)[:, 0] * self._signs[0]
        best = (losses == self._best_loss) & (table.states.rows(n) == TrialState.COMPLETE)
        best &= ~(table.violation.rows(n) > 0)
        return sorted(table.numbers.rows(n)[best].tolist())

    def record(self, number: int) -> FinishedTrial:
        """Return all of one trial, whatever its state, as it is now.

        :raises KeyError: if there is no trial of that number
        """
        trial = self.waiting.get(number) or self.running.get(number)
        return self.table.trial(self._row(number)) if trial is None else trial.record()

    def frozen(self, number: int) -> FrozenTrial:
        """Return a trial as a new `FrozenTrial`, which may be changed.

        :raises KeyError: if there is no trial of that number
        """
        return frozen_trial(with_own_attrs(self.record(number)))

    def shared_frozen(self, number: int) -> FrozenTrial:
        """Return a trial as a `FrozenTrial`, shared by all who ask once it has finished."""
        trial = self._frozen.get(number)
        if trial is None:
            trial = frozen_trial(self.record(number))
            if trial.state.is_finished():
                self._frozen[number] = trial
        return trial

    def index(self, kind: Callable[[], Index]) -> Index:
        """Return the live index of a kind, which is made by a replay when first asked for.

        A kind is a class of indexes, or anything hashable that makes one.
        """
        index = self._indexes.get(kind)
        if index is None:
            with self.guard:
                index = self._indexes.get(kind)
                if index is None:
                    index = self._indexes[kind] = self._replayed(kind())
        return index

    def _replayed(self, index: Index) -> Index:
        for row in range(self.table.n):
            trial = self.table.trial(row)
            for key, value in trial.system_attrs.items():
                index.attribute(trial.number, key, value)
            index.finished(trial)
        for opened in (*self.running.values(), *self.waiting.values()):
            for key, value in opened.system_attrs.items():
                index.attribute(opened.number, key, value)
            for name, number in opened.params.items():
                index.param(opened.number, name, number, opened.distributions[name])
        if type(index).param is not Index.param:
            self._param_indexes.append(index)
        return index

    def groups(self, include_pruned: bool) -> GroupTracker:
        """Return the tracker of parameter groups; the first time it is made by a replay."""
        tracker = self.group_trackers.get(include_pruned)
        if tracker is None:
            with self.guard:
                tracker = self.group_trackers.get(include_pruned)
                if tracker is None:
                    tracker = self.group_trackers[include_pruned] = self._grouped(include_pruned)
        return tracker

    def _grouped(self, include_pruned: bool) -> GroupTracker:
        tracker = GroupTracker()
        for row in range(self.table.n):
            state = self.table.states.data[row]
            if state == TrialState.COMPLETE or (include_pruned and state == TrialState.PRUNED):
                tracker.add(self.table.trial(row).distributions)
        return tracker
