"""QMCSampler: the points of a sequence, one for each trial."""

from __future__ import annotations

import asyncio
import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import ahpo
from ahpo import aio
from ahpo.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from ahpo.history.view import View
from ahpo.samplers import QMCSampler, RandomSampler, TPESampler
from ahpo.samplers.qmc import _BLOCK
from ahpo.states import TrialState
from tests.samplers.spaces import EVERY_KIND, of_every_kind
from tests.samplers.trials import Space, Trials

GOLDEN = Path(__file__).with_name("golden_qmc.csv")
SQUARE: Space = {"x": FloatDistribution(0.0, 1.0), "y": FloatDistribution(0.0, 1.0)}
KINDS = [(kind, scramble) for kind in ("sobol", "halton") for scramble in (False, True)]


def points(sampler: QMCSampler, n: int, space: Space = SQUARE) -> np.ndarray[Any, Any]:
    """Return the trials of a study without the first one, (n, d)."""
    found = Trials(space).run(sampler, lambda params: 0.0, n + 1)
    return np.array([list(params.values()) for params in found[1:]])


def test_the_type_is_checked() -> None:
    with pytest.raises(ValueError, match='`qmc_type` must be "sobol" or "halton", but it is \'no'):
        QMCSampler(qmc_type="no")


def test_scrambling_without_a_seed_warns() -> None:
    with pytest.warns(UserWarning, match="all of them need the same seed"):
        QMCSampler(scramble=True)
    QMCSampler(scramble=True, seed=1)
    QMCSampler(scramble=True, warn_asynchronous_seeding=False)
    QMCSampler()


@pytest.mark.parametrize(("kind", "scramble"), KINDS)
def test_points_are_those_of_the_sequence(kind: str, scramble: bool) -> None:
    engine = {"sobol": stats.qmc.Sobol, "halton": stats.qmc.Halton}[kind]
    expected = engine(2, scramble=scramble, seed=4).random(2 * _BLOCK)
    sampler = QMCSampler(qmc_type=kind, scramble=scramble, seed=4)
    assert points(sampler, 2 * _BLOCK) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(("kind", "scramble"), KINDS)
def test_points_are_uniform_and_more_even_than_random_ones(kind: str, scramble: bool) -> None:
    found = points(QMCSampler(qmc_type=kind, scramble=scramble, seed=9), 256)
    for axis in found.T:
        assert stats.kstest(axis, "uniform").statistic < 0.02  # 0.1 is usual of random ones
    random = Trials(SQUARE).run(RandomSampler(seed=9), lambda params: 0.0, 256)
    of_random = stats.qmc.discrepancy(np.array([list(params.values()) for params in random]))
    assert stats.qmc.discrepancy(found) < 0.1 * of_random


def test_every_kind_of_parameter_is_uniform_on_its_scale() -> None:
    space: Space = {
        "log": FloatDistribution(1e-4, 1e4, log=True),
        "int": IntDistribution(1, 8),
        "step": FloatDistribution(0.0, 1.0, step=0.25),
        "choice": CategoricalDistribution(("a", "b", "c", "d")),
    }
    found = Trials(space).run(QMCSampler(), lambda params: 0.0, 641)[1:]
    assert stats.kstest([math.log10(p["log"]) / 8 + 0.5 for p in found], "uniform").pvalue > 0.99
    for name, count in (("int", 8), ("step", 5), ("choice", 4)):
        _, counts = np.unique([p[name] for p in found], return_counts=True)
        assert len(counts) == count
        assert counts.min() > 0.9 * 640 / count


def test_trials_that_run_at_the_same_time_get_different_points() -> None:
    trials, sampler = Trials(SQUARE), QMCSampler()
    trials.run(sampler, lambda params: 0.0, 1)
    asked = [trials.ask(sampler) for _ in range(32)]
    for number in reversed(asked):
        trials.end(number, 0.0)
    found = [tuple(trials.params(number).values()) for number in asked]
    expected = stats.qmc.Sobol(2, scramble=False).random(32)
    assert np.array(found) == pytest.approx(expected)


def test_the_first_trials_of_a_batch_follow_the_one_that_runs() -> None:
    trials, sampler = Trials(SQUARE), QMCSampler()
    asked = [trials.ask(sampler) for _ in range(9)]
    found = [tuple(trials.params(number).values()) for number in asked[1:]]
    assert np.array(found) == pytest.approx(stats.qmc.Sobol(2, scramble=False).random(8))


