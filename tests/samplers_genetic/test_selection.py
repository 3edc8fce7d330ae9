"""Who survives agrees with the definitions, trial by trial."""

from __future__ import annotations

from itertools import product
from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.samplers.nsgaii.selection import (
    beats,
    crowding_distance,
    finite,
    fronts,
    most_spread,
    ranks_under,
)
from ahpo.samplers.nsgaiii.niching import (
    das_dennis,
    evenly_niched,
    fill_niches,
    nearest_lines,
    normalized,
)

Floats = np.ndarray

LOSSES = [0.0, 1.0, 2.0, 3.5, -inf, inf]


@st.composite
def pools(draw: st.DrawFn, max_size: int = 16) -> tuple[Floats, Floats]:
    """Return losses (n, k) and violations (n,)."""
    k = draw(st.integers(1, 4))
    rows = draw(st.lists(st.tuples(*[st.sampled_from(LOSSES)] * k), min_size=1, max_size=max_size))
    kinds = draw(st.sampled_from([[nan], [0.0, 0.5, 2.0], [0.0, 0.5, 2.0, nan]]))
    violation = draw(st.lists(st.sampled_from(kinds), min_size=len(rows), max_size=len(rows)))
    return np.array(rows).reshape(len(rows), k), np.array(violation)


def dominates(losses: Floats, violation: Floats, a: int, b: int) -> bool:
    """Tell whether a dominates b under constraints; what has none is behind what has some."""
    known = [not isnan(violation[i]) for i in (a, b)]
    if known[0] != known[1]:
        return known[0]
    if known[0] and (violation[a] > 0 or violation[b] > 0):
        return bool(violation[a] < violation[b])
    return bool((losses[a] <= losses[b]).all() and (losses[a] < losses[b]).any())


def naive_ranks(losses: Floats, violation: Floats) -> list[int]:
    ranks = [-1] * len(losses)
    rank = 0
    while -1 in ranks:
        left = [row for row, known in enumerate(ranks) if known < 0]
        for row in [r for r in left if not any(dominates(losses, violation, o, r) for o in left)]:
            ranks[row] = rank
        rank += 1
    return ranks


@given(pools())
def test_ranks_are_those_of_constrained_domination(pool: tuple[Floats, Floats]) -> None:
    assert ranks_under(*pool).tolist() == naive_ranks(*pool)


@given(pools(), st.integers(0, 20))
def test_ranking_stops_when_enough_are_ranked(pool: tuple[Floats, Floats], enough: int) -> None:
    wanted = np.array(naive_ranks(*pool))
    found = ranks_under(*pool, enough=enough)
    for rank in range(wanted.max() + 1):
        if (wanted < rank).sum() < enough:
            assert ((found == rank) == (wanted == rank)).all()


@given(pools())
def test_tournaments_are_won_by_rank_and_then_by_distance(
    pool: tuple[Floats, Floats],
) -> None:
    n = len(pool[0])
    ranks = naive_ranks(*pool)
    distance = [0.0] * n
    for rank in set(ranks):
        rows = [row for row in range(n) if ranks[row] == rank]
        for row, value in zip(rows, naive_crowding(pool[0][rows]), strict=True):
            distance[row] = value
    found = beats(*pool)
    for a, b in product(range(n), range(n)):
        assert found[a, b] == ((ranks[a], -distance[a]) < (ranks[b], -distance[b]))


def naive_crowding(losses: Floats) -> list[float]:
    n, k = losses.shape
    if n <= 2:
        return [inf] * n
    total = [0.0] * n
    for column in range(k):
        order = sorted(range(n), key=lambda row: losses[row, column])
        values = [float(losses[row, column]) for row in order]
        width = values[-1] - values[0]
        if not width > 0:
            continue
        for place, row in enumerate(order):
            if place in (0, n - 1):
                total[row] = inf
                continue
            after, before = values[place + 1], values[place - 1]
            gap = 0.0 if after == before else after - before
            total[row] += gap / (width if width < inf else 1.0)
    return total


@given(pools())
def test_crowding_distance_is_that_of_the_definition(pool: tuple[Floats, Floats]) -> None:
    losses = pool[0]
    assert crowding_distance(losses).tolist() == pytest.approx(naive_crowding(losses))


@given(pools(), st.integers(1, 20))
def test_best_fronts_survive_and_then_the_least_crowded(
    pool: tuple[Floats, Floats], size: int
) -> None:
    ranks = np.array(naive_ranks(*pool))
    found = most_spread(*pool, size)
    assert len(set(found.tolist())) == len(found) == min(size, len(ranks))
    last = max(ranks[found])
    left = np.setdiff1d(np.arange(len(ranks)), found)
    assert (ranks[left] >= last).all()
    rows = np.flatnonzero(ranks == last)
    distance = dict(zip(rows.tolist(), naive_crowding(pool[0][rows]), strict=True))
    kept = [distance[row] for row in found.tolist() if row in distance]
    lost = [distance[row] for row in left.tolist() if row in distance]
    assert not lost or min(kept) >= max(lost) - 1e-9


@given(pools(), st.integers(1, 20))
def test_fronts_are_split_where_they_do_not_fit(pool: tuple[Floats, Floats], size: int) -> None:
    ranks = ranks_under(*pool)
    whole, split = fronts(ranks, size)
    assert len(whole) <= size
    assert len(whole) + len(split) >= min(size, len(ranks))
    assert len(set(ranks[split])) <= 1
    assert not len(split) or len(whole) == int((ranks < ranks[split[0]]).sum())


