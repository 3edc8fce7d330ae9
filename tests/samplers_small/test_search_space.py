"""The incremental search spaces equal the naive ones, and those of Optuna."""

from __future__ import annotations

from functools import reduce

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.search_space import _GroupDecomposedSearchSpace

from ahpo.distributions import BaseDistribution, FloatDistribution, IntDistribution
from ahpo.history.search_space import GroupTracker, IntersectionTracker
from ahpo.search_space import IntersectionSearchSpace, intersection_search_space
from ahpo.states import TrialState
from ahpo.trials import FrozenTrial, create_trial
from tests.pruners.plain_study import PlainStudy

Space = dict[str, BaseDistribution]
distributions = st.sampled_from(
    [FloatDistribution(0, 1), FloatDistribution(0, 2), IntDistribution(0, 3)]
)
spaces = st.dictionaries(st.sampled_from("abcde"), distributions, max_size=5)
common = st.fixed_dictionaries({"z": st.just(FloatDistribution(0, 1)), "y": distributions})
histories = st.lists(spaces, max_size=8) | st.lists(common, max_size=8)


def naive_intersection(history: list[Space]) -> Space:
    """Keep what is in all."""
    if not history:
        return {}
    common_items = reduce(
        lambda kept, space: {n: d for n, d in kept.items() if space.get(n) == d}, history
    )
    return dict(sorted(common_items.items()))


def naive_groups(history: list[Space]) -> set[frozenset[str]]:
    """Put two names into one group if they occur in the same trials."""
    names = {name for space in history for name in space}
    where = {name: frozenset(i for i, s in enumerate(history) if name in s) for name in names}
    return {frozenset(m for m in names if where[m] == where[name]) for name in names}


@given(histories)
def test_intersection_is_what_all_trials_share(history: list[Space]) -> None:
    """After each trial, and by name."""
    tracker = IntersectionTracker()
    for n, space in enumerate(history):
        tracker.add(space)
        expected = naive_intersection(history[: n + 1])
        assert tracker.space() == expected
        assert list(tracker.space()) == list(expected)


@given(histories)
def test_groups_are_the_names_that_occur_together(history: list[Space]) -> None:
    """Each group has the distributions that were seen first."""
    tracker = GroupTracker()
    first: Space = {}
    for space in history:
        tracker.add(space)
        first = {**space, **first}
    groups = tracker.groups()
    assert {frozenset(group) for group in groups} == naive_groups(history)
    assert sum(len(group) for group in groups) == len(first)
    assert {name: group[name] for group in groups for name in group} == first


@given(histories)
def test_what_was_handed_out_stays_as_it_was(history: list[Space]) -> None:
    """A snapshot may keep the dict and the list."""
    intersection, groups = IntersectionTracker(), GroupTracker()
    kept = []
    for space in history:
        intersection.add(space)
        groups.add(space)
        now = intersection.space(), groups.groups()
        kept.append((now, (dict(now[0]), [dict(group) for group in now[1]])))
    assert all(now == copy for now, copy in kept)


@given(histories)
def test_groups_are_those_of_optuna(history: list[Space]) -> None:
    """The same partition, with the same distributions."""
    tracker = GroupTracker()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study()
    for space in history:
        tracker.add(space)
        theirs = {n: optuna_distribution(d) for n, d in space.items()}
        study.add_trial(
            optuna.trial.create_trial(value=0.0, params=lows(space), distributions=theirs)
        )
    expected = _GroupDecomposedSearchSpace().calculate(study).search_spaces
    got = [{n: optuna_distribution(d) for n, d in g.items()} for g in tracker.groups()]
    assert sorted(map(sorted_items, got)) == sorted(map(sorted_items, expected))


def sorted_items(space: dict[str, object]) -> list[tuple[str, str]]:
    """Return a form of a space that can be sorted."""
    return sorted((name, repr(distribution)) for name, distribution in space.items())


def optuna_distribution(distribution: BaseDistribution) -> optuna.distributions.BaseDistribution:
    """Return the like of a distribution in Optuna."""
    kind = getattr(optuna.distributions, type(distribution).__name__)
    return kind(distribution.low, distribution.high)  # type: ignore[attr-defined,no-any-return]


def lows(space: Space) -> dict[str, float]:
    """Return the lowest value of each parameter."""
    return {name: d.low for name, d in space.items()}  # type: ignore[attr-defined]


def trial(space: Space, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    """Return a trial with a space."""
    value = 0.0 if state is TrialState.COMPLETE else None
    return create_trial(state=state, value=value, params=lows(space), distributions=space)


WIDE: Space = {"b": FloatDistribution(0, 1), "a": IntDistribution(0, 3)}
NARROW: Space = {"b": FloatDistribution(0, 1)}


def test_only_complete_trials_count_and_pruned_ones_if_included() -> None:
    """Failed and running trials never count."""
    trials = [
        trial(WIDE),
        trial(NARROW, TrialState.PRUNED),
        trial({}, TrialState.FAIL),
        trial({}, TrialState.RUNNING),
    ]
    assert intersection_search_space(trials) == WIDE
    assert list(intersection_search_space(trials)) == ["a", "b"]
    assert intersection_search_space(trials, include_pruned=True) == NARROW
    assert intersection_search_space([]) == {}


@pytest.mark.parametrize("include_pruned", [False, True])
def test_a_study_gives_the_same_without_looking_again(include_pruned: bool) -> None:
    """The class follows the study, and hands out a dict of the caller's own."""
    study, space = PlainStudy(), IntersectionSearchSpace(include_pruned)
    assert space.calculate(study) == {}
    ends = [(WIDE, TrialState.COMPLETE), (NARROW, TrialState.PRUNED), ({}, TrialState.FAIL)]
    for distributions_, state in ends:
        number = study.start()
        for name, distribution in distributions_.items():
            study.param(number, name, 0.0, distribution)
        study.finish(number, 0.0 if state is TrialState.COMPLETE else None, state)
        expected = intersection_search_space(study.trials, include_pruned)
        assert space.calculate(study) == space.calculate(study, use_cache=True) == expected
    space.calculate(study).clear()
    assert space.calculate(study) == expected


def test_one_instance_is_for_one_study() -> None:
    """As documented."""
    space = IntersectionSearchSpace()
    space.calculate(PlainStudy(study_name="one"))
    with pytest.raises(ValueError, match="'one', but it is 'two'"):
        space.calculate(PlainStudy(study_name="two"))
