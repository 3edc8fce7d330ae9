"""Processes that fork with a study open, and that end without closing it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ahpo.states import TrialState
from tests.faults.program import Program
from tests.outages.checking import files, opened, place_of

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=["sqlite", "postgresql", "journal"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    kind = {"sqlite": "sqlite:///", "journal": "journal:"}[request.param]
    return f"{kind}{tmp_path}/file"


START = """
import asyncio, os, sys, threading, time
import ahpo
from tests.outages.checking import place_of
ahpo.logging.set_verbosity(ahpo.logging.ERROR)
storage = place_of(sys.argv[1])
"""

FORK = (
    START
    + """
from ahpo.engine.drive import drive

def objective(trial):
    trial.set_user_attr("pid", os.getpid())
    return trial.suggest_float("x", 0, 1)

study = ahpo.create_study(study_name="study", storage=storage)
study.optimize(objective, n_trials=2)
asked = study.ask()
to_child, to_parent = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    study.optimize(objective, n_trials=3)
    os.write(to_parent[1], b"x")
    os.read(to_child[0], 1)
    # The parent has closed its connections: what is written now must not go with them.
    study.optimize(objective, n_trials=3)
    if sys.argv[2] == "os._exit":
        os._exit(0)
    sys.exit(0)
study.optimize(objective, n_trials=3)
os.read(to_parent[0], 1)
study.tell(asked, 0.5)
drive(storage.aclose())
os.write(to_child[1], b"x")
assert os.waitpid(child, 0)[1] == 0
study.optimize(objective, n_trials=2)
numbers = [trial.number for trial in study.trials]
assert numbers == list(range(14)), numbers
pids = [trial.user_attrs.get("pid") for trial in study.trials]
print(pids.count(os.getpid()), pids.count(child), len(pids))
"""
)

MULTIPROCESSING = (
    START
    + """
import multiprocessing

def work(study):
    trial = study.ask()
    study.tell(trial, trial.suggest_float("x", 0, 1))
    open_trial = study.ask()
    open_trial.set_user_attr("k", trial.number)  # the last thing that it does

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    study = ahpo.create_study(study_name="study", storage=storage)
    work(study)
    children = [context.Process(target=work, args=(study,)) for _ in range(3)]
    for child in children:
        child.start()
    work(study)
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 3
    trials = study.trials
    assert [trial.number for trial in trials] == list(range(10))
    told = {trial.number for trial in trials if trial.state.name == "COMPLETE"}
    kept = {trial.user_attrs["k"] for trial in trials if trial.state.name == "RUNNING"}
    print(told == kept, len(kept))
"""
)


@pytest.mark.parametrize("end", ["os._exit", "sys.exit"])
async def test_parent_and_child_go_on_with_the_same_study(url: str, end: str) -> None:
    with Program(FORK, url, end) as program:
        assert program.line() == "7 6 14"
        assert program.wait() == 0


async def test_children_of_multiprocessing_go_on_with_the_same_study(url: str) -> None:
    with Program(MULTIPROCESSING, url) as program:
        assert program.line() == "True 5"
        assert program.wait() == 0


LAST = """
def ask():
    study = ahpo.create_study(study_name="study", storage=storage)
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr("k", 1)
    print("recorded", flush=True)
    return study

"""
ENDS = {
    "end of script": "study = ask()",
    "sys.exit": "study = ask(); sys.exit(3)",
    "exception": "sys.stderr = open(os.devnull, 'w'); study = ask(); 1 / 0",
    "in a function": "ask()",
    "thread that goes on": "threading.Thread(target=lambda: (time.sleep(0.2), ask())).start()",
    "async": """
async def main():
    study = await ahpo.aio.create_study(study_name="study", storage=storage)
    trial = await study.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr("k", 1)
    print("recorded", flush=True)
import ahpo.aio
asyncio.run(main())
""",
}


@pytest.mark.parametrize("end", ENDS)
async def test_process_that_ends_without_closing_loses_nothing_and_does_not_hang(
    url: str, end: str, tmp_path: Path
) -> None:
    with Program(START + LAST + ENDS[end], url) as program:
        assert program.line() == "recorded"
        since = time.monotonic()
        assert program.wait() == {"sys.exit": 3, "exception": 1}.get(end, 0)
        # A second on a quiet machine; here others may be at work.
        assert time.monotonic() - since < 5.0
    assert files(tmp_path, "*.lock") == []
    storage = place_of(url)
    (trial,) = (await opened(storage)).trials
    assert (trial.state, list(trial.params), trial.user_attrs) == (
        TrialState.RUNNING,
        ["x"],
        {"k": 1},
    )
    await storage.aclose()
