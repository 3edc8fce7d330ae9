"""A fact that contradicts the study is refused with one clear sentence."""

from __future__ import annotations

import pytest

from ahpo.distributions import FloatDistribution, IntDistribution
from ahpo.exceptions import UpdateFinishedTrialError
from ahpo.history.facts import (
    ConstraintSet,
    Fact,
    ParamSet,
    SystemAttrSet,
    TrialCreated,
    TrialFinished,
    TrialStarted,
    UserAttrSet,
    ValueReported,
)
from ahpo.history.history import History
from ahpo.history.view import View
from ahpo.states import LEGAL_CHANGES, TrialState
from tests.history.test_columns import MINIMIZE
from tests.history.two_studies import refused, summary

STATES = list(TrialState)


def with_trial(state: TrialState) -> History:
    """Return a history whose only trial is in this state."""
    history = History("study", MINIMIZE)
    waiting = state is TrialState.WAITING
    first = TrialState.WAITING if waiting else TrialState.RUNNING
    history.apply(TrialCreated(0, 0, first, None if waiting else 0))
    history.apply(ParamSet(0, "x", 0.5, FloatDistribution(0.0, 1.0)))
    if state.is_finished():
        history.apply(TrialFinished(0, state, (1.0,), 1))
    return history


def becoming(state: TrialState) -> Fact:
    if state is TrialState.RUNNING:
        return TrialStarted(0, 5)
    return TrialFinished(0, state, None, 5)


@pytest.mark.parametrize("new", STATES)
@pytest.mark.parametrize("old", STATES)
def test_state_changes_as_the_table_says_and_not_otherwise(
    old: TrialState, new: TrialState
) -> None:
    history = with_trial(old)
    if new in LEGAL_CHANGES[old]:
        history.apply(becoming(new))
        assert history.state(0) is new
    else:
        error = "UpdateFinishedTrialError" if old.is_finished() else "ValueError"
        refused(history, becoming(new), error)


@pytest.mark.parametrize(
    "fact",
    [
        ParamSet(0, "x", 0.5, FloatDistribution(0.0, 1.0)),
        ValueReported(0, 0, 1.0),
        UserAttrSet(0, "k", 1),
        SystemAttrSet(0, "k", 1),
        ConstraintSet(0, "k", 1.0),
        TrialStarted(0, 0),
        TrialFinished(0, TrialState.FAIL, None, 0),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_finished_and_unknown_trials_take_no_facts(fact: Fact) -> None:
    history = with_trial(TrialState.COMPLETE)
    with pytest.raises(UpdateFinishedTrialError, match="Trial#0 has already finished as COMPLETE"):
        history.apply(fact)
    before = summary(history)
    for number in (1, -1):
        with pytest.raises(KeyError, match=f"no trial of number {number}"):
            history.apply(fact._replace(number=number))  # type: ignore[call-arg, union-attr]
    assert summary(history) == before


def test_record_of_a_trial_that_has_finished_takes_no_parameter() -> None:
    history = with_trial(TrialState.RUNNING)
    opened = history.open_trial(0)
    history.apply(TrialFinished(0, TrialState.COMPLETE, (1.0,), 1))
    before = summary(history)
    with pytest.raises(UpdateFinishedTrialError):
        history.set_param(opened, "y", 0.5, FloatDistribution(0.0, 1.0))
    assert summary(history) == before


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        (TrialCreated(0, 9, TrialState.RUNNING, 0), "next trial has the number 1, not 0"),
        (TrialCreated(2, 9, TrialState.RUNNING, 0), "next trial has the number 1, not 2"),
        (TrialCreated(1, 9, TrialState.COMPLETE, 0), "must be RUNNING or WAITING"),
        (TrialFinished(0, TrialState.COMPLETE, (1.0, 2.0), 0), "has 2 values, but .* 1 objectives"),
        (TrialFinished(0, TrialState.COMPLETE, (), 0), "has 0 values"),
        (TrialFinished(0, TrialState.RUNNING, None, 0), "RUNNING"),
        (ParamSet(0, "x", 1.0, IntDistribution(0, 1)), "'x' must keep its kind"),
    ],
)
def test_refusal_says_what_is_wrong(fact: Fact, message: str) -> None:
    history = with_trial(TrialState.RUNNING)
    with pytest.raises(ValueError, match=message):
        history.apply(fact)
    refused(history, fact, "ValueError")


def test_waiting_trial_finishes_in_a_final_state_only() -> None:
    refused(
        with_trial(TrialState.WAITING), TrialFinished(0, TrialState.RUNNING, None, 0), "ValueError"
    )


def test_first_value_of_a_parameter_stays() -> None:
    history = with_trial(TrialState.RUNNING)
    history.apply(ParamSet(0, "x", 0.9, FloatDistribution(0.0, 2.0)))
    assert history.record(0).params == {"x": 0.5}
    assert history.record(0).distributions == {"x": FloatDistribution(0.0, 1.0)}


@pytest.mark.parametrize("garbage", [5, "text", [None], ["a"]])
def test_garbage_under_the_key_of_constraints_does_not_keep_a_trial_from_finishing(
    garbage: object,
) -> None:
    history = with_trial(TrialState.RUNNING)
    history.apply(SystemAttrSet(0, "constraints", garbage))
    history.apply(TrialFinished(0, TrialState.COMPLETE, (1.0,), 1))
    assert history.state(0) is TrialState.COMPLETE
    assert View(history).violation.tolist() != [0.0]


def test_nan_is_never_the_best_value() -> None:
    history = History("study", MINIMIZE)
    for number, value in enumerate((float("nan"), 2.0, 1.0)):
        history.apply(TrialCreated(number, number, TrialState.RUNNING, 0))
        history.apply(TrialFinished(number, TrialState.COMPLETE, (value,), 1))
    assert history.best_number == 2
    assert history.finished(0).values is None


def test_asking_for_what_there_is_not_is_a_key_error() -> None:
    history = with_trial(TrialState.RUNNING)
    for ask in (history.record, history.frozen, history.state, history.open_trial):
        with pytest.raises(KeyError, match="no trial of number 7"):
            ask(7)
    with pytest.raises(KeyError, match="No trial of number 0 has finished"):
        history.finished(0)
