"""Workers of both libraries run one study at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

import ahpo
from ahpo.engine.drive import drive
from tests.faults.program import Program
from tests.interop import told
from tests.interop.conftest import Place

WORKER = Path(__file__).with_name("worker.py")
N_ENQUEUED = 16
N_TRIALS = {"optuna": 20, "ahpo.aio": 30, "here": 15}
TOTAL = sum(N_TRIALS.values())


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """What lets workers begin when it exists."""
    return tmp_path / "gate"


def numbers_run(worker: Program) -> Iterator[int]:
    """Give the numbers of the trials that a worker runs, until it ends."""
    while True:
        try:
            yield int(worker.line())
        except EOFError:
            return


def run_all(place: Place, gate: Path, ours: Any, reader: Any) -> list[int]:
    """Let two processes and this one run trials, and return their numbers."""
    numbers: list[int] = []

    def objective(trial: ahpo.Trial) -> float:
        numbers.append(trial.number)
        trial.set_user_attr("by", "here")
        return trial.suggest_float("x", 0.0, 1.0)

    def worker(library: str) -> Program:
        return Program(WORKER, library, place.address, N_TRIALS[library], gate)

    with worker("optuna") as theirs, worker("ahpo.aio") as one_of_ours:
        assert [theirs.line(), one_of_ours.line()] == ["ready", "ready"]
        gate.touch()
        ours.optimize(objective, n_trials=N_TRIALS["here"])
        for process in (theirs, one_of_ours):
            for number in numbers_run(process):
                numbers.append(number)
                seen = [trial.number for trial in reader.get_trials(deepcopy=False)]
                assert seen == list(range(len(seen)))
                assert number in seen
        assert (theirs.wait(), one_of_ours.wait()) == (0, 0)
    return numbers


def test_each_trial_is_run_once_by_whichever_worker(place: Place, gate: Path) -> None:
    ours = ahpo.create_study(storage=place.ours(), study_name="study")
    ours.sampler = ahpo.samplers.RandomSampler()
    reader = optuna.load_study(study_name="study", storage=place.theirs())
    for n in range(N_ENQUEUED):
        (reader if n % 2 else ours).enqueue_trial({"x": n / N_ENQUEUED})
    numbers = run_all(place, gate, ours, reader)
    assert sorted(numbers) == list(range(TOTAL))
    trials = ours.trials
    assert [trial.number for trial in trials] == list(range(TOTAL))
    ids = [trial._trial_id for trial in trials]
    assert ids == sorted(set(ids))
    by = [trial.user_attrs["by"] for trial in trials]
    assert {library: by.count(library) for library in N_TRIALS} == N_TRIALS
    enqueued = [trial.params["x"] for trial in trials[:N_ENQUEUED]]
    assert enqueued == [n / N_ENQUEUED for n in range(N_ENQUEUED)]
    fresh = optuna.load_study(study_name="study", storage=place.theirs())
    again = ahpo.load_study(study_name="study", storage=place.ours())
    expected = told.of_study(fresh)["trials"]
    for study in (reader, again, ours):
        assert told.of_study(study)["trials"] == expected


def before_update(storage: Any, interfere: Callable[[], object]) -> None:
    """Call a function once, before the next state that Optuna writes, and after it has looked."""
    from sqlalchemy import event

    waiting = [interfere]

    def hook(*args: Any) -> None:
        if waiting and args[2].startswith("UPDATE trials SET state"):
            waiting.pop()()

    event.listen(storage.engine, "before_cursor_execute", hook)


@pytest.mark.parametrize("made_by", ["ahpo", "optuna"])
def test_trial_that_we_start_while_optuna_looks_is_ours(sqlite: Place, made_by: str) -> None:
    if made_by == "optuna":
        sqlite.theirs()
    ours = ahpo.create_study(storage=sqlite.ours(), study_name="study")
    storage = sqlite.theirs()
    theirs = optuna.load_study(study_name="study", storage=storage)
    for n in range(2):
        ours.enqueue_trial({"x": n})
    before_update(storage, ours.ask)
    assert theirs.ask().number == 1
    assert [trial.state.name for trial in ours.trials] == ["RUNNING"] * 2


def test_end_that_we_write_while_optuna_looks_stays(sqlite: Place) -> None:
    ours = ahpo.create_study(storage=sqlite.ours(), study_name="study")
    storage = sqlite.theirs()
    theirs = optuna.load_study(study_name="study", storage=storage)
    asked = theirs.ask()
    before_update(storage, lambda: ours.tell(asked.number, state=ahpo.trial.TrialState.FAIL))
    theirs.tell(asked, 1.0)
    assert [trial.state.name for trial in ours.trials] == ["FAIL"]
    assert told.of_study(theirs) == told.of_study(ours)


def test_database_that_can_not_be_written_is_read(sqlite: Place) -> None:
    theirs = optuna.create_study(storage=sqlite.theirs(), study_name="study")
    theirs.tell(theirs.ask(), 1.0)
    path = sqlite.address.removeprefix("sqlite:///")
    read_only = ahpo.storages.RDBStorage(f"sqlite:///file:{path}?mode=ro&uri=true")
    try:
        study = ahpo.load_study(study_name="study", storage=read_only)
        assert told.of_study(study) == told.of_study(theirs)
    finally:
        drive(read_only.aclose())
