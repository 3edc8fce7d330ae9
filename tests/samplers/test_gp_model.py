"""The Gaussian process: naive oracles for its posterior, finite differences for its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.samplers.gp.acquisition import (
    Acquisition,
    Constrained,
    Feasibility,
    HypervolumeImprovement,
    Improvement,
)
from ahpo.samplers.gp.ascent import descend
from ahpo.samplers.gp.fit import Hyper, Priors, fit, negative_log_posterior
from ahpo.samplers.gp.hypervolume_improvement import boxes_of
from ahpo.samplers.gp.kernel import matern, matern_with_slope, squared_distances
from ahpo.samplers.gp.linear import factor, inverse_lower, inverse_of
from ahpo.samplers.gp.posterior import Posterior
from ahpo.samplers.gp.space import CodeSpace, Floats

MIXED: dict[str, BaseDistribution] = {
    "x": FloatDistribution(-1.0, 3.0),
    "c": CategoricalDistribution(("a", "b", "c")),
    "n": IntDistribution(0, 9),
    "y": FloatDistribution(0.1, 10.0, log=True),
}


def data(n: int, seed: int = 0) -> tuple[CodeSpace, Floats, Floats]:
    """Return a space, the codes of n trials and their standardized losses."""
    rng = np.random.default_rng(seed)
    space = CodeSpace(MIXED)
    codes = space.at_quantiles(rng.random((n, len(space))))
    y = np.sin(4 * codes[:, 0]) + 0.5 * codes[:, 1] + codes[:, 2] * codes[:, 3]
    return space, codes, (y - y.mean()) / y.std()


HYPER = Hyper(np.array([0.5, 1.5, 0.9, 2.0]), 1.7, 1e-2)


def naive_kernel(space: CodeSpace, first: Floats, second: Floats, hyper: Hyper) -> Floats:
    """Compute the covariances of codes one by one, with choices by Hamming distance."""
    result = np.empty((len(first), len(second)))
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            squared = 0.0
            for place, length in enumerate(hyper.lengths):
                if space.choice[place]:
                    squared += float(a[place] != b[place]) / length**2
                else:
                    squared += (a[place] - b[place]) ** 2 / length**2
            r = np.sqrt(5.0 * squared)
            result[i, j] = hyper.scale * (1.0 + r + r * r / 3.0) * np.exp(-r)
    return result


def naive_posterior(
    space: CodeSpace, codes: Floats, y: Floats, hyper: Hyper, at: Floats, pending: Floats
) -> tuple[Floats, Floats]:
    """Compute the mean by solving linear systems, and the variance with pending trials."""
    k = naive_kernel(space, codes, codes, hyper) + hyper.noise * np.eye(len(codes))
    ones = np.ones(len(codes))
    center = ones @ np.linalg.solve(k, y) / (ones @ np.linalg.solve(k, ones))
    mean = center + naive_kernel(space, at, codes, hyper) @ np.linalg.solve(k, y - center)
    both = np.concatenate((codes, pending))
    k = naive_kernel(space, both, both, hyper) + hyper.noise * np.eye(len(both))
    cross = naive_kernel(space, at, both, hyper)
    variance = hyper.scale - np.einsum("ij,ji->i", cross, np.linalg.solve(k, cross.T))
    return mean, np.sqrt(variance)


@pytest.mark.parametrize("n_pending", [0, 1, 7])
def test_posterior_is_what_linear_systems_say(n_pending: int) -> None:
    space, codes, y = data(30)
    at = space.at_quantiles(np.random.default_rng(1).random((20, 4)))
    pending = space.at_quantiles(np.random.default_rng(2).random((n_pending, 4)))
    posterior = Posterior(space.features(codes), space.owner, y, HYPER, space.features(pending))
    mean, deviation = naive_posterior(space, codes, y, HYPER, at, pending)
    found = posterior.moments(space.features(at))
    np.testing.assert_allclose(found[0], mean, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found[1], deviation, rtol=1e-8)
    again = posterior.with_gradients(space.features(at))
    np.testing.assert_allclose(again[0], mean, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(again[1], deviation, rtol=1e-8)


def test_pending_trials_change_the_deviation_and_not_the_mean() -> None:
    space, codes, y = data(12)
    at = space.features(codes[:1] + np.array([0.3, 0.0, 0.0, 0.1]))
    alone = Posterior(space.features(codes), space.owner, y, HYPER)
    pending = Posterior(space.features(codes), space.owner, y, HYPER, at)
    assert pending.moments(at)[0] == pytest.approx(alone.moments(at)[0])
    assert pending.moments(at)[1] < 0.5 * alone.moments(at)[1]


def differences(function: Callable[[Floats], float], x: Floats, step: float = 1e-6) -> Floats:
    """Return the gradient by central differences."""
    result = np.empty_like(x)
    for place in range(len(x)):
        ahead, back = x.copy(), x.copy()
        ahead[place] += step
        back[place] -= step
        result[place] = (function(ahead) - function(back)) / (2.0 * step)
    return result


@pytest.mark.parametrize("seed", range(5))
def test_gradient_of_the_marginal_likelihood_is_that_of_finite_differences(seed: int) -> None:
    space, codes, y = data(25, seed)
    priors = Priors.of(4, deterministic=False)
    theta = np.random.default_rng(seed).normal([0.0] * 5 + [-4.0], 0.5)

    def value(theta: Floats) -> float:
        return negative_log_posterior(theta, space.features(codes), space.owner, y, priors)[0]

    _, gradient = negative_log_posterior(theta, space.features(codes), space.owner, y, priors)
    np.testing.assert_allclose(gradient, differences(value, theta), rtol=1e-5, atol=1e-5)


def test_marginal_likelihood_is_the_density_of_the_losses() -> None:
    space, codes, y = data(15)
    priors = Priors.of(4, deterministic=False)
    features = space.features(codes)

    def naive(theta: Floats) -> float:
        hyper = Hyper(np.exp(theta[:4]), float(np.exp(theta[4])), float(np.exp(theta[5])))
        k = naive_kernel(space, codes, codes, hyper) + hyper.noise * np.eye(15)
        ones = np.ones(15)
        center = ones @ np.linalg.solve(k, y) / (ones @ np.linalg.solve(k, ones))
        rest = y - center
        off = (theta - priors.center) / priors.width
        fits = rest @ np.linalg.solve(k, rest) + np.linalg.slogdet(k)[1]
        return float(0.5 * fits + 0.5 * off @ off)

    first, second = np.zeros(6), np.array([0.3, -0.4, 0.5, 1.0, 0.2, -3.0])
    found = [
        negative_log_posterior(theta, features, space.owner, y, priors)[0]
        for theta in (first, second)
    ]
    assert found == pytest.approx([naive(first), naive(second)])


def test_fit_finds_which_parameters_matter() -> None:
    rng = np.random.default_rng(0)
    codes = rng.random((60, 3))
    y = np.sin(6 * codes[:, 1])
    hyper = fit(codes, np.arange(3), (y - y.mean()) / y.std(), 3, deterministic=False)
    assert hyper.lengths[1] < 0.2 * min(hyper.lengths[0], hyper.lengths[2])
    assert hyper.noise < 1e-2


def test_fit_tells_noise_from_a_deterministic_objective() -> None:
    rng = np.random.default_rng(0)
    codes = rng.random((80, 2))
    y = np.sin(3 * codes[:, 0]) + 0.5 * rng.standard_normal(80)
    y = (y - y.mean()) / y.std()
    assert 0.1 < fit(codes, np.arange(2), y, 2, deterministic=False).noise < 1.0
    assert fit(codes, np.arange(2), y, 2, deterministic=True).noise < 1e-5


def test_fit_ends_at_a_mode() -> None:
    space, codes, y = data(40)
    features = space.features(codes)
    hyper = fit(features, space.owner, y, 4, deterministic=False)
    priors = Priors.of(4, deterministic=False)
    theta = np.log([*hyper.lengths, hyper.scale, hyper.noise])
    assert hyper.noise < 0.1
    inside = (theta > priors.low + 1e-9) & (theta < priors.high - 1e-9)
    gradient = negative_log_posterior(theta, features, space.owner, y, priors)[1]
    assert np.abs(gradient[inside]).max() < 0.2


@pytest.mark.parametrize("n_same", [0, 5])
def test_slope_of_the_kernel_is_its_derivative(n_same: int) -> None:
    squared = np.concatenate((np.zeros(n_same), np.geomspace(1e-6, 100.0, 30)))
    value, slope = matern_with_slope(squared)
    np.testing.assert_array_equal(value, matern(squared))
    step = 1e-7 * np.maximum(squared, 1e-3)
    ahead = (matern(squared + step) - value) / step
    np.testing.assert_allclose(slope, ahead, rtol=1e-2, atol=1e-6)


def test_distances_are_those_of_each_pair() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((7, 3)), rng.random((5, 3))
    pairs = ((first[:, None] - second) ** 2).sum(axis=2)
    np.testing.assert_allclose(squared_distances(first, second), pairs, atol=1e-12)
    assert squared_distances(first, first).min() >= 0.0


def test_triangles_are_inverted() -> None:
    a = np.random.default_rng(0).random((6, 6))
    k = a @ a.T + np.eye(6)
    lower = factor(k)
    assert lower is not None
    np.testing.assert_allclose(inverse_lower(lower) @ lower, np.eye(6), atol=1e-12)
    np.testing.assert_allclose(inverse_of(lower) @ k, np.eye(6), atol=1e-12)
    assert inverse_lower(np.empty((0, 0))).shape == (0, 0)


def test_matrix_of_doubles_is_factored_with_a_larger_diagonal() -> None:
    lower = factor(np.ones((4, 4)))
    assert lower is not None
    np.testing.assert_allclose(lower @ lower.T, np.ones((4, 4)), atol=1e-4)
    assert factor(-np.eye(3)) is None
    assert factor(np.full((2, 2), np.nan)) is None


# -- local searches -------------------------------------------------------------------------


def test_descent_finds_minima_of_several_starts_within_bounds() -> None:
    centers = np.array([[0.2, 0.7, 0.5], [0.9, 0.1, 0.4], [1.5, -0.5, 0.5]])

    def bowls(x: Floats, which: Any) -> tuple[Floats, Floats]:
        off = x - centers[which]
        weights = np.array([1.0, 100.0, 10.0])
        return (weights * off**2).sum(axis=1), 2.0 * weights * off

    found, values = descend(
        bowls, np.full((3, 3), 0.5), np.zeros(3), np.ones(3), 80, tolerance=1e-12
    )
    np.testing.assert_allclose(found, np.clip(centers, 0.0, 1.0), atol=1e-5)
    np.testing.assert_allclose(values[:2], 0.0, atol=1e-8)


def test_descent_follows_a_curved_valley() -> None:
    def rosenbrock(x: Floats, which: Any) -> tuple[Floats, Floats]:
        a, b = x.T
        value = (1 - a) ** 2 + 100 * (b - a * a) ** 2
        by_a = -2 * (1 - a) - 400 * a * (b - a * a)
        return value, np.array([by_a, 200 * (b - a * a)]).T

    starts = np.array([[-1.2, 1.0], [0.0, 0.0], [2.0, -1.0]])
    _, values = descend(rosenbrock, starts, np.full(2, -3.0), np.full(2, 3.0), 200, 1e-14)
    assert values.max() < 1e-6


def test_descent_stops_where_nothing_gains() -> None:
    calls = []

    def flat(x: Floats, which: Any) -> tuple[Floats, Floats]:
        calls.append(len(x))
        return np.zeros(len(x)), np.zeros_like(x)

    found, _ = descend(flat, np.full((2, 2), 0.3), np.zeros(2), np.ones(2), 50)
    np.testing.assert_array_equal(found, 0.3)
    assert len(calls) <= 2


def test_descent_goes_on_where_gradients_are_all_but_zero() -> None:
    def all_but_flat(x: Floats, which: Any) -> tuple[Floats, Floats]:
        return 1e-170 * (x**2).sum(axis=1), 2e-170 * x

    found, _ = descend(all_but_flat, np.full((2, 2), 0.3), np.zeros(2), np.ones(2), 50, 0.0)
    assert np.isfinite(found).all()


# -- acquisitions ---------------------------------------------------------------------------


def acquisitions() -> dict[str, tuple[CodeSpace, Acquisition]]:
    """Return one of each kind, over the same trials."""
    space, codes, y = data(20)
    features = space.features(codes)
    first = Posterior(features, space.owner, y, HYPER, features[:3] + 0.05)
    other = np.cos(3 * codes[:, 0]) - codes[:, 3]
    second = Posterior(features, space.owner, other, HYPER)
    front = np.array([[-1.0, 0.5], [0.0, -0.5], [0.5, -1.0]])
    hypervolume = HypervolumeImprovement([first, second], *boxes_of(front, np.array([2.0, 2.0])))
    improvement = Improvement(first, float(y.min()))
    feasibility = Feasibility(second, -0.3)
    return {
        "improvement": (space, improvement),
        "far improvement": (space, Improvement(first, -200.0)),
        "feasibility": (space, feasibility),
        "constrained": (space, Constrained([improvement, feasibility])),
        "hypervolume": (space, hypervolume),
    }


@pytest.mark.parametrize("kind", list(acquisitions()))
def test_gradients_of_acquisitions_are_those_of_finite_differences(kind: str) -> None:
    space, acquisition = acquisitions()[kind]
    points = space.features(space.at_quantiles(np.random.default_rng(5).random((12, 4))))
    values, gradients = acquisition.with_gradients(points)
    np.testing.assert_allclose(values, acquisition.values(points), rtol=1e-9)
    for point, gradient in zip(points, gradients, strict=True):
        expected = differences(lambda x: float(acquisition.values(x[None])[0]), point)
        np.testing.assert_allclose(gradient, expected, rtol=2e-4, atol=2e-4)
