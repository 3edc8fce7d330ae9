"""Codes and features of the Gaussian process, evenly spread points, and losses put to scale."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from ahpo.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from ahpo.samplers.gp.outputs import finite, standardized
from ahpo.samplers.gp.space import CodeSpace
from ahpo.samplers.gp.spread import halton, spread
from tests.samplers.spaces import EVERY_KIND, random_params


def internal(params: dict[str, object]) -> list[float]:
    return [kind.to_internal_repr(params[name]) for name, kind in EVERY_KIND.items()]


def test_decoding_gives_back_what_was_encoded() -> None:
    space = CodeSpace(EVERY_KIND)
    rng = np.random.default_rng(0)
    raw = np.array([internal(random_params(rng)) for _ in range(200)])
    codes, inside = space.encode(raw)
    assert inside.all()
    assert codes[:, ~space.choice].min() >= 0.0
    assert codes[:, ~space.choice].max() <= 1.0 + 1e-12
    found = np.array([list(space.decode(row).values()) for row in codes])
    np.testing.assert_allclose(found, raw, rtol=1e-9)
    np.testing.assert_allclose(space.snap(codes), codes, atol=1e-9)


def test_points_anywhere_decode_into_the_ranges() -> None:
    space = CodeSpace(EVERY_KIND)
    u = np.random.default_rng(0).random((300, len(space)))
    u[0], u[1] = 0.0, np.nextafter(1.0, 0.0)
    for row in space.at_quantiles(u):
        for name, value in space.decode(row).items():
            assert EVERY_KIND[name]._contains(value), name


def test_snapped_points_are_the_same_bits_as_encoded_ones() -> None:
    """So that what was tried is known again."""
    space = CodeSpace({k: v for k, v in EVERY_KIND.items() if k not in ("float", "log")})
    codes = space.at_quantiles(np.random.default_rng(0).random((200, len(space))))
    raw = np.array([list(space.decode(row).values()) for row in codes])
    again = space.snap(space.encode(raw)[0])
    listed = space.counts > 0
    np.testing.assert_array_equal(again[:, listed], codes[:, listed])


def test_trials_out_of_range_or_without_a_parameter_are_not_inside() -> None:
    space = CodeSpace({"n": IntDistribution(0, 5), "m": IntDistribution(1, 9, log=True)})
    raw = np.array([[0.0, 1.0], [6.0, 1.0], [np.nan, 3.0], [5.0, 9.0]])
    assert space.encode(raw)[1].tolist() == [True, False, False, True]


def test_values_of_a_grid_are_equally_likely() -> None:
    space = CodeSpace({"n": IntDistribution(0, 4), "c": CategoricalDistribution("abc")})
    codes = space.at_quantiles(((np.arange(3000) + 0.5) / 3000)[:, None].repeat(2, 1))
    assert np.unique(codes[:, 0], return_counts=True)[1].tolist() == [600] * 5
    assert np.unique(codes[:, 1], return_counts=True)[1].tolist() == [1000] * 3


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (IntDistribution(0, 4), 2, {0, 1, 3, 4}),
        (CategoricalDistribution(tuple(range(40))), 3, set(range(40)) - {3}),
        (IntDistribution(0, 100), 50, {49, 51, 48, 52, 46, 54, 42, 58, 34, 66, 18, 82}),
        (IntDistribution(1, 1000, log=True), 1, {2, 3, 5, 9, 17, 33, 65, 129, 257, 513}),
    ],
)
def test_moves_are_to_all_values_or_to_some_at_growing_distances(
    kind: BaseDistribution, value: int, expected: set[int]
) -> None:
    space = CodeSpace({"p": kind})
    code = space.encode(np.array([[float(value)]]))[0][0, 0]
    moves = space.moves(0, code)
    assert {round(space.decode(np.array([move]))["p"]) for move in moves} == expected


def test_choices_that_differ_are_one_apart() -> None:
    space = CodeSpace({"c": CategoricalDistribution("abc"), "n": IntDistribution(0, 4)})
    features = space.features(np.array([[0.0, 0.25], [2.0, 0.25], [2.0, 1.0]]))
    assert features.shape == (3, 4)
    assert space.owner.tolist() == [0, 0, 0, 1]
    squared = ((features[:, None] - features) ** 2).sum(axis=2)
    np.testing.assert_allclose(squared[0], [0.0, 1.0, 1.0 + 0.75**2])


def test_spread_points_are_uniform_and_lie_in_different_cells() -> None:
    points = spread(512, 12, np.random.default_rng(0))
    assert points.shape == (512, 12)
    assert points.min() >= 0.0
    assert points.max() < 1.0
    for column in points.T:
        assert kstest(column, "uniform").pvalue > 1e-3
    # A van der Corput sequence is a Latin hypercube in powers of its base.
    assert len(np.unique(np.floor(points[:256, 0] * 256))) == 256
    assert len(np.unique(np.floor(points[:37, 11] * 37))) == 37


def test_spread_points_are_more_even_than_random_ones() -> None:
    rng = np.random.default_rng(0)

    def emptiest(points: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> int:
        cells = np.floor(points * 4).astype(int) @ (4 ** np.arange(3))
        return int(np.bincount(cells, minlength=64).min())

    assert emptiest(spread(640, 3, rng)) > emptiest(rng.random((640, 3)))


@pytest.mark.parametrize("dimension", [0, 3, 20])
def test_scrambling_gives_each_number_of_the_sequence_a_uniform_place(dimension: int) -> None:
    found = [
        halton(np.array([7]), dimension, np.random.default_rng(seed))[0] for seed in range(400)
    ]
    assert kstest(found, "uniform").pvalue > 1e-3


def test_losses_are_put_to_scale() -> None:
    y = standardized(np.array([3.0, 1.0, 2.0, 7.0]))
    assert y.mean() == pytest.approx(0.0)
    assert np.argsort(y).tolist() == [1, 2, 0, 3]


@pytest.mark.parametrize(
    "losses",
    [
        [1.0],
        [2.0, 2.0, 2.0],
        [np.inf, 1.0, 2.0, 5.0, 3.0],
        [-np.inf, 1.0, 2.0],
        [np.inf, np.inf],
        [-np.inf, np.inf],
        [1e308, -1e308, 0.0, 5.0],
        [1e-290, 0.0, 2e-290],
    ],
)
def test_losses_of_any_size_become_finite(losses: list[float]) -> None:
    y = standardized(finite(np.array(losses)))
    assert np.isfinite(y).all()
    assert np.abs(y).max() < 20.0
    assert int(y.argmin()) in np.flatnonzero(np.array(losses) == min(losses))
