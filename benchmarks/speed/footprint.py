"""Rows on what is paid without running anything: the import, and the memory of finished trials."""

from __future__ import annotations

import gc
import importlib
import time
import tracemalloc

from benchmarks.speed.work import SEED, load, suggest_mixed


def import_time(impl: str) -> dict[str, float]:
    """Time the first import of the package (or of numpy, on which it stands) in this process."""
    start = time.perf_counter()
    importlib.import_module(impl)
    return {"seconds": time.perf_counter() - start}


def memory(impl: str, *, trials: int) -> dict[str, float]:
    """Count the bytes that each finished trial keeps allocated, before anybody asks for trials."""
    module = load(impl)
    study = module.create_study(sampler=module.samplers.RandomSampler(seed=SEED))
    study.optimize(suggest_mixed, n_trials=50)
    gc.collect()
    tracemalloc.start()
    study.optimize(suggest_mixed, n_trials=trials)
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    return {"bytes": kept / trials}
