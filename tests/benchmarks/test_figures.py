"""The figures that the benchmarks print follow from their measurements as they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.score import geometric_mean, log_ratios
from benchmarks.speed.report import Results, judge, table
from benchmarks.speed.rows import Row, Target

ROOT = Path(__file__).parents[2]


def row(*targets: Target) -> Row:
    return Row(name="r", title="a row", work="sampling:tpe", targets=targets)


def measured(ahpo: dict[str, float] | str, optuna: dict[str, float] | str) -> Results:
    return {"r": {"ahpo": [ahpo], "optuna": [optuna]}}


@pytest.mark.parametrize(
    ("target", "ahpo", "optuna", "reached", "enough"),
    [
        (Target(kind="faster", limit=8), {"seconds": 0.5}, {"seconds": 4.0}, "8.0x", True),
        (Target(kind="faster", limit=9), {"seconds": 0.5}, {"seconds": 4.0}, "8.0x", False),
        (Target(kind="smaller", limit=0.25), {"bytes": 300}, {"bytes": 1000}, "0.30", False),
        (Target(kind="share", limit=0.9), {"share": 0.95}, {"share": 0.3}, "95.0%", True),
        (Target(kind="above", limit=0.04), {"seconds": 0.2}, {"seconds": 0.17}, "+30 ms", True),
        (Target(kind="peak", limit=500), {"peak_bytes": 6e8}, {}, "600 MB", False),
        (Target(kind="faster", limit=8), "it raised", {"seconds": 4.0}, "", None),
    ],
)
def test_a_row_is_judged_by_its_target(
    target: Target,
    ahpo: dict[str, float] | str,
    optuna: dict[str, float] | str,
    reached: str,
    enough: bool | None,
) -> None:
    got, _, verdict = judge(measured(ahpo, optuna), row(target), target)
    assert (got, verdict) == (reached, enough)


def test_growth_compares_with_the_row_it_names() -> None:
    target = Target(kind="growth", limit=3.0, peer="small")
    results: Results = {
        "r": {"ahpo": [{"seconds": 0.4}, {"seconds": 0.3}]},
        "small": {"ahpo": [{"seconds": 0.1}]},
    }
    assert judge(results, row(target), target) == ("grows 3.00x", "<= 3x small", True)


def test_the_table_says_why_a_measurement_failed() -> None:
    target = Target(kind="faster", limit=8)
    text, missed = table([row(target)], measured("ValueError: no", {"seconds": 1.0}))
    assert "- r, ahpo: ValueError: no" in text
    assert not missed


def test_equal_losses_give_a_ratio_of_one() -> None:
    losses = {
        "bbob-f1-d2": np.full((3, 5), 0.5),
        "sklearn-svr": np.linspace(9, 1, 15).reshape(3, 5),
    }
    assert geometric_mean(log_ratios(losses, losses, list(losses), 50)) == (1.0, 1.0, 1.0)


def test_the_geometric_mean_weighs_tasks_alike() -> None:
    theirs = {"bbob-f1-d2": np.full((4, 5), 8.0), "bbob-f2-d2": np.full((4, 5), 1e-3)}
    mine = {"bbob-f1-d2": theirs["bbob-f1-d2"] / 4, "bbob-f2-d2": theirs["bbob-f2-d2"]}
    mean, low, high = geometric_mean(log_ratios(mine, theirs, list(mine), 200))
    assert mean == pytest.approx(0.5)
    assert low == pytest.approx(0.25)
    assert high == pytest.approx(1.0)


def test_one_command_measures_and_compares() -> None:
    words = "-m benchmarks.speed --quick --rounds 1 --rows random --impl ahpo optuna".split()
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("| RandomSampler"))
    assert "failed" not in line
    assert "x" in line.split("|")[4]
