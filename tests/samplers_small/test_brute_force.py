"""BruteForceSampler: each leaf of the tree once, also with many trials under way."""

from __future__ import annotations

import itertools
import pickle
import random
from collections import Counter
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.distributions import FloatDistribution, IntDistribution
from ahpo.samplers.brute_force import BruteForceSampler
from ahpo.samplers.leaf_tree import (
    LeafTree,
    branch_of_value,
    count_branches,
    value_of_branch,
)
from ahpo.states import TrialState
from tests.pruners.plain_study import PlainStudy
from tests.samplers_small.asking import PlainTrial, run

# A search space as data: the name of a parameter, and what follows after each of its values.
Tree: TypeAlias = "tuple[str, list[Tree]] | None"

trees: st.SearchStrategy[Tree] = st.recursive(
    st.none(),
    lambda below: st.tuples(st.sampled_from("abc"), st.lists(below, min_size=1, max_size=4)),
    max_leaves=25,
)


def leaves(tree: Tree) -> list[tuple[int, ...]]:
    """Return all paths through a tree."""
    if tree is None:
        return [()]
    return [(i, *rest) for i, below in enumerate(tree[1]) for rest in leaves(below)]


def walk(trial: PlainTrial, tree: Tree) -> Any:
    """Walk down a tree, one parameter at each `next`; yields the path so far."""
    path: tuple[int, ...] = ()
    yield path
    while tree is not None:
        # The name tells the depth, because a trial has each name once.
        branch = trial.suggest_int(f"{tree[0]}{len(path)}", 0, len(tree[1]) - 1)
        path = (*path, branch)
        tree = tree[1][branch]
        yield path


def at_once(trial: PlainTrial, tree: Tree) -> tuple[int, ...]:
    """Walk down a tree."""
    paths: list[tuple[int, ...]] = list(walk(trial, tree))
    return paths[-1]


def documented(trial: Any) -> float:
    """The example that everybody knows: two branches of different depth."""
    if trial.suggest_categorical("c", ["float", "int"]) == "float":
        x: float = trial.suggest_float("x", 1, 3, step=0.5)
        return x
    a: int = trial.suggest_int("a", 1, 3)
    b: int = trial.suggest_int("b", a, 3)
    return a + b


@given(trees, st.integers(0, 100))
def test_every_leaf_is_tried_once_and_then_it_stops(tree: Tree, seed: int) -> None:
    """One trial after the other."""
    tried: list[tuple[int, ...]] = []
    run(PlainStudy(), BruteForceSampler(seed), lambda t: tried.append(at_once(t, tree)))
    assert sorted(tried) == sorted(leaves(tree))


@given(trees, st.randoms(use_true_random=False), st.booleans())
def test_running_trials_never_share_a_leaf_while_one_is_known_to_be_free(
    tree: Tree, rng: random.Random, avoid_premature_stop: bool
) -> None:
    """Trials that start, ask for one parameter, and end in any order.

    A leaf comes twice only if, when it was chosen, all the known rest was taken.
    """
    study, sampler = PlainStudy(), BruteForceSampler(0, avoid_premature_stop)
    under_way: dict[int, tuple[PlainTrial, Any]] = {}
    tried: list[tuple[int, ...]] = []
    while not (tried and sampler.exhausted(study.view())) and len(tried) < 300:
        if len(under_way) < 4 and rng.random() < 0.4:
            trial = PlainTrial(study, sampler)
            under_way[trial.number] = trial, walk(trial, tree)
            next(under_way[trial.number][1])
        elif under_way:
            number = rng.choice(list(under_way))
            trial, path = under_way[number]
            known, taken = paths_left(study, number)
            before = len(trial.params)
            if next(path, None) is None:
                tried.append(tuple(trial.params.values()))
                trial.finish()
                del under_way[number]
            else:
                chosen = tuple(trial.params.values())
                if chosen in taken:
                    assert not known, (before, chosen)
    if avoid_premature_stop:
        assert set(tried) == set(leaves(tree))


def paths_left(study: PlainStudy, number: int) -> tuple[set[tuple[int, ...]], set[tuple[int, ...]]]:
    """Return by brute force which next steps of a trial are free, and which are not.

    A step is not free if all that is known behind it is explored or taken: it is itself the end of
    a finished or running trial, or all the steps after it that somebody has seen are not free.
    """
    start = tuple(study.history.frozen(number).params.values())
    widths: dict[tuple[int, ...], int] = {}
    ends: set[tuple[int, ...]] = set()
    for trial in study.get_trials():
        if trial.number == number:
            continue
        path = tuple(trial.params.values())
        ends.add(path)
        for depth, distribution in enumerate(trial.distributions.values()):
            assert isinstance(distribution, IntDistribution)
            widths[path[:depth]] = distribution.high + 1

    def is_free(path: tuple[int, ...]) -> bool:
        if path in widths:
            return any(is_free((*path, branch)) for branch in range(widths[path]))
        return path not in ends

    steps = [(*start, branch) for branch in range(widths.get(start, 0))]
    free = {step for step in steps if is_free(step)}
    return free, set(steps) - free


