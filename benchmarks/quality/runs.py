"""One run: TPE on one task, with a number of trials pending that finish out of order."""

from __future__ import annotations

import heapq
import importlib
import random
import warnings
from typing import Any, NamedTuple

from benchmarks.quality.tasks import loss_of

EVALUATIONS = 200
CHECKPOINTS = (1, 10, 50, 100, 200)


class Run(NamedTuple):
    """Which run it is: everything that it depends on."""

    impl: str
    task: str
    pending: int
    seed: int


def best_so_far(run: Run) -> list[float]:
    """Minimize by ask and tell; return the best loss after each of CHECKPOINTS finished trials.

    Of `run.pending` trials at a time the one that finishes first is told and replaced. How long a
    trial takes depends on seed and number alone, so that all implementations see the same order.
    """
    warnings.simplefilter("ignore")
    module: Any = importlib.import_module(run.impl)
    module.logging.set_verbosity(module.logging.ERROR)
    loss = loss_of(run.task, run.seed)
    study = module.create_study(sampler=module.samplers.TPESampler(seed=run.seed))
    evaluations = limit_of(run.task)
    durations = random.Random(f"{run.task} {run.seed}")
    working: list[tuple[float, int, Any, float]] = []
    now, asked, best = 0.0, 0, float("inf")
    curve: list[float] = []
    for finished in range(1, evaluations + 1):
        while len(working) < run.pending and asked < evaluations:
            trial = study.ask()
            value = loss(trial)
            heapq.heappush(working, (now + durations.lognormvariate(0, 0.5), asked, trial, value))
            asked += 1
        now, _, trial, value = heapq.heappop(working)
        study.tell(trial, value)
        best = min(best, value)
        if finished in CHECKPOINTS:
            curve.append(best)
    return curve


def limit_of(task: str) -> int:
    """Return how many trials a run of the task has: models cost more than formulas."""
    return EVALUATIONS if task.startswith("bbob") else 100
