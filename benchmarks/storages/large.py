"""A study of many trials on disk, made once and kept for later runs."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.speed.work import SEED, _Draw, load, mixed_distributions, suggest_mixed
from benchmarks.storages.places import storage_of

__all__ = ("NAME", "STEPS", "large_study")

NAME = "large"
STEPS = 20
_VERSION = 1
_CHUNK = 5_000


def large_study(storage: str, n: int) -> Path:
    """Return a file with `n` trials of ten parameters and twenty reports, to be copied."""
    folder = Path(tempfile.gettempdir()) / f"ahpo-benchmark-{_VERSION}"
    folder.mkdir(exist_ok=True)
    path = folder / f"{n}.{storage}"
    if not path.exists():
        unfinished = path.with_suffix(f".{os.getpid()}")
        (_fill_sqlite if storage == "sqlite" else _fill_journal)(unfinished, n)
        unfinished.rename(path)
    return path


def _drawn(n: int) -> Any:
    rng = random.Random(SEED)
    for _ in range(n):
        draw = _Draw(rng)
        value = suggest_mixed(draw)
        yield draw.params, {step: value + rng.random() / (step + 1) for step in range(STEPS)}, value


def _fill_sqlite(path: Path, n: int) -> None:
    module = load("ahpo")
    at = storage_of(module, "sqlite", str(path))
    study = module.create_study(study_name=NAME, storage=at)
    distributions = mixed_distributions(module)
    trials = [
        module.create_trial(
            value=value, params=params, distributions=distributions, intermediate_values=reported
        )
        for params, reported, value in _drawn(n)
    ]
    for first in range(0, n, _CHUNK):
        study.add_trials(trials[first : first + _CHUNK])
    asyncio.run(at.aclose())
    # One file without a log beside it, which can be renamed and copied.
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    connection.close()


def _fill_journal(path: Path, n: int) -> None:
    """Write the lines that workers would have written, trial after trial."""
    from ahpo.history.facts import ParamSet, ValueReported
    from ahpo.states import StudyDirection, TrialState
    from ahpo.storages.journal.records import Writer

    module = load("ahpo")
    distributions = mixed_distributions(module)
    writer = Writer("benchmark-0")
    start, second = 1_700_000_000_000_000, 1_000_000
    with open(path, "w") as file:
        print(writer.create_study(NAME, [StudyDirection.MINIMIZE]), file=file)
        for number, (params, reported, value) in enumerate(_drawn(n)):
            at = start + number * second
            print(writer.create_trial(0, at, lease=False), file=file)
            for name, distribution in distributions.items():
                internal = distribution.to_internal_repr(params[name])
                fact = ParamSet(number, name, internal, distribution)
                print(writer.fact(fact, number, 0), file=file)
            for step, told in reported.items():
                print(writer.fact(ValueReported(number, step, told), number, 0), file=file)
            ended = writer.finish(number, TrialState.COMPLETE, [value], at + second)
            print(ended, file=file)
