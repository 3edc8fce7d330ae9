"""Run the rows of the table of storages, each implementation in turn, and print the ratios.

python -m benchmarks.storages [--quick] [--rows a,b] [--storages sqlite,postgresql] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from benchmarks.speed.__main__ import write_byte_code
from benchmarks.storages.large import large_study
from benchmarks.storages.places import STORAGES, Places
from benchmarks.storages.report import Figures, Results, table
from benchmarks.storages.rows import OPTUNA_OPENING, ROWS, Row
from tests.servers.places import MissingServer

ROOT = Path(__file__).parents[2]
IMPLS = ("ahpo", "optuna")


def measure(row: Row, impl: str, places: Places, *, quick: bool, timeout: float) -> Figures | str:
    """Run one measurement in a process of its own; return its figures, or why there are none."""
    try:
        place = places.take(row.storage)
    except MissingServer as error:
        return str(error)
    arguments = {"impl": impl, "storage": row.storage, "place": place}
    arguments |= row.arguments | row.by_impl.get(impl, {})
    if quick:
        arguments |= row.quick | row.quick_by_impl.get(impl, {})
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "benchmarks.storages.measure", row.work, json.dumps(arguments)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return f"took longer than {timeout:.0f} s"
    finally:
        places.give_back(row.storage, place)
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def run(rows: list[Row], options: argparse.Namespace) -> Results:
    """Measure all rows in each of the rounds, the implementations in turn."""
    results: Results = defaultdict(lambda: defaultdict(list))
    with Places() as places:
        for number in range(options.rounds):
            for row in rows:
                for impl in row.impls:
                    if impl not in options.impl:
                        continue
                    if (impl, row.name, options.optuna_opening) == ("optuna", "open", "cached"):
                        figures: Figures | str = OPTUNA_OPENING[row.storage]
                    else:
                        quick, timeout = options.quick, options.timeout
                        figures = measure(row, impl, places, quick=quick, timeout=timeout)
                    results[row.key][impl].append(figures)
                    print(f"round {number + 1}, {row.key}, {impl}: {figures}", file=sys.stderr)
    return results


def make_large_studies(rows: list[Row], *, quick: bool) -> None:
    """Make the files that the rows open, unless an earlier run has."""
    sizes = {
        (row.storage, (row.quick if quick else row.arguments)["n"])
        for row in rows
        if row.work.startswith("opening:")
    }
    for storage, n in sorted(sizes):
        large_study(storage, n)


def main() -> int:
    """Parse the arguments, run, print; return 1 if a row misses its target at full size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storages", description=__doc__)
    parser.add_argument("--rows", help="names of rows, separated by commas (see --list)")
    parser.add_argument("--storages", help=f"some of {','.join(STORAGES)}")
    parser.add_argument("--impl", nargs="+", default=list(IMPLS), choices=IMPLS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="small sizes: targets say nothing")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds per measurement")
    parser.add_argument(
        "--optuna-opening",
        choices=("run", "cached"),
        default="run",
        help="cached: do not have Optuna open the large study, which takes it minutes",
    )
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--list", action="store_true", help="list the rows and stop")
    options = parser.parse_args()
    names = options.rows.split(",") if options.rows else [row.name for row in ROWS]
    storages = options.storages.split(",") if options.storages else STORAGES
    rows = [row for row in ROWS if row.name in names and row.storage in storages]
    if options.list:
        print("\n".join(f"{row.name:14} {row.storage:11} {row.title}" for row in rows))
        return 0
    if not rows:
        parser.error("there is no such row on such a storage; --list shows them")
    write_byte_code()
    make_large_studies(rows, quick=options.quick)
    before = os.getloadavg()[0]
    results = run(rows, options)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    text, missed = table(rows, results)
    print(f"Best of {options.rounds} rounds on {os.cpu_count()} cores; ", end="")
    print(f"load {before:.1f} before and {os.getloadavg()[0]:.1f} after.\n\n{text}")
    return int(missed and not options.quick)


if __name__ == "__main__":
    sys.exit(main())
