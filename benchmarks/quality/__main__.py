"""Compare TPE's regret with that of Optuna's TPE, on the same tasks, instances and finishing order.

python -m benchmarks.quality [--impl ahpo] [--pending 1 8 32] [--seeds 10] [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.quality.cache import Cache
from benchmarks.quality.runs import CHECKPOINTS, Run, best_so_far, limit_of
from benchmarks.quality.score import Losses, geometric_mean, log_ratios
from benchmarks.quality.tasks import DIMENSIONS, FUNCTIONS, SKLEARN, bbob_names

RESULTS = Path(__file__).parents[1] / "results"
BUDGETS = (50, 100, 200)


def compute(runs: list[Run], cache: Cache | None, processes: int) -> dict[Run, list[float]]:
    """Carry the runs out, but for those that the cache knows; add what is new to the cache."""
    known = {run: curve for run in runs if cache and (curve := cache.get(run))}
    todo = [run for run in runs if run not in known]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for done, (run, curve) in enumerate(zip(todo, pool.map(best_so_far, todo), strict=True), 1):
            known[run] = curve
            if cache:
                cache.put(run, curve)
            if done % 20 == 0 or done == len(todo):
                print(f"{run.impl}: {done}/{len(todo)} runs", file=sys.stderr, flush=True)
                if cache:
                    cache.save()
    return known


def losses(curves: dict[Run, list[float]], pending: int) -> Losses:
    """Gather the curves of one number of pending trials by task, seeds in order."""
    by_task: dict[str, list[list[float]]] = defaultdict(list)
    for run in sorted(curves, key=lambda run: run.seed):
        if run.pending == pending:
            by_task[run.task].append(curves[run])
    return {task: np.array(rows) for task, rows in by_task.items()}


def report(mine: dict[Run, list[float]], theirs: dict[Run, list[float]], impl: str) -> str:
    """Write the Markdown table: one line for each number pending, kind of task and budget."""
    lines = [
        f"Regret of {impl}'s TPE / regret of Optuna's: geometric mean (95 % bootstrap interval).",
        "Below 1 is better than Optuna.",
        "",
        "| pending | tasks | " + " | ".join(f"{budget} trials" for budget in BUDGETS) + " |",
        "|" + " --- |" * (2 + len(BUDGETS)),
    ]
    for pending in sorted({run.pending for run in mine}):
        a, b = losses(mine, pending), losses(theirs, pending)
        kinds = {
            f"BBOB, {d} dimensions": [t for t in a if t.endswith(f"-d{d}")] for d in DIMENSIONS
        }
        kinds["BBOB, all"] = [task for task in a if task.startswith("bbob")]
        kinds["scikit-learn"] = [task for task in a if task in SKLEARN]
        kinds["**all**"] = list(a)
        for kind, tasks in kinds.items():
            cells = [_cell(a, b, tasks, budget) for budget in BUDGETS]
            if any(cells):
                lines.append(f"| {pending} | {kind} ({len(tasks)}) | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(mine: Losses, theirs: Losses, tasks: list[str], budget: int) -> str:
    at = CHECKPOINTS.index(budget)
    reach = [task for task in tasks if limit_of(task) >= budget and mine[task].shape[1] > at]
    if not reach:
        return ""
    mean, low, high = geometric_mean(log_ratios(mine, theirs, reach, budget))
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"


def main() -> int:
    """Parse the arguments, run or look up, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--impl", default="ahpo", help="what is compared with optuna")
    parser.add_argument("--pending", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--tasks", nargs="+", default=[""], help="tasks whose name starts so")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="four tasks, two seeds, one kind")
    parser.add_argument("--json", type=Path, help="write the curves of --impl to this file")
    options = parser.parse_args()
    # One thread for each process: the work is many small runs.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    names = [*bbob_names(FUNCTIONS, DIMENSIONS), *SKLEARN]
    if options.quick:
        names = [*bbob_names((1, 15), (2,)), *SKLEARN]
        options.seeds, options.pending = 2, [8]
    tasks = [name for name in names if name.startswith(tuple(options.tasks))]
    if not tasks:
        parser.error(f"--tasks {' '.join(options.tasks)}: none of {', '.join(names)} starts so")

    def runs_of(impl: str) -> list[Run]:
        seeds = range(options.seeds)
        return [Run(impl, t, p, s) for p in options.pending for t in tasks for s in seeds]

    peer = Cache(RESULTS / "quality_optuna.json", "optuna")
    mine = compute(runs_of(options.impl), None, options.processes)
    theirs = compute(runs_of("optuna"), peer, options.processes)
    if options.json:
        Cache.write(options.json, options.impl, mine)
    print(report(mine, theirs, options.impl))
    return 0


if __name__ == "__main__":
    sys.exit(main())
