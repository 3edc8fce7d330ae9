"""Crossovers have the densities of their papers, and agree with a scalar form of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import beta, kstest, norm

from ahpo.samplers import nsgaii
from ahpo.samplers.nsgaii.crossover import BatchCrossover
from ahpo.study import create_study

Floats = np.ndarray

M = 4000
FAR = np.array([[-1e6, 1e6]] * 3)
LIKELY = 1e-4  # the seeds are fixed: what is less likely than that is an error


def children(
    crossover: BatchCrossover, parents: list[list[float]], bounds: Floats = FAR, seed: int = 0
) -> Floats:
    given = np.repeat(np.array(parents, dtype=float)[None], M, axis=0)
    return crossover.cross(given, np.random.default_rng(seed), bounds, several=True)


def fits(sample: Floats, cdf: Any) -> bool:
    return bool(kstest(sample, cdf).pvalue > LIKELY)


# -- densities ------------------------------------------------------------------------------


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.5, 1.0])
def test_uniform_crossover_swaps_with_its_probability(probability: float) -> None:
    found = children(nsgaii.UniformCrossover(probability), [[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]])
    assert set(np.unique(np.abs(found))) == {1.0, 2.0, 3.0}
    share = (found > 0).mean(axis=0)
    assert np.abs(share - probability).max() <= 4 * np.sqrt(probability * (1 - probability) / M)
    if 0 < probability < 1:  # each parameter for itself
        assert np.abs(np.corrcoef((found > 0).T) - np.eye(3)).max() < 0.08


def test_blx_alpha_is_uniform_in_the_larger_box() -> None:
    found = children(nsgaii.BLXAlphaCrossover(alpha=0.25), [[0.0, 2.0, 5.0], [4.0, 1.0, 5.0]])
    assert fits(found[:, 0], lambda x: (x + 1.0) / 6.0)
    assert fits(found[:, 1], lambda x: (x - 0.75) / 1.5)
    assert (found[:, 2] == 5.0).all()


def sbx_spread_cdf(eta: float) -> Any:
    """Return the distribution of the spread factor (Deb and Agrawal 1995, eq. 7 and 8)."""

    def cdf(b: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return np.where(b <= 1, 0.5 * b ** (eta + 1), 1 - 0.5 * b ** -(eta + 1.0))

    return cdf


@pytest.mark.parametrize("eta", [0.0, 2.0, 20.0])
def test_sbx_has_the_spread_of_the_paper_and_keeps_the_mean(eta: float) -> None:
    crossover = nsgaii.SBXCrossover(eta, use_child_gene_prob=1.0)
    found = children(crossover, [[1.0, 5.0, -1.0], [3.0, 1.0, -2.0]], FAR * 1e6)
    middle, half = np.array([2.0, 3.0, -1.5]), np.array([1.0, 2.0, 0.5])
    spread = (found - middle) / half
    for column in spread.T:
        assert fits(np.abs(column), sbx_spread_cdf(eta))
        assert abs(np.sign(column).mean()) < 4 / np.sqrt(M)


def test_sbx_stays_within_the_bounds() -> None:
    bounds = np.array([[0.0, 1.0]] * 3)
    crossover = nsgaii.SBXCrossover(0.5, use_child_gene_prob=1.0)
    found = children(crossover, [[0.0, 0.5, 0.2], [0.9, 1.0, 0.2]], bounds)
    assert found.min() >= 0.0 and found.max() <= 1.0
    assert (found[:, 2] == 0.2).all()


@pytest.mark.parametrize("kind", [nsgaii.SBXCrossover, nsgaii.VSBXCrossover])
def test_parents_genes_are_used_as_often_as_asked_for(kind: Any) -> None:
    found = children(kind(use_child_gene_prob=0.3), [[1.0, 5.0, -1.0], [3.0, 1.0, -2.0]])
    of_parents = (found == [1.0, 5.0, -1.0]) | (found == [3.0, 1.0, -2.0])
    assert np.abs(of_parents.mean(axis=0) - 0.7).max() < 4 * np.sqrt(0.21 / M)


@pytest.mark.parametrize("kind", [nsgaii.SBXCrossover, nsgaii.VSBXCrossover])
@pytest.mark.parametrize("probability", [0.0, 0.1, 0.9, 1.0])
def test_a_child_mixes_both_parents_as_much_as_asked_for(kind: Any, probability: float) -> None:
    crossover = kind(uniform_crossover_prob=probability, use_child_gene_prob=1e-9)
    found = children(crossover, [[0.0] * 3, [1.0] * 3])
    changes = (found[:, 0] != found[:, 1]).mean()
    wanted = 2 * probability * (1 - probability)
    assert abs(changes - wanted) < 5 * np.sqrt(max(wanted, 1e-9) / M)
    assert abs(found[:, 0].mean() - 0.5) < 4 * 0.5 / np.sqrt(M)


def test_eta_depends_on_the_number_of_objectives_by_default() -> None:
    one = create_study(study_name="one")
    two = create_study(study_name="two", directions=["minimize", "minimize"])
    pair, bounds = np.array([[0.0] * 50, [1.0] * 50]), np.array([[-9.0, 9.0]] * 50)
    for kind in (nsgaii.SBXCrossover, nsgaii.VSBXCrossover):
        for study, eta in ((one, 2.0), (two, 20.0)):
            found = kind().crossover(pair, np.random.RandomState(1), study, bounds)
            again = kind(eta).crossover(pair, np.random.RandomState(1), study, bounds)
            assert (found == again).all()


def naive_vsbx(x: Floats, y: Floats, u: Floats, first: bool, second: bool, eta: float) -> Any:
    """Return both children by the formulas of Ballester and Carter 2003, one gene at a time."""
    ones, others = [], []
    for a, b, at in zip(x, y, u, strict=True):
        one = (1 / (2 * at)) ** (1 / (eta + 1))
        two = (1 / (2 * (1 - at))) ** (1 / (eta + 1))
        ones.append(((1 + one) * a + (1 - two) * b if first else (1 - one) * a + (1 + two) * b) / 2)
        c, d = (3 - one, -(1 - two)) if second else (-(1 - one), 3 - two)
        others.append((c * a + d * b) / 2)
    return ones, others


def test_vsbx_agrees_with_its_formulas() -> None:
    parents = np.random.default_rng(5).normal(size=(40, 2, 3))
    crossover = nsgaii.VSBXCrossover(eta=3.0)
    rng, same = np.random.default_rng(7), np.random.default_rng(7)
    ones, others = crossover._pair(parents[:, 0], parents[:, 1], rng, FAR, 3.0)
    u = same.random((40, 3))
    half = same.random((2, 40, 1)) <= 0.5
    for row in range(40):
        x, y = parents[row]
        wanted = naive_vsbx(x, y, u[row], half[0, row, 0], half[1, row, 0], 3.0)
        assert np.allclose(ones[row], wanted[0]) and np.allclose(others[row], wanted[1])


def test_spx_is_uniform_in_the_larger_simplex() -> None:
    parents = [[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]
    for epsilon in (None, 1.0, 3.0):
        found = children(nsgaii.SPXCrossover(epsilon), parents, FAR[:2])
        center = np.mean(parents, axis=0)
        corners = center + (2.0 if epsilon is None else epsilon) * (np.array(parents) - center)
        system = np.vstack([corners.T, np.ones(3)])
        weights = np.linalg.solve(system, np.vstack([found.T, np.ones(M)]))
        assert weights.min() > -1e-9
        for weight in weights:  # Dirichlet(1, 1, 1)
            assert fits(weight, beta(1, 2).cdf)
        assert np.allclose(found.mean(axis=0), center, atol=0.2)


def test_undx_is_normal_along_the_parents_and_across() -> None:
    parents = [[1.0, 0.0, 0.0], [3.0, 0.0, 0.0], [2.0, 0.0, 3.0]]
    found = children(nsgaii.UNDXCrossover(), parents)
    assert fits(found[:, 0], norm(2.0, 0.5 * 2.0).cdf)
    for column in (1, 2):
        assert fits(found[:, column], norm(0.0, 0.35 / np.sqrt(3) * 3.0).cdf)
    narrow = children(nsgaii.UNDXCrossover(sigma_xi=0.1, sigma_eta=0.0), parents)
    assert fits(narrow[:, 0], norm(2.0, 0.2).cdf)
    assert (narrow[:, 1:] == 0.0).all()


def test_undx_of_equal_parents_is_spread_by_the_third() -> None:
    found = children(nsgaii.UNDXCrossover(sigma_eta=1.0), [[1.0, 1.0], [1.0, 1.0], [1.0, 3.0]])
    assert fits(found[:, 0], norm(1.0, 2.0).cdf)


# -- what is documented ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nsgaii.UniformCrossover(1.5), r"`swapping_prob` must be in \[0, 1\].* 1.5"),
        (lambda: nsgaii.SBXCrossover(eta=-1), "`eta` must not be negative, but it is -1"),
        (lambda: nsgaii.VSBXCrossover(eta=-0.5), "`eta` must not be negative"),
        (lambda: nsgaii.SBXCrossover(uniform_crossover_prob=-0.1), "`uniform_crossover_prob`"),
        (lambda: nsgaii.VSBXCrossover(use_child_gene_prob=0.0), "`use_child_gene_prob`.* 0.0"),
        (lambda: nsgaii.PolynomialMutation(-2.0), "`eta` must not be negative, but it is -2.0"),
    ],
)
def test_arguments_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("crossover", "n"),
    [
        (nsgaii.UniformCrossover(), 2),
        (nsgaii.BLXAlphaCrossover(), 2),
        (nsgaii.SBXCrossover(), 2),
        (nsgaii.VSBXCrossover(), 2),
        (nsgaii.SPXCrossover(), 3),
        (nsgaii.UNDXCrossover(), 3),
    ],
    ids=str,
)
def test_documented_method_gives_one_child(crossover: nsgaii.BaseCrossover, n: int) -> None:
    assert crossover.n_parents == n
    parents = np.random.default_rng(0).random((n, 4))
    bounds = np.array([[0.0, 1.0]] * 4)
    study = create_study()
    rng = np.random.RandomState(3)
    found = [crossover.crossover(parents, rng, study, bounds) for _ in range(2)]
    assert found[0].shape == (4,)
    assert (found[0] != found[1]).any()  # the generator is the caller's, and advances
    again = crossover.crossover(parents, np.random.RandomState(3), study, bounds)
    assert (again == found[0]).all()


# -- mutation -------------------------------------------------------------------------------


def naive_polynomial(y: float, u: float, low: float, high: float, eta: float) -> float:
    """Return what the C code of NSGA-II 1.1.6 does with one real variable."""
    power = 1.0 / (eta + 1.0)
    if u < 0.5:
        xy = 1.0 - (y - low) / (high - low)
        move = (2.0 * u + (1.0 - 2.0 * u) * xy ** (eta + 1.0)) ** power - 1.0
    else:
        xy = 1.0 - (high - y) / (high - low)
        move = 1.0 - (2.0 * (1.0 - u) + 2.0 * (u - 0.5) * xy ** (eta + 1.0)) ** power
    return min(max(y + move * (high - low), low), high)


@pytest.mark.parametrize("eta", [0.0, 1.0, 20.0])
def test_polynomial_mutation_agrees_with_the_code_of_its_authors(eta: float) -> None:
    bounds = np.array([[-1.0, 3.0]] * 300)
    params = np.linspace(-1.0, 3.0, 300)
    found = nsgaii.PolynomialMutation(eta).mutated(params, np.random.default_rng(2), bounds)
    u = np.random.default_rng(2).random(300)
    wanted = [naive_polynomial(y, at, -1.0, 3.0, eta) for y, at in zip(params, u, strict=True)]
    assert np.allclose(found, wanted)
    assert found.min() >= -1.0 and found.max() <= 3.0


def test_polynomial_mutation_moves_less_with_a_larger_eta() -> None:
    bounds = np.array([[0.0, 1.0]] * M)
    moves = [
        np.abs(
            nsgaii.PolynomialMutation(eta).mutated(
                np.full(M, 0.5), np.random.default_rng(0), bounds
            )
            - 0.5
        )
        for eta in (2.0, 20.0, 200.0)
    ]
    # In the middle of a wide range the move is 1 - (2 u)^(1 / (eta + 1)) with u uniform.
    assert moves[0].mean() > 3 * moves[1].mean() > 9 * moves[2].mean()
    study = create_study()
    one = nsgaii.PolynomialMutation().mutation(
        0.5, np.random.RandomState(0), study, np.array([0.0, 1.0])
    )
    assert 0.0 <= one <= 1.0 and one != 0.5
