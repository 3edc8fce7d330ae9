"""Ctrl-C and SIGTERM in the middle of `optimize`: no trial is left running in the storage."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import ahpo
from ahpo.trial import TrialState
from tests.facade.storages.places import Place
from tests.faults.program import Program

# The objective goes on until the signal comes, at whatever of its steps.
_SCRIPT = """
import asyncio, sys, time, ahpo
from ahpo import aio
from tests.facade.storages.places import Place
kind, address, way = sys.argv[1:]
ahpo.logging.set_verbosity(ahpo.logging.ERROR)
storage = Place(kind, address).storage()
n_running = 0

def begin(trial):
    global n_running
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr("a", trial.number)
    n_running += 1
    if n_running == (1 if way == "inline" else 3):
        print("running")

def objective(trial):
    begin(trial)
    for step in range(10**6):
        trial.report(0.5, step)
        trial.should_prune()
        time.sleep(0.001)

async def awaited(trial):
    begin(trial)
    for step in range(10**6):
        trial.report(0.5, step)
        await trial.should_prune()
        await asyncio.sleep(0.001)

async def main():
    async with aio.load_study(study_name="study", storage=storage) as study:
        await study.optimize(awaited, n_jobs=3)

if way == "loop":
    asyncio.run(main())
else:
    study = ahpo.load_study(study_name="study", storage=storage)
    n_jobs = 1 if way == "inline" else 3
    study.optimize(awaited if way == "coroutines" else objective, n_jobs=n_jobs)
"""
_CASES = [
    *(("sqlite", way, "interrupt") for way in ("inline", "threads", "coroutines", "loop")),
    *(("sqlite", way, "terminate") for way in ("inline", "loop")),
    *((kind, "inline", "interrupt") for kind in ("postgresql", "mysql", "journal")),
]


@pytest.mark.parametrize(("kind", "way", "signal"), _CASES)
def test_a_signal_leaves_no_trial_running(
    kind: str, way: str, signal: str, place_of: Callable[[str], Place]
) -> None:
    place = place_of(kind)
    study = ahpo.create_study(study_name="study", storage=place.named())
    with Program(_SCRIPT, kind, place.address, way) as program:
        assert program.line() == "running"
        getattr(program, signal)()
        code = program.wait()

    assert code in ((130,) if signal == "interrupt" else (143,))
    trials = study.trials
    assert [trial.state for trial in trials] == [TrialState.FAIL] * (1 if way == "inline" else 3)
    for trial in trials:
        assert trial.user_attrs == {"a": trial.number} and trial.params
        assert trial.system_attrs["fail_reason"] in ("KeyboardInterrupt", "SIGTERM", "cancelled")