def test_the_documented_example_has_eleven_leaves() -> None:
    """With floats in steps, and a range that depends on another parameter."""
    study = PlainStudy()
    params = run(study, BruteForceSampler(0), documented)
    floats = [(("c", "float"), ("x", x)) for x in (1.0, 1.5, 2.0, 2.5, 3.0)]
    ints = [(("c", "int"), ("a", a), ("b", b)) for a in (1, 2, 3) for b in range(a, 4)]
    assert Counter(tuple(p.items()) for p in params) == Counter([*floats, *ints])


def test_a_seed_gives_the_order_again_and_another_seed_another_order() -> None:
    """The order is random."""
    orders = [run(PlainStudy(), BruteForceSampler(seed), documented) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_leaves_are_chosen_with_equal_probabilities() -> None:
    """Branches weigh as much as the leaves that are known behind them."""
    first: Counter[str] = Counter()
    for seed in range(300):
        study = PlainStudy()
        for x in (0, 1):  # what is known: four leaves behind a, of which two are explored
            number = study.start()
            study.param(number, "c", 0.0, IntDistribution(0, 1))
            study.param(number, "x", float(x), IntDistribution(0, 9))
            study.finish(number, 0.0)
        trial = PlainTrial(study, BruteForceSampler(seed))
        first[str(trial.suggest_int("c", 0, 1))] += 1
    assert 10 < first["1"] < 60  # 1 in 9


def test_failed_and_pruned_trials_explore_a_leaf() -> None:
    """Also a trial that failed before its last parameter, unless another one gets further."""
    ends = {0: TrialState.FAIL, 1: TrialState.PRUNED, 2: TrialState.COMPLETE}

    def objective(trial: PlainTrial) -> TrialState:
        x = trial.suggest_int("x", 0, 2)
        if x != 0:
            trial.suggest_int("y", 0, 1)
        return ends[x]

    assert len(run(PlainStudy(), BruteForceSampler(0), objective)) == 1 + 2 + 2


def test_a_leaf_that_turns_out_to_go_on_is_opened_again() -> None:
    """A trial fails early; one that runs at the same place shows that there is more."""
    study, sampler = PlainStudy(), BruteForceSampler(0)
    one, other = PlainTrial(study, sampler), PlainTrial(study, sampler)
    for trial in (one, other):
        study.param(trial.number, "x", 0.0, IntDistribution(0, 0))
    other.suggest_int("y", 0, 2)
    one.finish(TrialState.FAIL)
    other.finish()
    assert not sampler.exhausted(study.view())
    rest = run(study, sampler, lambda t: (t.suggest_int("x", 0, 0), t.suggest_int("y", 0, 2)))
    assert len(rest) == 2


def test_premature_stop_is_what_the_argument_says() -> None:
    """The one leaf that is left is being tried: stop, or wait for what lies behind it."""
    for avoid, stops in ((False, True), (True, False)):
        study, sampler = PlainStudy(), BruteForceSampler(0, avoid)
        trials = [PlainTrial(study, sampler) for _ in range(3)]
        assert sorted(t.suggest_int("x", 0, 2) for t in trials) == [0, 1, 2]
        assert not sampler.exhausted(study.view()) or stops
        for trial in trials[:2]:
            trial.finish()
        assert sampler.exhausted(study.view()) is stops
        trials[2].suggest_int("y", 0, 1)
        assert not sampler.exhausted(study.view())
        trials[2].finish()
        assert not sampler.exhausted(study.view())


def test_leaves_that_running_trials_will_take_are_not_left_for_others() -> None:
    """A trial that is on its way takes one behind the place to which it has come."""
    study, sampler = PlainStudy(), BruteForceSampler(0)
    for x in (0, 1):
        number = study.start()
        study.param(number, "x", float(x), IntDistribution(0, 1))
        study.param(number, "y", 0.0, IntDistribution(0, 1))
        study.finish(number, 0.0)
    one, other = (PlainTrial(study, sampler) for _ in range(2))
    study.param(one.number, "x", 0.0, IntDistribution(0, 1))
    assert other.suggest_int("x", 0, 1) == 1  # the only leaf behind x = 0 is promised
    assert not sampler.exhausted(study.view())  # they may yet fail on their way
    assert (one.suggest_int("y", 0, 1), other.suggest_int("y", 0, 1)) == (1, 1)
    assert sampler.exhausted(study.view())


def test_a_trial_goes_rather_where_others_run_than_where_nothing_is_left() -> None:
    """Nothing is known to be free, but something may turn up behind a running trial."""
    study, sampler = PlainStudy(), BruteForceSampler(0)
    running, finished = PlainTrial(study, sampler), PlainTrial(study, sampler)
    taken = running.suggest_int("x", 0, 1)
    assert finished.suggest_int("x", 0, 1) != taken
    finished.finish()
    assert PlainTrial(study, sampler).suggest_int("x", 0, 1) == taken


def test_a_resumed_study_goes_on_with_what_is_left() -> None:
    """With another sampler and seed, on a history without its indexes."""
    study = PlainStudy()
    first = run(study, BruteForceSampler(0), documented, most=6)
    resumed = PlainStudy()
    resumed.history = pickle.loads(pickle.dumps(study.history))
    rest = run(resumed, BruteForceSampler(1), documented)
    assert len(rest) == 5
    assert len({tuple(p.items()) for p in first + rest}) == 11


@pytest.mark.parametrize("ranges", [(9, 4), (4, 9)])
def test_a_range_that_changes_keeps_what_was_tried(ranges: tuple[int, int]) -> None:
    """Narrower or wider: the values that both ranges have are not tried again."""
    study = PlainStudy()
    before = run(study, BruteForceSampler(0), lambda t: t.suggest_int("x", 0, ranges[0]), most=3)
    after = run(study, BruteForceSampler(0), lambda t: t.suggest_int("x", 0, ranges[1]))
    tried = {p["x"] for p in before}
    assert [p["x"] for p in after if p["x"] in tried] == []
    assert sorted(p["x"] for p in after) == [x for x in range(ranges[1] + 1) if x not in tried]


def test_a_range_that_changes_above_keeps_what_is_known_below_and_who_is_there() -> None:
    """The first of two parameters gets wider while a trial runs behind it."""
    study, sampler = PlainStudy(), BruteForceSampler(0)

    def walk_in(width: int) -> PlainTrial:
        trial = PlainTrial(study, sampler)
        trial.suggest_int("x", 0, width)
        trial.suggest_int("y", 0, 1)
        return trial

    first = walk_in(1).finish()
    running = walk_in(1)
    taken = running.params
    rest = []
    while not sampler.exhausted(study.view()):
        rest.append(walk_in(2).finish())
    tried = [tuple(p.values()) for p in (first, taken, *rest)]
    assert sorted(tried) == list(itertools.product(range(3), range(2)))
    running.finish()
    assert sampler.exhausted(study.view())


def test_a_running_trial_with_a_value_out_of_range_takes_nothing() -> None:
    """An enqueued one, here, which then goes on with another parameter."""
    study, sampler = PlainStudy(), BruteForceSampler(0)
    odd = PlainTrial(study, sampler)
    study.param(odd.number, "x", 9.0, IntDistribution(0, 1))
    study.param(odd.number, "y", 0.0, IntDistribution(0, 1))
    odd.suggest_int("z", 0, 1)
    tried = run(study, sampler, lambda t: (t.suggest_int("x", 0, 1), t.suggest_int("y", 0, 1)))
    assert sorted(tuple(p.values()) for p in tried) == list(itertools.product(range(2), range(2)))


def test_another_parameter_at_the_same_place_starts_anew() -> None:
    """The last word counts, so a search after a renaming ends."""
    study = PlainStudy()
    run(study, BruteForceSampler(0), lambda t: t.suggest_int("x", 0, 2), most=2)
    after = run(study, BruteForceSampler(0), lambda t: t.suggest_int("z", 0, 2))
    assert sorted(p["z"] for p in after) == [0, 1, 2]


def test_trials_with_values_that_no_search_would_try_are_left_aside() -> None:
    """An enqueued value out of range or between the steps, or a float without a step."""
    study, half_steps = PlainStudy(), FloatDistribution(0, 1, step=0.5)
    for value, distribution in (
        (9.0, half_steps),
        (0.3, half_steps),
        (0.5, FloatDistribution(0, 1)),
    ):
        number = study.start()
        study.param(number, "x", value, distribution)
        study.finish(number, 0.0)
    rest = run(study, BruteForceSampler(0), lambda t: t.suggest_float("x", 0, 1, step=0.5))
    assert sorted(p["x"] for p in rest) == [0.0, 0.5, 1.0]


def test_a_single_value_needs_no_step() -> None:
    """It is one branch."""
    study = PlainStudy()
    params = run(
        study,
        BruteForceSampler(0),
        lambda t: (t.suggest_float("z", 3, 3), t.suggest_int("x", 0, 2)),
    )
    assert sorted(p["x"] for p in params) == [0, 1, 2]


@pytest.mark.parametrize("log", [False, True])
def test_a_float_without_a_step_is_refused(log: bool) -> None:
    """The message names the parameter and what is missing."""
    trial = PlainTrial(PlainStudy(), BruteForceSampler(0))
    with pytest.raises(ValueError, match="finite.*the `step` of 'x' must be given"):
        trial.suggest_float("x", 1, 2, log=log)


def test_an_objective_without_parameters_has_one_leaf() -> None:
    """It stops after the first trial."""
    assert run(PlainStudy(), BruteForceSampler(0), lambda t: None) == [{}]


def test_it_goes_on_at_random_when_it_is_made_to() -> None:
    """An exhausted study that is asked for more gets values in range."""
    study, sampler = PlainStudy(), BruteForceSampler(0)
    run(study, sampler, lambda t: t.suggest_int("x", 0, 2))
    more = run(study, sampler, lambda t: t.suggest_int("x", 0, 2), most=1)
    assert more[0]["x"] in (0, 1, 2)


@given(
    st.integers(-1000, 1000),
    st.integers(1, 50),
    st.sampled_from([1, 2, 3, 0.1, 0.25, 0.001, 1e-7]),
)
def test_branches_and_values_translate_both_ways(low: int, steps: int, step: float) -> None:
    """For ints and floats, also if a step is so small that the sums are rounded."""
    distributions: list[Any] = [FloatDistribution(low, low + steps * step, step=step)]
    if isinstance(step, int):
        distributions.append(IntDistribution(low, low + steps * step, step=step))
    for distribution in distributions:
        n = count_branches(distribution)
        assert n == steps + 1
        values = [value_of_branch(distribution, branch) for branch in range(n)]
        assert len(set(values)) == n
        assert all(distribution.low <= value <= distribution.high for value in values)
        assert all(branch_of_value(distribution, value + step / 2) is None for value in values)
        assert [branch_of_value(distribution, value) for value in values] == list(range(n))
        assert (values[0], values[-1]) == (distribution.low, distribution.high)


def test_tenths_are_tenths() -> None:
    """Not 0.30000000000000004."""
    tenths = [value_of_branch(FloatDistribution(0, 1, step=0.1), b) for b in range(11)]
    assert tenths == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


@given(trees, st.lists(st.integers(0, 10**6), max_size=30))
def test_the_counts_are_those_of_a_recount(tree: Tree, order: list[int]) -> None:
    """After any set of trials the tree counts the leaves that are not explored, as far as known."""
    study, known = PlainStudy(), leaves(tree)
    for pick in order:
        path, node = known[pick % len(known)], tree
        number = study.start()
        for depth, branch in enumerate(path):
            assert node is not None
            name, width = f"{node[0]}{depth}", len(node[1]) - 1
            study.param(number, name, float(branch), IntDistribution(0, width))
            node = node[1][branch]
        study.finish(number, 0.0)
    explored = {known[pick % len(known)] for pick in order}
    index = study.view().index(LeafTree)
    assert index.root.n_left == recount(tree, (), explored)


def recount(tree: Tree, path: tuple[int, ...], explored: set[tuple[int, ...]]) -> int:
    """Count the leaves below a path: one if nobody came by, none if it is explored."""
    if not any(leaf[: len(path)] == path for leaf in explored):
        return 1
    if tree is None:
        return 0
    return sum(recount(below, (*path, i), explored) for i, below in enumerate(tree[1]))


def test_the_values_of_ten_thousand_leaves_stay_cheap_to_choose() -> None:
    """The work per trial does not grow with what was tried: counted in nodes, not in seconds."""
    study, sampler = PlainStudy(), BruteForceSampler(0)
    for x, y in itertools.product(range(20), range(20)):
        number = study.start()
        study.param(number, "x", float(x), IntDistribution(0, 99))
        study.param(number, "y", float(y), IntDistribution(0, 99))
        study.finish(number, 0.0)
    index = study.view().index(LeafTree)
    assert len(index.root.children[0].children) == 20
    assert all(not child.children for child in index.root.children[0].children.values())
    assert index.root.n_left == 80 + 20 * 80
    trial = PlainTrial(study, sampler)
    x, y = trial.suggest_int("x", 0, 99), trial.suggest_int("y", 0, 99)
    assert not (x < 20 and y < 20)
    assert isinstance(index.root.children[0].left, np.ndarray)
