"""Both densities of the Parzen estimator, against their definition written out value by value."""

from __future__ import annotations

from math import exp, log, pi
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from ahpo.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.samplers.tpe.good import GoodMixture, describe
from ahpo.samplers.tpe.kernels import (
    Kernels,
    neighbour_bandwidths,
    rounded,
    scott_bandwidth,
    single_bandwidth,
)
from ahpo.samplers.tpe.rest_joint import log_rest_jointly
from ahpo.samplers.tpe.rest_single import log_rest_singly
from ahpo.samplers.tpe.rows import Pending, UnitRows, unit_rows
from ahpo.samplers.tpe.space import Candidates, UnitSpace
from tests.samplers.spaces import EVERY_KIND, random_params
from tests.samplers.trials import Trials

N_ROWS, N_PENDING = 60, 4
GOOD = np.arange(5, 15)
REST = np.setdiff1d(np.arange(N_ROWS), GOOD)
ROOT = 0.5 * log(2 * pi)
# Cells of these are taken as points in the estimator; the constant that this leaves out, and by
# how much masses may differ.
MANY = {"narrow cells": 0.03, "many steps": 0.04, "countless": 0.01}


def ends(distribution: FloatDistribution | IntDistribution) -> tuple[float, float]:
    """Return the range on the scale where the parameter is sampled."""
    half = 0.5 * distribution.step if distribution.step is not None else 0.0
    low, high = distribution.low - half, distribution.high + half
    return (log(low), log(high)) if distribution.log else (low, high)


def log_kernel(
    name: str, value: float, center: float | None, bandwidth: float, share: float
) -> float:
    """Return the logarithm of one kernel (the prior if there is no centre) at an internal value."""
    distribution = EVERY_KIND[name]
    if isinstance(distribution, CategoricalDistribution):
        count = len(distribution.choices)
        own = 0.0 if center is None or value != center else 1.0
        total = 1.0 + count * share
        return -log(count) if center is None else log((own + share) / total)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    start, end = ends(distribution)

    def scaled(v: float) -> float:
        return ((log(v) if distribution.log else v) - start) / (end - start)

    middle = 0.5 if center is None else scaled(center)
    whole = norm.cdf(1.0, middle, bandwidth) - norm.cdf(0.0, middle, bandwidth)
    if distribution.step is None:
        return float(norm.logpdf(scaled(value), middle, bandwidth)) + ROOT - log(whole)
    lower, upper = scaled(value - distribution.step / 2), scaled(value + distribution.step / 2)
    mass = norm.cdf(upper, middle, bandwidth) - norm.cdf(lower, middle, bandwidth)
    result = log(max(mass, 1e-300) / whole)
    return result + ROOT - log(upper - lower) if name in MANY else result


class Case:
    """Hold a history, l(x) over its good trials, and candidates drawn from it."""

    def __init__(self, jointly: bool, kernels: Kernels, names: list[str]) -> None:
        rng = np.random.default_rng(3)
        self.names = names
        subspace = {name: EVERY_KIND[name] for name in names}
        trials = Trials(subspace)
        for _ in range(N_ROWS + N_PENDING):
            params = random_params(rng)
            trials.add({name: params[name] for name in names}, 0.0)
        view = trials.view()
        self.raw = {name: view.column(name) for name in names}
        every = unit_rows(view, {}, subspace)
        self.space: UnitSpace = every.space
        self.rows: UnitRows = every._replace(n=N_ROWS)
        self.pending = Pending(
            self.space,
            {},
            every.unit[:, N_ROWS : N_ROWS + N_PENDING],
            every.indices[:, N_ROWS : N_ROWS + N_PENDING],
        )
        self.kernels = kernels
        self.weights = np.zeros(N_ROWS + N_PENDING, np.float32)
        self.weights[REST] = 0.1 + rng.random(len(REST))
        self.weights[N_ROWS:] = 1.0
        self.mixture = GoodMixture(
            self.space,
            self.rows.unit[:, GOOD],
            self.rows.indices[:, GOOD],
            np.ones(len(GOOD)),
            kernels,
        )
        self.candidates: Candidates = self.mixture.draw(np.random.default_rng(1), 12, jointly)
        self.values = [
            self.space.decode(self.candidates.unit[row], self.candidates.indices[row])
            for row in range(12)
        ]
        # The order of coordinates, found by marking one parameter at a time.
        self.order = self._order()

    def _order(self) -> list[str]:
        lows = [getattr(EVERY_KIND[name], "low", 0.0) for name in self.names]
        base = self.space.encode_point(lows)
        assert base is not None
        place: dict[int, str] = {}
        for position, name in enumerate(self.names):
            marked = list(lows)
            distribution = EVERY_KIND[name]
            step = getattr(distribution, "step", 1.0) or 1e-3 * lows[position] or 1e-3
            marked[position] += abs(step)
            changed = self.space.encode_point(marked)
            assert changed is not None
            flat, other = [*base[0], *base[1]], [*changed[0], *changed[1]]
            place[next(i for i in range(len(flat)) if flat[i] != other[i])] = name
        return [place[slot] for slot in range(len(self.names))]

    def bandwidths_of_good(self) -> dict[str, np.ndarray]:
        """Return the bandwidths of numbers by the rule, one parameter at a time."""
        found = {}
        for name in self.names:
            distribution = EVERY_KIND[name]
            if isinstance(distribution, CategoricalDistribution):
                continue
            assert isinstance(distribution, FloatDistribution | IntDistribution)
            start, end = ends(distribution)
            raw = self.raw[name][GOOD]
            unit = ((np.log(raw) if distribution.log else raw) - start) / (end - start)
            found[name] = neighbour_bandwidths(unit[None], self.kernels)[0]
        return found


