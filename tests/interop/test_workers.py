"""Workers of both libraries run one study at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

import ahpo
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
