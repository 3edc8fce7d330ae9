"""Expected improvement and its kin, against quadrature and against other forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from ahpo.history.dominance import on_front
from ahpo.history.hypervolume import hypervolume
from ahpo.samplers.gp.hypervolume_improvement import boxes_of, log_hypervolume_improvement
from ahpo.samplers.gp.improvement import log_feasible, log_h, log_improvement
from ahpo.samplers.gp.space import Floats


@pytest.mark.parametrize("z", [-35.0, -20.0, -8.0, -3.0, -1.0001, -1.0, -0.5, 0.0, 1.0, 6.0, 40.0])
def test_log_improvement_is_the_integral(z: float) -> None:
    # Of t in [0, inf) after t = s / (1 + |z|): the density relative to that at z does not vanish.
    width = 1.0 + abs(min(z, 0.0))

    def relative(s: float) -> float:
        t = s / width
        return t / width * np.exp(-0.5 * (z - t) ** 2 + 0.5 * min(z, 0.0) ** 2)

    end = width * (max(z, 0.0) + 40.0 / width)
    integral = quad(relative, 0.0, end, points=[width * max(z, 0.0)], epsabs=0, limit=400)[0]
    expected = np.log(integral) - 0.5 * min(z, 0.0) ** 2 - 0.5 * np.log(2 * np.pi)
    assert log_h(np.array([z]))[0] == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_log_improvement_is_smooth_where_its_forms_meet() -> None:
    for seam in (-1.0, -1e3):
        z = seam * (1.0 + np.linspace(-1e-6, 1e-6, 5))
        slope = np.diff(log_h(z)) / np.diff(z)
        expected = max(-seam, 1.0)
        assert slope == pytest.approx(slope[0], rel=1e-2)
        assert slope[0] == pytest.approx(expected, rel=1.0)


def test_log_improvement_is_finite_anywhere() -> None:
    mean = np.array([0.0, 1e3, 1e6, 1e8, -1e8, 1.0])
    deviation = np.array([1e-6, 1e-3, 1.0, 1.0, 1.0, 1e-12])
    for part in log_improvement(mean, deviation, 0.0):
        assert np.isfinite(part).all()
    for part in log_feasible(mean, deviation, 0.0):
        assert np.isfinite(part).all()


def test_improvement_has_the_classical_form() -> None:
    mean, deviation, best = np.array([0.3, -1.0, 2.0]), np.array([0.5, 1.0, 2.0]), 0.2
    z = (best - mean) / deviation
    expected = (best - mean) * norm.cdf(z) + deviation * norm.pdf(z)
    np.testing.assert_allclose(np.exp(log_improvement(mean, deviation, best)[0]), expected)


def test_feasibility_is_the_probability() -> None:
    mean, deviation = np.array([0.3, -1.0, 2.0]), np.array([0.5, 1.0, 2.0])
    expected = norm.cdf((0.5 - mean) / deviation)
    np.testing.assert_allclose(np.exp(log_feasible(mean, deviation, 0.5)[0]), expected)


def front_of(k: int, n: int, seed: int) -> tuple[Floats, Floats]:
    points = np.random.default_rng(seed).random((n, k))
    return points[on_front(points)], np.full(k, 1.1)


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("n", [1, 6])
def test_boxes_are_disjoint_and_cover_what_is_not_dominated(k: int, n: int) -> None:
    front, reference = front_of(k, n, seed=k)
    lower, upper = boxes_of(front, reference)
    points = np.random.default_rng(0).uniform(-0.5, 1.1, (2000, k))
    inside = ((points[:, None] > lower) & (points[:, None] <= upper)).all(axis=2).sum(axis=1)
    dominated = np.array([bool((front <= point).all(axis=1).any()) for point in points])
    np.testing.assert_array_equal(inside, ~dominated)


@pytest.mark.parametrize("k", [2, 3])
def test_hypervolume_improvement_is_the_mean_of_samples(k: int) -> None:
    front, reference = front_of(k, 8, seed=3)
    rng = np.random.default_rng(1)
    means, deviations = rng.random((4, k)), rng.uniform(0.1, 0.4, (4, k))
    found = np.exp(log_hypervolume_improvement(means, deviations, *boxes_of(front, reference))[0])
    volume = hypervolume(front, reference)
    for row in range(4):
        samples = means[row] + deviations[row] * rng.standard_normal((4000, k))
        gains = [hypervolume(np.vstack((front, one)), reference) - volume for one in samples]
        error = np.std(gains) / np.sqrt(len(gains))
        assert abs(found[row] - np.mean(gains)) < 4 * error


def test_hypervolume_improvement_of_nothing_known_is_a_product() -> None:
    reference = np.array([1.0, 2.0])
    lower, upper = boxes_of(np.empty((0, 2)), reference)
    means, deviations = np.array([[0.3, 0.7]]), np.array([[0.5, 0.2]])
    found = log_hypervolume_improvement(means, deviations, lower, upper)[0]
    each = [
        log_improvement(means[:, at], deviations[:, at], float(reference[at]))[0] for at in (0, 1)
    ]
    assert found == pytest.approx(each[0] + each[1])


@pytest.mark.parametrize("far", [0.0, 5.0, 300.0])
def test_gradients_of_hypervolume_improvement_are_those_of_finite_differences(far: float) -> None:
    front, reference = front_of(3, 10, seed=0)
    boxes = boxes_of(front, reference)
    rng = np.random.default_rng(2)
    means, deviations = rng.random((5, 3)) + far, rng.uniform(0.1, 0.4, (5, 3))
    value, by_means, by_deviations = log_hypervolume_improvement(means, deviations, *boxes)
    assert np.isfinite(value).all()
    for at in range(3):
        step = np.zeros(3)
        step[at] = 1e-6
        ahead = log_hypervolume_improvement(means + step, deviations, *boxes)[0]
        back = log_hypervolume_improvement(means - step, deviations, *boxes)[0]
        np.testing.assert_allclose(by_means[:, at], (ahead - back) / 2e-6, rtol=1e-3)
        ahead = log_hypervolume_improvement(means, deviations + step, *boxes)[0]
        back = log_hypervolume_improvement(means, deviations - step, *boxes)[0]
        np.testing.assert_allclose(by_deviations[:, at], (ahead - back) / 2e-6, rtol=1e-3)