@given(pools())
def test_finite_losses_keep_their_order(pool: tuple[Floats, Floats]) -> None:
    losses = pool[0]
    found = finite(losses)
    assert np.isfinite(found).all()
    for column, of in zip(found.T, losses.T, strict=True):
        assert (np.argsort(column, kind="stable") == np.argsort(of, kind="stable")).all()


# -- NSGA-III -------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "divisions"), [(1, 3), (2, 1), (2, 4), (3, 3), (3, 12), (5, 3)])
def test_reference_points_are_all_with_the_sum_one(k: int, divisions: int) -> None:
    points = das_dennis(k, divisions)
    wanted = {p for p in product(range(divisions + 1), repeat=k) if sum(p) == divisions}
    found = {tuple(np.rint(point * divisions).astype(int).tolist()) for point in points}
    assert found == wanted
    assert len(points) == len(wanted)
    assert np.allclose(points.sum(axis=1), 1.0)


def test_nearest_line_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    for k in (1, 2, 3, 5):
        points, references = rng.random((30, k)), rng.random((9, k)) + 0.01
        lines, distances = nearest_lines(points, references)
        for point, line, distance in zip(points, lines, distances, strict=True):
            naive = [np.linalg.norm(point - (point @ r) / (r @ r) * r) for r in references]
            assert distance == pytest.approx(min(naive), abs=1e-7)
            assert naive[line] == pytest.approx(min(naive), abs=1e-7)


def test_front_is_normalized_to_the_unit_plane() -> None:
    rng = np.random.default_rng(1)
    weights = np.vstack([np.eye(3), rng.dirichlet(np.ones(3), 30)])
    losses = weights * [2.0, 30.0, 0.1] + [5.0, -7.0, 1.0]
    found = normalized(losses)
    assert np.allclose(found.sum(axis=1), 1.0)
    assert np.allclose(found, weights)


@pytest.mark.parametrize(
    "losses",
    [
        [[1.0, 1.0], [1.0, 1.0]],
        [[0.0, 0.0], [1.0, 2.0]],
        [[0.0, 1.0], [0.0, 3.0], [0.0, 2.0]],
        [[4.0]],
    ],
)
def test_degenerate_fronts_are_normalized_by_their_largest_losses(
    losses: list[list[float]],
) -> None:
    found = normalized(np.array(losses))
    assert np.isfinite(found).all()
    assert found.min() == 0.0 and found.max() <= 1.0


def naive_niching(
    niches: list[int], distances: list[float], n_whole: int, missing: int, draws: Floats
) -> list[int]:
    """Return what algorithm 4 of Deb and Jain 2014 gives, over all niches each time."""
    chosen: list[int] = []
    rest = list(range(n_whole, len(niches)))
    members = list(range(n_whole))
    for tie, whom in draws[:missing]:
        order = list(dict.fromkeys(niches[p] for p in range(n_whole, len(niches))))
        open_niches = [j for j in order if any(niches[p] == j for p in rest)]
        count = {j: sum(niches[p] == j for p in members) for j in open_niches}
        fewest = [j for j in open_niches if count[j] == min(count.values())]
        niche = fewest[int(tie * len(fewest))]
        candidates = [p for p in rest if niches[p] == niche]
        if count[niche] == 0:
            pick = min(candidates, key=lambda p: (distances[p], p))
        else:
            pick = candidates[int(whom * len(candidates))]
        chosen.append(pick)
        members.append(pick)
        rest.remove(pick)
    return chosen


@given(st.integers(0, 2**32 - 1), st.integers(0, 8), st.integers(1, 12), st.data())
def test_niches_are_filled_as_the_paper_says(
    seed: int, n_whole: int, n_rest: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    n = n_whole + n_rest
    niches, distances = rng.integers(0, 5, n), rng.random(n)
    missing = data.draw(st.integers(1, n_rest))
    found = fill_niches(niches, distances, n_whole, missing, np.random.default_rng(seed))
    draws = np.random.default_rng(seed).random((missing, 2))
    wanted = naive_niching(niches.tolist(), distances.tolist(), n_whole, missing, draws)
    assert found == wanted


@given(pools(), st.integers(1, 20), st.integers(0, 1000))
def test_best_fronts_survive_in_nsga3(pool: tuple[Floats, Floats], size: int, seed: int) -> None:
    losses, _ = pool
    ranks = np.array(naive_ranks(*pool))
    points = das_dennis(losses.shape[1], 3)
    found = evenly_niched(*pool, size, points, np.random.default_rng(seed))
    assert len(set(found.tolist())) == len(found) == min(size, len(ranks))
    left = np.setdiff1d(np.arange(len(ranks)), found)
    assert not len(left) or ranks[left].min() >= ranks[found].max()


def test_survivors_of_nsga3_are_spread_over_the_lines() -> None:
    rng = np.random.default_rng(3)
    crowd = np.column_stack([0.5 + 0.01 * rng.random(50), 0.5 + 0.01 * rng.random(50)])
    crowd[:, 1] = 1.0 - crowd[:, 0]
    ends = np.array([[0.0, 1.0], [0.25, 0.75], [0.75, 0.25], [1.0, 0.0]])
    losses = np.vstack([crowd, ends])
    found = evenly_niched(losses, np.full(54, nan), 5, das_dennis(2, 4), rng)
    assert {50, 51, 52, 53} < set(found.tolist())
