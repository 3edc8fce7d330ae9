"""What a history hands out is the reader's own, and a pickled history goes on as the first one."""

from __future__ import annotations

import pickle
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ahpo.distributions import CategoricalDistribution, FloatDistribution
from ahpo.history.base_study import BaseStudy
from ahpo.history.facts import (
    ParamSet,
    SystemAttrSet,
    TrialCreated,
    TrialFinished,
    UserAttrSet,
    ValueReported,
)
from ahpo.history.frozen import frozen_trial, record_of
from ahpo.history.history import History
from ahpo.history.view import View
from ahpo.states import StudyDirection, TrialState
from ahpo.trials.frozen import FrozenTrial
from tests.history.facts_drawn import Move, directions_drawn, moves
from tests.history.test_columns import MINIMIZE
from tests.history.two_studies import assert_equal, both, legal_facts, summary


class Reader(BaseStudy):
    """Read a history."""

    def __init__(self, history: History) -> None:
        self.history = history

    def _history(self) -> History:
        return self.history


def one_of_each(n_objectives: int = 1) -> History:
    """Return a history with a running, a waiting and a complete trial that have everything."""
    history = History("study", MINIMIZE * n_objectives)
    for number, state in enumerate((TrialState.RUNNING, TrialState.WAITING, TrialState.RUNNING)):
        history.apply(TrialCreated(number, number, state, 0))
        history.apply(ParamSet(number, "x", 0.5, FloatDistribution(0.0, 1.0)))
        history.apply(UserAttrSet(number, "list", [1, {"deep": [2]}]))
        history.apply(SystemAttrSet(number, "list", [1, {"deep": [2]}]))
        history.apply(ValueReported(number, 0, 1.0))
    history.apply(TrialFinished(2, TrialState.COMPLETE, (1.0,) * n_objectives, 1))
    return history


def vandalize(trial: FrozenTrial) -> None:
    for attributes in (trial.user_attrs, trial.system_attrs):
        attributes["list"][1]["deep"].append(3)
        attributes["list"].append(4)
        attributes["more"] = 5
    trial.params["x"] = 7.0
    trial.distributions["y"] = FloatDistribution(0.0, 1.0)
    trial.intermediate_values[1] = 2.0
    trial.values = [9.0]


def test_trials_that_are_handed_out_share_nothing_mutable_with_the_history() -> None:
    for n_objectives in (1, 2):
        history = one_of_each(n_objectives)
        before = summary(history)
        study = Reader(history)
        for trial in (
            *map(history.frozen, range(3)),
            *study.get_trials(),
            *study.trials,
            *study.best_trials,
            *([study.best_trial] if n_objectives == 1 else ()),
        ):
            vandalize(trial)
        assert summary(history) == before
        assert "more" not in repr(study.get_trials(deepcopy=False))


def test_study_attributes_that_are_handed_out_are_copies() -> None:
    history = one_of_each()
    history.user_attrs["list"] = [[1]]
    Reader(history).user_attrs["list"][0].append(2)
    assert history.user_attrs == {"list": [[1]]}


def test_finished_trials_are_made_once_when_they_may_be_shared_and_open_ones_are_not() -> None:
    study = Reader(one_of_each())
    first, second = (study.get_trials(deepcopy=False) for _ in range(2))
    assert first[2] is second[2]
    assert first[0] is not second[0]


def test_records_survive_a_way_through_frozen_trials() -> None:
    history = one_of_each()
    for number in range(3):
        record = history.record(number)
        assert record_of(frozen_trial(record)) == record


@given(moves, directions_drawn(), st.integers(0, 80))
def test_pickled_history_is_equal_and_goes_on(
    drawn: list[Move], directions: tuple[StudyDirection, ...], cut: int
) -> None:
    facts = legal_facts(drawn, directions)
    history, naive = both(facts[:cut], directions)
    history.cache["derived"] = lambda: "this can not be pickled, and need not be"
    copy: History = pickle.loads(pickle.dumps(history))
    assert summary(copy) == summary(history)
    assert copy.cache == {}
    before = summary(history)
    for fact in facts[cut:]:
        copy.apply(fact)
        naive.apply(fact)
    assert_equal(copy, naive)
    assert summary(history) == before


def test_ranges_that_change_are_kept_for_each_trial() -> None:
    history = History("study", MINIMIZE)
    for number in range(40):
        history.apply(TrialCreated(number, number, TrialState.RUNNING, 0))
        if number % 3:
            distribution = FloatDistribution(0.0, 1.0 + number % 7)
            history.apply(ParamSet(number, "x", 0.5, distribution))
        history.apply(TrialFinished(number, TrialState.COMPLETE, (1.0,), 1))
    for copy in (history, pickle.loads(pickle.dumps(history))):
        for number in range(40):
            expected = {"x": FloatDistribution(0.0, 1.0 + number % 7)} if number % 3 else {}
            assert copy.frozen(number).distributions == expected


def test_choices_that_have_no_hash_are_kept() -> None:
    """Lists as choices work in memory, with the warning that storages can not keep them."""
    history = History("study", MINIMIZE)
    choices: Any = ([1], [2, 3])
    for number in range(3):
        kind = _unstorable(choices)
        history.apply(TrialCreated(number, number, TrialState.RUNNING, 0))
        history.apply(ParamSet(number, "c", float(number % 2), kind))
        history.apply(TrialFinished(number, TrialState.COMPLETE, (1.0,), 1))
    assert [history.frozen(number).params["c"] for number in range(3)] == [[1], [2, 3], [1]]
    assert View(history).intersection() == {"c": _unstorable(choices)}


def _unstorable(choices: Any) -> CategoricalDistribution:
    distribution = CategoricalDistribution((0,))
    distribution.__setstate__(choices)
    return distribution
