"""The pruners decide as those of Optuna do, on the same reports in the same order."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import optuna
import pytest

from ahpo import pruners as ours
from ahpo.pruners.base import ArrayPruner
from ahpo.states import TrialState
from tests.pruners.plain_study import PlainStudy

theirs = optuna.pruners
Reports = list[tuple[int, float]]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Silence Optuna, and the warnings about its experimental classes and numpy's NaN."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def learning_curves(seed: int, n_trials: int, n_steps: int) -> list[Reports]:
    """Return curves with noise, ties, gaps, NaN, odd orders of steps and different lengths."""
    rng = np.random.default_rng(seed)
    curves: list[Reports] = []
    for _ in range(n_trials):
        steps = np.arange(rng.integers(1, n_steps + 1) if rng.random() < 0.2 else n_steps)
        steps = steps[rng.random(len(steps)) < rng.choice([0.6, 1.0, 1.0])]
        if rng.random() < 0.15:
            rng.shuffle(steps)
        level, speed = rng.normal(), rng.uniform(0.1, 2.0)
        values = level + 2.0 / (1.0 + speed * steps) + 0.1 * rng.normal(size=len(steps))
        if rng.random() < 0.5:
            values = np.round(values, 1)
        values[rng.random(len(steps)) < rng.choice([0.0, 0.0, 0.2])] = math.nan
        if rng.random() < 0.05:
            values[:] = math.nan
        curves.append([(int(s), float(v)) for s, v in zip(steps, values, strict=True)])
    return curves


def ends(seed: int, n_trials: int) -> list[str]:
    """Return how each trial ends if it is not pruned: mostly it is completed."""
    rng = np.random.default_rng(seed)
    return [
        str(end) for end in rng.choice(["COMPLETE", "FAIL", "PRUNED"], n_trials, p=[0.8, 0.1, 0.1])
    ]


def final_value(reports: Reports) -> float:
    """Return the last value that is a number."""
    numbers = [value for _, value in sorted(reports) if value == value]
    return numbers[-1] if numbers else 0.0


def in_optuna(
    pruner: Any, direction: str, curves: list[Reports], states: list[str], parallel: int
) -> list[Any]:
    """Return every decision of Optuna, and the system attributes of every trial at its end."""
    study = optuna.create_study(direction=direction, pruner=pruner, study_name="parity")
    log: list[Any] = []
    for first in range(0, len(curves), parallel):
        batch = [
            (study.ask(), curve, state)
            for curve, state in zip(
                curves[first : first + parallel], states[first : first + parallel], strict=True
            )
        ]
        pruned: set[int] = set()
        for place in range(max(len(curve) for _, curve, _ in batch)):
            for trial, curve, _ in batch:
                if place < len(curve) and trial.number not in pruned:
                    trial.report(curve[place][1], curve[place][0])
                    decision = trial.should_prune()
                    log.append(decision)
                    if decision:
                        pruned.add(trial.number)
        for trial, curve, state in batch:
            log.append(dict(study.trials[trial.number].system_attrs))
            if trial.number in pruned or state == "PRUNED":
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            elif state == "FAIL":
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, final_value(curve))
    return log


def in_ours(
    pruner: ArrayPruner, direction: str, curves: list[Reports], states: list[str], parallel: int
) -> list[Any]:
    """Return the same as `in_optuna`, of ours."""
    study = PlainStudy(direction, "parity")
    log: list[Any] = []
    for first in range(0, len(curves), parallel):
        batch = [
            (study.start(), curve, state)
            for curve, state in zip(
                curves[first : first + parallel], states[first : first + parallel], strict=True
            )
        ]
        pruned: set[int] = set()
        for place in range(max(len(curve) for _, curve, _ in batch)):
            for number, curve, _ in batch:
                if place < len(curve) and number not in pruned:
                    study.report(number, curve[place][0], curve[place][1])
                    decision = study.decide(pruner, number)
                    log.append(decision)
                    if decision:
                        pruned.add(number)
        for number, curve, state in batch:
            log.append(dict(study.open(number).system_attrs))
            if number in pruned or state == "PRUNED":
                study.finish(number, None, TrialState.PRUNED)
            elif state == "FAIL":
                study.finish(number, None, TrialState.FAIL)
            else:
                study.finish(number, final_value(curve))
    return log


SETTINGS: list[tuple[str, Callable[[Any], Any]]] = [
    ("nop", lambda p: p.NopPruner()),
    ("median", lambda p: p.MedianPruner()),
    ("median at once", lambda p: p.MedianPruner(0)),
    ("median warm-up", lambda p: p.MedianPruner(2, 4)),
    ("median interval", lambda p: p.MedianPruner(1, 2, 3)),
    ("median interval 1", lambda p: p.MedianPruner(1, 0, 5)),
    ("median min trials", lambda p: p.MedianPruner(1, 0, 1, n_min_trials=6)),
    ("percentile 25", lambda p: p.PercentilePruner(25.0, 3)),
    ("percentile 80", lambda p: p.PercentilePruner(80.0, 3, 1, 2, n_min_trials=2)),
    ("percentile 33.3", lambda p: p.PercentilePruner(33.3, 0)),
    ("percentile 0", lambda p: p.PercentilePruner(0.0, 2)),
    ("percentile 100", lambda p: p.PercentilePruner(100.0, 2)),
    ("patient", lambda p: p.PatientPruner(None, 2)),
    ("patient 0", lambda p: p.PatientPruner(None, 0, 0.3)),
    ("patient median", lambda p: p.PatientPruner(p.MedianPruner(1), 1, 0.05)),
    ("patient halving", lambda p: p.PatientPruner(p.SuccessiveHalvingPruner(1, 2), 1)),
    ("threshold", lambda p: p.ThresholdPruner(-1.0, 2.0)),
    ("threshold upper", lambda p: p.ThresholdPruner(None, 0.5, 3, 4)),
    ("threshold lower", lambda p: p.ThresholdPruner(0.5, interval_steps=3)),
    ("halving", lambda p: p.SuccessiveHalvingPruner()),
    ("halving 1 2", lambda p: p.SuccessiveHalvingPruner(1, 2)),
    ("halving 2 3 1", lambda p: p.SuccessiveHalvingPruner(2, 3, 1)),
    ("halving bootstrap", lambda p: p.SuccessiveHalvingPruner(1, 2, 0, 4)),
    ("hyperband", lambda p: p.HyperbandPruner()),
    ("hyperband 1 16 2", lambda p: p.HyperbandPruner(1, 16, 2)),
    ("hyperband 2 20 3", lambda p: p.HyperbandPruner(2, 20, 3)),
    ("hyperband bootstrap", lambda p: p.HyperbandPruner(1, 9, 3, 2)),
    ("hyperband no bracket", lambda p: p.HyperbandPruner(9, 2)),
    ("wilcoxon", lambda p: p.WilcoxonPruner()),
    ("wilcoxon 0.4 5", lambda p: p.WilcoxonPruner(p_threshold=0.4, n_startup_steps=5)),
    ("wilcoxon 1.0 0", lambda p: p.WilcoxonPruner(p_threshold=1.0, n_startup_steps=0)),
]


@pytest.mark.parametrize("parallel", [1, 7])
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize(("name", "make"), SETTINGS, ids=[name for name, _ in SETTINGS])
def test_every_decision_and_attribute_is_that_of_optuna(
    name: str, make: Callable[[Any], Any], direction: str, parallel: int
) -> None:
    """Curves with NaN, ties, gaps and steps out of order, in sequence and interleaved."""
    n_trials = 50
    curves = learning_curves(sum(name.encode()) + parallel, n_trials, 20)
    if "wilcoxon" in name:
        # No ties, for which scipy takes seconds a test; those are compared in another test.
        rng = np.random.default_rng(parallel)
        curves = [
            [(s, (v if v == v else 1.0) + 1e-6 * rng.normal()) for s, v in curve]
            for curve in curves
        ]
    states = ends(parallel, n_trials)
    expected = in_optuna(make(theirs), direction, curves, states, parallel)
    got = in_ours(make(ours), direction, curves, states, parallel)
    assert got == expected
    if name not in ("nop", "hyperband no bracket"):
        assert True in got and False in got
