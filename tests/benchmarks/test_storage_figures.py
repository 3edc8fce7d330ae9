"""The figures that the benchmark of the storages prints follow from its measurements."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.storages.counting import Counter
from benchmarks.storages.report import Results, judge, table
from benchmarks.storages.rows import ROWS, Row, Target

ROOT = Path(__file__).parents[2]


def row(*targets: Target) -> Row:
    return Row(name="r", storage="sqlite", title="a row", work="single:coroutines", targets=targets)


@pytest.mark.parametrize(
    ("target", "ahpo", "optuna", "reached", "enough"),
    [
        (Target(kind="faster", limit=20), {"rate": 600.0}, {"rate": 30.0}, "20.0x", True),
        (Target(kind="faster", limit=20), {"rate": 590.0}, {"rate": 30.0}, "19.7x", False),
        (Target(kind="faster", limit=10), {"seconds": 2.0}, {"seconds": 30.0}, "15.0x", True),
        (Target(kind="share", limit=0.8), {"share": 0.79}, {}, "79%", False),
        (Target(kind="right", limit=0), {"lost": 0, "doubled": 1}, {}, "1 wrong", False),
        (Target(kind="right", limit=0), {"lost": 0, "errors": 0}, {}, "0 wrong", True),
        (
            Target(kind="smaller", limit=0.25),
            {"peak_bytes": 3e8},
            {"peak_bytes": 1e9},
            "0.30 of the memory",
            False,
        ),
        (Target(kind="under", limit=0.01), {"seconds": 0.002}, {}, "2 ms", True),
        (Target(kind="faster", limit=20), "it raised", {"rate": 30.0}, "", None),
    ],
)
def test_a_row_is_judged_by_its_target(
    target: Target, ahpo: Any, optuna: Any, reached: str, enough: bool | None
) -> None:
    results: Results = {"r-sqlite": {"ahpo": [ahpo], "optuna": [optuna]}}
    got, _, verdict = judge(results, row(target), target)
    assert (got, verdict) == (reached, enough)


def test_growth_compares_with_the_row_it_names() -> None:
    target = Target(kind="growth", limit=2.0, of="small-sqlite")
    results: Results = {
        "r-sqlite": {"ahpo": [{"seconds": 0.4}, {"seconds": 0.3}]},
        "small-sqlite": {"ahpo": [{"seconds": 0.1}]},
    }
    assert judge(results, row(target), target)[::2] == ("grows 3.0x", False)


def test_the_table_tells_counts_errors_and_failures() -> None:
    told = {"rate": 10.0, "statements": 97.0, "commits": 25.0, "errors": 2, "first_error": "locked"}
    results: Results = {"r-sqlite": {"ahpo": ["it raised"], "optuna": [told]}}
    text, missed = table([row(Target(kind="faster", limit=20))], results)
    assert "97 / 25" in text and "2 errors" in text and "failed" in text
    assert "- r-sqlite, ahpo: it raised" in text and "- r-sqlite, optuna: locked" in text
    assert not missed


def test_names_of_rows_are_unique() -> None:
    assert len({one.key for one in ROWS}) == len(ROWS)


def test_sqlite_statements_and_commits_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "connect", sqlite3.connect)
    counter = Counter("ahpo", "sqlite", "")
    connection = sqlite3.connect(tmp_path / "file.db", isolation_level=None)
    connection.execute("create table t (a)")
    with counter.on():
        connection.execute("BEGIN")
        connection.executemany("insert into t values (?)", [(1,), (2,)])
        connection.execute("COMMIT")
    connection.execute("insert into t values (3)")
    connection.close()
    assert counter.per_trial(2) == {"statements": 1.0, "commits": 0.5}


def test_the_rows_can_be_listed() -> None:
    command = [sys.executable, "-m", "benchmarks.storages", "--list", "--storages", "journal"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "wait-100" in done.stdout and "sqlite" not in done.stdout
