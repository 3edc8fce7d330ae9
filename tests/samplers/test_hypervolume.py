"""Hypervolumes of points on a grid of integers, against counting the cells."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.history.hypervolume import contributions, hypervolume, select_subset

Floats = np.ndarray


@st.composite
def problems(draw: st.DrawFn, most: int = 8) -> tuple[Floats, Floats]:
    """Draw points and a reference point, with integer coordinates."""
    k = draw(st.integers(1, 4))
    point = st.tuples(*[st.integers(0, 5)] * k)
    rows = draw(st.lists(point, max_size=most))
    reference = draw(st.tuples(*[st.integers(3, 5)] * k))
    return np.array(rows, dtype=float).reshape(len(rows), k), np.array(reference, dtype=float)


def cells(points: Floats, reference: Floats) -> int:
    """Return how many unit cells below the reference some point dominates."""
    corners = itertools.product(*(range(int(end)) for end in reference))
    return sum(any((point <= corner).all() for point in points) for corner in corners)


@given(problems())
def test_the_hypervolume_is_the_number_of_dominated_cells(problem: tuple[Floats, Floats]) -> None:
    assert hypervolume(*problem) == pytest.approx(cells(*problem))


@given(problems(most=6))
def test_a_contribution_is_what_is_lost_without_the_point(problem: tuple[Floats, Floats]) -> None:
    points, reference = problem
    whole = cells(points, reference)
    lost = [whole - cells(np.delete(points, row, 0), reference) for row in range(len(points))]
    assert contributions(points, reference) == pytest.approx(np.array(lost, dtype=float))


@given(problems(most=6), st.integers(0, 8))
def test_each_next_point_of_a_subset_adds_the_most(
    problem: tuple[Floats, Floats], size: int
) -> None:
    points, reference = problem
    chosen = select_subset(points, size, reference).tolist()
    assert len(chosen) == len(set(chosen)) == min(size, len(points))
    for count in range(len(chosen)):
        best = max(cells(points[[*chosen[:count], row]], reference) for row in range(len(points)))
        assert cells(points[chosen[: count + 1]], reference) == best


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_a_sphere_is_measured_as_by_random_points(k: int) -> None:
    rng = np.random.default_rng(k)
    points = rng.random((40, k))
    points /= np.linalg.norm(points, axis=1)[:, None]
    samples = rng.random((20_000, k))
    below = np.zeros(len(samples), dtype=bool)
    for point in points:
        below |= (samples >= point).all(axis=1)
    assert hypervolume(points, np.ones(k)) == pytest.approx(below.mean(), abs=0.015)


def test_an_infinite_side_gives_an_infinite_volume() -> None:
    assert hypervolume(np.array([[0.0, -np.inf]]), np.ones(2)) == np.inf
    assert hypervolume(np.zeros((1, 2)), np.array([1.0, np.inf])) == np.inf
    assert hypervolume(np.array([[np.inf, 0.0]]), np.ones(2)) == 0.0


@pytest.mark.parametrize("function", [hypervolume, contributions])
def test_shapes_that_do_not_fit_and_nan_are_refused(function: object) -> None:
    assert callable(function)
    with pytest.raises(ValueError, match=r"`points` must have the shape \(n, k\)"):
        function(np.zeros((3, 2)), np.ones(3))
    with pytest.raises(ValueError, match="must not hold NaN"):
        function(np.array([[np.nan, 0.0]]), np.ones(2))