def share_of(kernels: Kernels, n_kernels: int) -> float:
    return kernels.prior_weight / n_kernels


def compare(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name in found:
        seen = expected[name] > -12  # differences of smaller masses are rounding errors
        tolerance = MANY.get(name, 1e-9)
        assert found[name][seen] == pytest.approx(expected[name][seen], abs=tolerance), name


ALL = list(EVERY_KIND)
KERNELS = [Kernels(), Kernels(2.5, False, True)]


@pytest.mark.parametrize("kernels", KERNELS)
def test_l_is_the_product_of_truncated_normals_and_tables(kernels: Kernels) -> None:
    case = Case(True, kernels, ALL)
    terms = case.mixture.log_terms(case.candidates)
    bandwidths = case.bandwidths_of_good()
    share = share_of(kernels, len(GOOD) + 1)
    expected = {name: np.empty(terms.shape[:2]) for name in ALL}
    for row, values in enumerate(case.values):
        for k in range(len(GOOD) + 1):
            for name in ALL:
                prior = k == len(GOOD)
                center = None if prior else case.raw[name][GOOD[k]]
                wide = 1.0 if prior else bandwidths.get(name, np.ones(k + 1))[k]
                expected[name][row, k] = log_kernel(name, values[name], center, wide, share)
    compare({name: terms[:, :, i] for i, name in enumerate(case.order)}, expected)
    jointly = case.mixture.log_kernels(describe(case.space, case.candidates))
    assert jointly == pytest.approx(terms.sum(axis=2), rel=1e-6, abs=1e-6)


def rest_kernels(case: Case, bandwidth: float, shares: dict[str, float]) -> dict[str, np.ndarray]:
    """Return the kernels of g, the prior last, (m, K), by parameter."""
    rows = [*REST.tolist(), *range(N_ROWS, N_ROWS + N_PENDING), None]
    return {
        name: np.array(
            [
                [
                    log_kernel(
                        name,
                        values[name],
                        None if row is None else case.raw[name][row],
                        1.0 if row is None else bandwidth,
                        shares[name],
                    )
                    for row in rows
                ]
                for values in case.values
            ]
        )
        for name in case.names
    }


def weights_of(case: Case) -> np.ndarray:
    weights = case.weights
    return np.array([*weights[REST], *weights[N_ROWS:], case.kernels.prior_weight], dtype=float)


# The cells of graded parameters widen a normal kernel here, which is not quite their mass.
EXACT = [name for name in ALL if name not in MANY and name != "graded"]


@pytest.mark.parametrize("kernels", KERNELS[:1])
@pytest.mark.parametrize(("names", "tolerance"), [(EXACT, 1e-3), (ALL, 0.1)])
def test_g_jointly_is_the_weighted_sum_of_products(
    kernels: Kernels, names: list[str], tolerance: float
) -> None:
    case = Case(True, kernels, names)
    n = len(REST) + N_PENDING
    points = describe(case.space, case.candidates)
    log_prior = case.mixture.log_kernels(points)[:, -1]
    found = log_rest_jointly(
        points, case.rows, case.pending, {}, GOOD, case.weights, n, log_prior, kernels
    )
    steady = rounded(n, 4)
    shares = {name: share_of(kernels, (n if "wide" in name else steady) + 1) for name in names}
    bandwidth = scott_bandwidth(steady, len(names), kernels)
    logs = sum(rest_kernels(case, bandwidth, shares).values())
    expected = np.log(np.exp(logs) @ weights_of(case))
    assert found == pytest.approx(expected, abs=tolerance)


def test_g_jointly_is_the_same_row_by_row_and_at_once() -> None:
    kernels = Kernels()
    case = Case(True, kernels, ALL)
    points = describe(case.space, case.candidates)
    log_prior = case.mixture.log_kernels(points)[:, -1]

    def g(n: int, cache: dict[Any, Any]) -> np.ndarray:
        rows, none = case.rows._replace(n=n), Pending.none(case.space)
        return log_rest_jointly(
            points, rows, none, cache, GOOD, case.weights[:n], 50, log_prior, kernels
        )

    cache: dict[Any, Any] = {}
    for n in range(20, N_ROWS + 1):
        found = g(n, cache)
        # What was there for fewer rows is not disturbed by what was added.
        assert g(20, cache) == pytest.approx(g(20, {}), abs=1e-5)
    assert found == pytest.approx(g(N_ROWS, {}), abs=1e-5)


@pytest.mark.parametrize("kernels", KERNELS)
def test_g_singly_is_the_weighted_sum_of_each_parameter(kernels: Kernels) -> None:
    case = Case(False, kernels, ALL)
    n = len(REST) + N_PENDING
    prior = case.mixture.log_terms(case.candidates)[:, -1]
    found = log_rest_singly(
        case.candidates, case.rows, case.pending, {}, case.weights, n, prior, kernels
    )
    shares = dict.fromkeys(ALL, share_of(kernels, n + 1))
    bandwidth = single_bandwidth(rounded(n, 5), kernels)
    logs = rest_kernels(case, bandwidth, shares)
    for slot, name in enumerate(case.order):
        expected = np.log(np.exp(logs[name]) @ weights_of(case))
        tolerance = MANY.get(name, 0.06 if name == "graded" else 2e-3)
        assert found[:, slot] == pytest.approx(expected, abs=tolerance), name


def test_candidates_are_drawn_from_l() -> None:
    space = UnitSpace({name: EVERY_KIND[name] for name in ("float", "choice", "int", "graded")})
    raw = np.array([[-4.0, 1.0], [2.0, 0.0], [3.0, 8.0], [1.0, 50.0]])
    unit, indices, _ = space.encode(raw)
    weights = np.array([3.0, 1.0])
    mixture = GoodMixture(space, unit, indices, weights, Kernels())
    for jointly in (True, False):
        found = mixture.draw(np.random.default_rng(0), 40_000, jointly)
        terms = mixture.log_terms(found)
        density = np.exp(mixture.log_mixture(terms)) / 5.0
        # The inverse of the mass of a value, averaged over draws, is the number of values.
        for slot, count in ((2, 8), (3, 3), (1, 1000)):
            column = {2: found.indices[:, 0], 3: found.indices[:, 1], 1: found.unit[:, 1]}[slot]
            assert len(np.unique(column)) <= count
            seen = len(np.unique(column))
            assert (1.0 / density[:, slot]).mean() == pytest.approx(
                seen, rel=0.1 if seen < 9 else 0.4
            )
        # And for a float, the length of the range (the root is left out of the density).
        mean = (1.0 / density[:, 0]).mean()
        assert mean == pytest.approx(exp(-ROOT), rel=0.1)


@pytest.mark.parametrize("jointly", [True, False])
def test_each_value_is_drawn_as_often_as_its_mass(jointly: bool) -> None:
    """Parameters of different numbers of values do not get into each other's way."""
    names = ("few steps", "choice", "int", "yes or no")
    space = UnitSpace({name: EVERY_KIND[name] for name in names})
    raw = np.array([[0.5, 0.0], [2.0, 0.0], [3.0, 8.0], [0.0, 1.0]])
    unit, indices, _ = space.encode(raw)
    mixture = GoodMixture(space, unit, indices, np.array([3.0, 1.0]), Kernels())
    found = mixture.draw(np.random.default_rng(0), 40_000, jointly)
    masses = np.exp(mixture.log_mixture(mixture.log_terms(found))) / 5.0
    for slot, count in enumerate(space.counts):
        drawn = found.indices[:, slot]
        for value in range(count):
            here = drawn == value
            assert here.any()
            assert here.mean() == pytest.approx(masses[here, slot][0], abs=0.012)


def test_bandwidths_are_parts_of_the_distance_to_the_farther_neighbour() -> None:
    unit = np.array([[0.5, 0.1, 0.9, 0.6]])
    assert neighbour_bandwidths(unit, Kernels()) == pytest.approx(
        np.array([[0.32, 0.32, 0.24, 0.24]])
    )
    with_ends = neighbour_bandwidths(unit, Kernels(endpoints=True))
    assert with_ends == pytest.approx(np.array([[0.32, 0.32, 0.24, 0.24]]))
    alone = neighbour_bandwidths(np.array([[0.3]]), Kernels())
    assert alone == pytest.approx(np.array([[0.8 * 0.7]]))
    same = neighbour_bandwidths(np.full((1, 3), 0.3), Kernels())
    assert same == pytest.approx(0.8 / 5)
    unclipped = neighbour_bandwidths(np.full((1, 3), 0.3), Kernels(magic_clip=False))
    assert (unclipped < 0.01).all()
    assert neighbour_bandwidths(np.empty((2, 0)), Kernels()).shape == (2, 0)


@pytest.mark.parametrize("bits", [1, 4, 5])
def test_numbers_are_rounded_down_by_little(bits: int) -> None:
    for n in range(1, 3000):
        assert n * (1 - 2.0 ** (1 - bits)) <= rounded(n, bits) <= n
    assert rounded(0, bits) == 1
    assert len({rounded(n, 4) for n in range(1000, 2000)}) < 12
