"""Dominance over arrays agrees with its definition, point by point."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.history import dominance
from ahpo.history.dominance import ParetoFront, non_domination_ranks, on_front

Floats = np.ndarray

points = st.integers(1, 4).flatmap(
    lambda k: st.lists(
        st.tuples(*[st.sampled_from([0.0, 1.0, 2.0, 3.0, -np.inf, np.inf])] * k), max_size=25
    ).map(lambda rows: np.array(rows).reshape(len(rows), k))
)


def dominates(a: Floats, b: Floats) -> bool:
    return bool((a <= b).all() and (a < b).any())


def naive_ranks(losses: Floats) -> list[int]:
    """Return ranks by the definition."""
    ranks = [-1] * len(losses)
    rank = 0
    while -1 in ranks:
        left = [row for row, known in enumerate(ranks) if known < 0]
        front = [r for r in left if not any(dominates(losses[o], losses[r]) for o in left)]
        for row in front:
            ranks[row] = rank
        rank += 1
    return ranks


@pytest.fixture(params=[1, 3, 128], ids=lambda size: f"blocks of {size}")
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Compare so many rows at once."""
    monkeypatch.setattr(dominance, "_BLOCK", request.param)
    return int(request.param)


@pytest.mark.usefixtures("block")
def test_ranks_are_those_of_the_definition() -> None:
    @given(points)
    def check(losses: Floats) -> None:
        ranks = naive_ranks(losses)
        assert non_domination_ranks(losses).tolist() == ranks
        assert on_front(losses).tolist() == [rank == 0 for rank in ranks]

    check()


@given(points, st.integers(0, 30))
def test_ranking_stops_when_enough_are_ranked(losses: Floats, enough: int) -> None:
    ranks = np.array(naive_ranks(losses), dtype=int)
    found = non_domination_ranks(losses, enough)
    last = found.max(initial=0)
    ranked = found < last
    assert (found[ranked] == ranks[ranked]).all()
    assert (ranks[~ranked] >= last).all()
    assert ranked.sum() >= min(enough, len(losses)) or (found == ranks).all()


@given(points)
def test_a_front_kept_point_by_point_is_the_front_of_all(losses: Floats) -> None:
    front = ParetoFront(losses.shape[1])
    added = [front.add(number, tuple(row)) for number, row in enumerate(losses.tolist())]
    expected = np.flatnonzero(on_front(losses))
    assert front.numbers == expected.tolist()
    assert front.losses.tolist() == losses[expected].tolist()
    assert len(front) == len(expected)
    assert all(added[number] for number in front.numbers)
    for number, row in enumerate(losses):
        assert added[number] == (not any(dominates(o, row) for o in losses[:number]))


def test_readers_of_a_front_get_copies() -> None:
    front = ParetoFront(2)
    front.add(0, (1.0, 2.0))
    front.numbers.append(7)
    front.losses[:] = 0.0
    assert front.numbers == [0]
    assert front.losses.tolist() == [[1.0, 2.0]]