def test_workers_with_one_seed_share_the_sequence() -> None:
    workers = [QMCSampler(seed=5, scramble=True) for _ in range(3)]
    trials = Trials(SQUARE)
    for number in range(33):
        trials.run(workers[number % 3], lambda params: 0.0, 1)
    found = [tuple(trials.params(number).values()) for number in range(1, 33)]
    assert np.array(found) == pytest.approx(points(QMCSampler(seed=5, scramble=True), 32))


def test_unseeded_scrambled_sequences_differ_and_stay_when_reseeded() -> None:
    one, other = (QMCSampler(scramble=True, warn_asynchronous_seeding=False) for _ in range(2))
    first = points(one, 8)
    assert not np.allclose(first, points(other, 8))
    one.reseed_rng()
    assert np.allclose(first, points(one, 8))


def test_a_resumed_study_goes_on_with_the_sequence() -> None:
    whole = Trials(EVERY_KIND).run(QMCSampler(seed=1), of_every_kind, 40)
    trials = Trials(EVERY_KIND)
    found = trials.run(QMCSampler(seed=1), of_every_kind, 13)
    trials.history.cache.clear()
    assert found + trials.run(QMCSampler(seed=1), of_every_kind, 27) == whole


def test_the_space_is_that_of_the_first_trial_that_did_not_fail() -> None:
    trials = Trials({**SQUARE, "z": FloatDistribution(0.0, 1.0)})
    sampler = QMCSampler()
    early = trials.start({"x": 0.5, "y": 0.5})
    trials.add({"z": 0.5}, state=TrialState.FAIL)
    trials.add({"x": 0.5, "z": 0.5}, 1.0)
    assert set(sampler.relative_space(View(trials.history))) == {"x", "z"}
    trials.end(early, state=TrialState.PRUNED)
    assert set(sampler.relative_space(View(trials.history))) == {"x", "y"}


def test_what_the_first_trial_lacked_is_sampled_independently_with_a_warning() -> None:
    trials = Trials(SQUARE)
    sampler = QMCSampler(independent_sampler=TPESampler(seed=1))
    trials.run(sampler, lambda params: 0.0, 2)
    trials.space = {**SQUARE, "z": FloatDistribution(0.0, 1.0)}
    with pytest.warns(UserWarning, match="'z' is sampled independently by TPESampler and not by Q"):
        trials.run(sampler, lambda params: 0.0, 1)
    silent = QMCSampler(warn_independent_sampling=False)
    assert set(trials.run(silent, lambda params: 0.0, 1)[0]) == {"x", "y", "z"}


@given(st.integers(0, 2**40), st.sampled_from(KINDS), st.integers(0, 3000))
def test_points_are_a_function_of_seed_and_number(
    seed: int, kind: tuple[str, bool], number: int
) -> None:
    def at(number: int, *before: int) -> dict[str, float]:
        trials = Trials(SQUARE)
        sampler = QMCSampler(qmc_type=kind[0], scramble=kind[1], seed=seed)
        view = View(trials.history)
        for other in before:
            sampler.propose_within(view, other, SQUARE)
        return sampler.propose_within(view, number, SQUARE)

    assert at(number) == at(number, 0, number + 300, number + 700, number)


def test_several_objectives_are_sampled_for() -> None:
    study = ahpo.create_study(directions=["minimize", "maximize"], sampler=QMCSampler())
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 0.0), n_trials=9)
    assert sorted(t.params["x"] for t in study.trials[1:]) == pytest.approx(np.arange(8) / 8)


def test_both_faces_suggest_the_same() -> None:
    def objective(trial: Any) -> float:
        return float(trial.suggest_float("x", 0, 1) + trial.suggest_int("n", 0, 9))

    async def asynchronously() -> list[dict[str, Any]]:
        study = await aio.create_study(sampler=QMCSampler(seed=8, scramble=True))
        await study.optimize(objective, n_trials=20)
        return [trial.params for trial in study.trials]

    study = ahpo.create_study(sampler=QMCSampler(seed=8, scramble=True))
    study.optimize(objective, n_trials=20)
    assert [trial.params for trial in study.trials] == asyncio.run(asynchronously())


def suggestions() -> list[list[str]]:
    """Return some suggestions for each kind, as text."""
    rows = []
    for kind, scramble in KINDS:
        sampler = QMCSampler(qmc_type=kind, scramble=scramble, seed=11)
        found = Trials(EVERY_KIND).run(sampler, of_every_kind, 31)
        for number in (0, 1, 2, 10, 30):
            values = [found[number][name] for name in EVERY_KIND]
            rows.append([kind, str(scramble), str(number), *map(str, values)])
    return rows


def test_seeded_suggestions_stay_as_they_are() -> None:
    with GOLDEN.open(newline="") as file:
        assert suggestions() == list(csv.reader(file))
