"""Run the rows of the speed table, each implementation in turn, and print the ratios.

python -m benchmarks.speed [--rows NAME ...] [--rounds N] [--impl NAME ...] [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from benchmarks.speed.report import Results, table
from benchmarks.speed.rows import ROWS, Row

ROOT = Path(__file__).parents[2]
IMPLS = ("ahpo", "optuna", "rustuna", "numpy")


def measure(row: Row, impl: str, *, quick: bool, timeout: float) -> dict[str, float] | str:
    """Run one measurement in a process of its own; return its figures, or why there are none."""
    arguments = {"impl": impl, **row.arguments, **row.by_impl.get(impl, {})}
    if quick:
        arguments |= row.quick
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        # One thread each, so that a peer's linear algebra does not compete with the other core.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    # An installed package has its byte code on disk; a checkout gets it at the first import.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "benchmarks.speed.measure", row.work, json.dumps(arguments)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return f"took longer than {timeout:.0f} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def write_byte_code() -> None:
    """Write the byte code of the checkout, as installing it does."""
    compileall.compile_dir(ROOT / "src", quiet=1)


def run(rows: list[Row], impls: list[str], rounds: int, *, quick: bool, timeout: float) -> Results:
    """Measure all rows `rounds` times, the implementations interleaved within each round."""
    results: Results = defaultdict(lambda: defaultdict(list))
    for number in range(rounds):
        for row in rows:
            for _ in range(row.repeats):
                for impl in row.impls:
                    if impl in impls:
                        results[row.name][impl].append(
                            measure(row, impl, quick=quick, timeout=timeout)
                        )
            print(f"round {number + 1}/{rounds}: {row.name}", file=sys.stderr, flush=True)
    return results


def main() -> int:
    """Parse the arguments, run, print; return 1 if a row misses its target at full size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--rows", nargs="+", default=[""], help="rows whose name starts so")
    parser.add_argument("--impl", nargs="+", default=list(IMPLS), choices=IMPLS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small sizes: targets say nothing")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds per measurement")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--list", action="store_true", help="list the rows and stop")
    options = parser.parse_args()
    rows = [row for row in ROWS if row.name.startswith(tuple(options.rows))]
    if options.list:
        print("\n".join(f"{row.name:28} {row.title}" for row in rows))
        return 0
    if not rows:
        parser.error(f"--rows {' '.join(options.rows)}: no row starts so; --list shows them")
    write_byte_code()
    results = run(rows, options.impl, options.rounds, quick=options.quick, timeout=options.timeout)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    text, missed = table(rows, results)
    print(text)
    return int(missed and not options.quick)


if __name__ == "__main__":
    sys.exit(main())
