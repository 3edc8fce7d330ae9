"""Many trials at once are placed, and shown, as one after the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from ahpo.history import placing
from ahpo.history.facts import ParamSet
from ahpo.history.frozen import to_datetime
from ahpo.history.history import History
from ahpo.history.listing import frozen_trials
from ahpo.history.placing import place, place_all
from ahpo.history.records import FinishedTrial
from ahpo.states import StudyDirection, TrialState
from tests.history.facts_drawn import Move, directions_drawn, moves
from tests.history.two_studies import legal_facts, summary

MINIMIZE = (StudyDirection.MINIMIZE,)


def told(drawn: list[Move], directions: tuple[StudyDirection, ...]) -> History:
    history = History("told", directions)
    for fact in legal_facts(drawn, directions):
        history.apply(fact)
    return history


def records(history: History) -> list[FinishedTrial]:
    return [history.record(number) for number in range(history.n_trials)]


@given(st.lists(moves, max_size=3), directions_drawn(), st.integers(0, 8))
def test_trials_placed_at_once_are_as_if_placed_singly(
    drawn: list[list[Move]], directions: tuple[StudyDirection, ...], cut: int
) -> None:
    source = told(list(chain(*drawn)), directions)
    singly, at_once = History("placed", directions), History("placed", directions)
    for record in records(source):
        place(singly, record)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placing, "_MANY", 1)
        place_all(at_once, records(source)[:cut])
        place_all(at_once, records(source)[cut:])
    assert summary(at_once) == summary(singly)
    for name in ("violation", "last_step", "last_value", "layout"):
        one, other = (getattr(h.table, name).rows(h.table.n) for h in (at_once, singly))
        assert repr(one.tolist()) == repr(other.tolist())
    assert at_once.table.has_constraints == singly.table.has_constraints


@given(st.lists(moves, max_size=3), directions_drawn(), st.booleans())
def test_trials_listed_at_once_are_as_if_listed_singly(
    drawn: list[list[Move]], directions: tuple[StudyDirection, ...], shared: bool
) -> None:
    history = told(list(chain(*drawn)), directions)
    numbers = range(history.n_trials)
    expected = repr([history.frozen(number) for number in numbers])
    for _ in range(2):
        assert repr(frozen_trials(history, numbers, shared)) == expected
    some = list(numbers)[1::2]
    assert repr(frozen_trials(history, some, shared)) == repr([history.frozen(n) for n in some])


def finished(number: int, values: tuple[float, ...] = (1.0,)) -> FinishedTrial:
    return FinishedTrial(
        number=number,
        trial_id=number,
        state=TrialState.COMPLETE,
        values=values,
        params={"x": 0.5},
        distributions={"x": FloatDistribution(0.0, 1.0)},
        intermediate_values={1: 2.0},
        user_attrs={"a": [1]},
        system_attrs={},
        started=1,
        completed=2,
    )


def test_finished_trials_that_are_shared_are_the_same_objects_each_time() -> None:
    history = History("s", MINIMIZE)
    place_all(history, [finished(number) for number in range(20)])
    numbers = range(20)
    first, second = (frozen_trials(history, numbers, shared=True) for _ in range(2))
    assert all(one is other for one, other in zip(first, second, strict=True))
    assert first[3] is history.shared_frozen(3)


def test_changes_to_listed_trials_stay_in_them() -> None:
    history = History("s", MINIMIZE)
    place_all(history, [finished(number) for number in range(20)])
    before = summary(history)
    for trial in frozen_trials(history, range(20), shared=False):
        trial.user_attrs["a"].append(2)
        for part in (trial.params, trial.distributions, trial.intermediate_values):
            part.clear()
    assert summary(history) == before
    assert frozen_trials(history, [7], shared=False) == [history.frozen(7)]


def test_trials_with_too_many_values_or_a_wrong_number_are_refused_at_once_too() -> None:
    for wrong in (finished(9, (1.0, 2.0)), finished(10)):
        history = History("s", MINIMIZE)
        with pytest.raises(ValueError, match="2 values|next trial has the number 9"):
            place_all(history, [*map(finished, range(9)), wrong])


def test_trials_that_share_their_distributions_stay_apart_when_one_goes_on() -> None:
    shared = finished(0).distributions
    running = finished(0)._replace(
        distributions=shared, state=TrialState.RUNNING, values=None, completed=None
    )
    ended = finished(1)._replace(distributions=shared)
    history = History("s", MINIMIZE)
    place_all(history, [running, ended])
    history.apply(ParamSet(0, "y", 0.5, FloatDistribution(0.0, 2.0)))
    assert list(history.frozen(0).distributions) == ["x", "y"]
    assert list(history.frozen(1).distributions) == ["x"]
    assert list(shared) == ["x"]


def test_parameters_of_few_trials_among_many_are_listed_in_external_form() -> None:
    choices = CategoricalDistribution(("a", None))
    history = History("s", MINIMIZE)
    kinds = {"n": IntDistribution(1, 9), "c": choices}
    other = kinds | {"n": IntDistribution(1, 20)}
    place_all(
        history,
        [
            finished(n)._replace(
                params={"n": 3.0, "c": 1.0},
                distributions=other if n % 2 else kinds,
                intermediate_values={step: 0.5 for step in range(n % 50)},
            )
            for n in range(200)
        ],
    )
    for numbers in (range(200), (3, 190), (0, 49), (50, 51)):
        for number, trial in zip(numbers, frozen_trials(history, numbers, False), strict=True):
            assert repr(trial) == repr(history.frozen(number))
            assert repr(trial.params) == "{'n': 3, 'c': None}"


@given(st.integers(-(10**14), 10**16))
def test_time_in_a_trial_is_exact_to_the_microsecond(micros: int) -> None:
    moment = to_datetime(micros)
    assert moment is not None
    past = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    assert past == timedelta(microseconds=micros)
