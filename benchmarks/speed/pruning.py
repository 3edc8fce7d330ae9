"""Rows on pruners: one call of `should_prune` in a study of many trials with many steps."""

from __future__ import annotations

import random
import time
from typing import Any

from benchmarks.speed.work import SEED, load

STEPS = 50
PRUNERS: dict[str, dict[str, Any]] = {
    "Median": {},
    "Percentile": {"percentile": 25.0},
    "Patient": {"wrapped_pruner": "Median", "patience": 3},
    "SuccessiveHalving": {},
    "Hyperband": {"max_resource": STEPS},
    "Threshold": {"upper": 100.0},
    "Wilcoxon": {},
    "Nop": {},
}


def _pruner(module: Any, name: str) -> Any:
    options = dict(PRUNERS[name])
    if inner := options.get("wrapped_pruner"):
        options["wrapped_pruner"] = _pruner(module, inner)
    return getattr(module.pruners, f"{name}Pruner")(**options)


def should_prune(impl: str, *, pruner: str, n: int, trials: int) -> dict[str, float]:
    """Time `should_prune` with `n` finished trials of 50 steps; seconds a call, report left out."""
    module = load(impl)
    study = module.create_study(
        sampler=module.samplers.RandomSampler(seed=SEED), pruner=_pruner(module, pruner)
    )
    rng = random.Random(SEED)
    factor = 3 if pruner == "Hyperband" else 4
    steps = [factor**rung for rung in range(5) if factor**rung <= STEPS]
    history = []
    for _ in range(n):
        level = rng.random()
        reported = {step: level + rng.random() / step for step in range(1, STEPS + 1)}
        # What the halving pruners would have recorded on the way, so that their rungs are full.
        rungs = {f"completed_rung_{rung}": reported[step] for rung, step in enumerate(steps)}
        history.append(
            module.create_trial(
                value=reported[STEPS], intermediate_values=reported, system_attrs=rungs
            )
        )
    study.add_trials(history)
    spent = 0.0
    for _ in range(trials + 1):
        trial = study.ask()
        elapsed = 0.0
        for step in range(1, STEPS + 1):
            trial.report(0.2 + rng.random() / step, step)
            start = time.perf_counter()
            trial.should_prune()
            elapsed += time.perf_counter() - start
        study.tell(trial, 0.5)
        spent += elapsed
        if history:  # the first trial warms up what is kept from call to call
            history.clear()
            spent = 0.0
    return {"seconds": spent / (trials * STEPS)}
