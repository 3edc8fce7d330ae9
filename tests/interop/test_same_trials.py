"""What one library wrote the other reads, field by field."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from math import nan
from pathlib import Path
from typing import Any

import optuna
import pytest

import ahpo
from ahpo import aio
from tests.interop import told
from tests.interop.conftest import Place
from tests.interop.scripts import CHOICES, write_plain, write_several

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is not UTC, and is half an hour off the full one."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def check_same(place: Place) -> list[dict[str, Any]]:
    ours, theirs = told.read_by_us(place.ours()), told.read_by_optuna(place.theirs())
    assert ours[0] == theirs[0]
    for study, expected in zip(ours[1], theirs[1], strict=True):
        for trial, wanted in zip(study["trials"], expected["trials"], strict=True):
            assert trial == wanted
    assert ours == theirs
    return ours[1]


def test_we_read_what_optuna_wrote(place: Place) -> None:
    storage = place.theirs()
    write_plain(optuna, storage)
    write_several(optuna, storage)
    check_same(place)


def test_optuna_writes_into_tables_of_ours(sqlite: Place) -> None:
    ahpo.get_all_study_names(sqlite.ours())
    storage = sqlite.theirs()
    write_plain(optuna, storage)
    assert len(check_same(sqlite)[0]["trials"]) == 16


def test_optuna_reads_what_we_wrote(place: Place) -> None:
    storage = place.ours()
    write_plain(ahpo, storage)
    write_several(ahpo, storage)
    check_same(place)


async def write_by_coroutines(storage: ahpo.storages.BaseStorage) -> None:
    async with aio.create_study(
        storage=storage, study_name="coroutines", sampler=aio.samplers.TPESampler()
    ) as study:
        study.set_metric_names(["loss"])
        study.set_user_attr("k", [1])

        async def objective(trial: aio.Trial) -> float:
            x = trial.suggest_float("x", 1e-3, 1.0, log=True)
            trial.suggest_categorical("kind", CHOICES)
            for step in range(3):
                trial.report(x + step, step)
                if await trial.should_prune() and trial.number == 5:
                    raise aio.TrialPruned
            trial.set_constraint("c", x - 0.5)
            trial.set_user_attr("n", trial.number)
            if trial.number == 3:
                raise ZeroDivisionError
            return nan if trial.number == 4 else x

        await study.optimize(objective, n_trials=12, n_jobs=4, catch=ZeroDivisionError)
        await study.enqueue_trial({"x": 0.5}, user_attrs={"from": "the queue"})
        async with study.trial() as trial:
            trial.tell(trial.suggest_float("x", 1e-3, 1.0, log=True))
        asked = await study.ask()
        asked.suggest_int("n", 0, 5)
        await study.tell(asked, state=aio.trial.TrialState.PRUNED)
        await study.add_trials([aio.create_trial(value=1.0), aio.create_trial(value=2.0)])
        await study.enqueue_trial({"x": 0.25})


@pytest.mark.asyncio
async def test_optuna_reads_what_our_coroutines_wrote(place: Place) -> None:
    await write_by_coroutines(place.ours())
    (study,) = check_same(place)
    assert len(study["trials"]) == 17


@pytest.fixture(params=["sqlite", "journal"])
def from_4_9(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """What Optuna 4.9 wrote, in the time zone of these tests."""
    kind, path = request.param, tmp_path / "study"
    if kind == "journal":
        path.write_bytes((HERE / "optuna_4_9.journal").read_bytes())
    else:
        connection = sqlite3.connect(path)
        connection.executescript((HERE / "optuna_4_9.sql").read_text())
        connection.close()
    place = Place(kind, str(path) if kind == "journal" else f"sqlite:///{path}")
    yield place
    place.close()


def test_we_read_what_optuna_4_9_wrote(from_4_9: Place) -> None:
    (study,) = check_same(from_4_9)
    trials = study["trials"]
    states = ["COMPLETE", "PRUNED", "FAIL", "COMPLETE", "RUNNING", "WAITING"]
    assert [trial["state"] for trial in trials] == [*states, *["COMPLETE"] * 3]
    assert [trial["constraints"] == "[]" for trial in trials[:3]] == [False, False, True]
    if from_4_9.kind == "journal":  # its times are local ones; those in a database do not say
        assert str(trials[0]["datetime_start"]).startswith("2026-11-22 07:53:4")


def test_study_of_optuna_4_9_goes_on_with_both(from_4_9: Place) -> None:
    ours = ahpo.load_study(study_name="from 4.9", storage=from_4_9.ours())
    theirs = optuna.load_study(study_name="from 4.9", storage=from_4_9.theirs())
    for study, number, value in ((ours, 5, -0.5), (theirs, 9, 0.5), (ours, 10, 0.25)):
        trial = study.ask()
        assert trial.number == number
        trial.suggest_float("x", -1.0, 1.0)
        trial.suggest_int("step int", 0, 8, step=2)
        study.tell(trial, value)
    check_same(from_4_9)
