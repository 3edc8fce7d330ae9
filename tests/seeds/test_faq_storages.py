# ruff: noqa: UP032 (the documented lines are kept as they are)
"""The FAQ on storages: SQLite and journals, saving and resuming, several processes, heartbeats."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ahpo as optuna
from ahpo import aio
from ahpo.storages import RetryFailedTrialCallback
from ahpo.trial import TrialState

_ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be where the examples write their files, and close what they leave open."""
    monkeypatch.chdir(tmp_path)
    yield
    gc.collect()


def objective(trial):
    x = trial.suggest_float("x", -10, 10)
    if trial.number == 9:
        trial.study.stop()  # else the example would go on for ever
    return (x - 2) ** 2


async def objective_async(trial):
    x = trial.suggest_float("x", -10, 10)
    await asyncio.sleep(0)
    if trial.number == 9:
        trial.study.stop()
    return (x - 2) ** 2


# -- Can I use Optuna without remote RDB servers? -------------------------------------------------


def test_sqlite() -> None:
    """The state of the study is in the file."""
    study = optuna.create_study(study_name="foo_study", storage="sqlite:///example.db")
    study.optimize(objective)  # The state of `study` will be persisted to the local SQLite file.

    assert Path("example.db").is_file()
    loaded = optuna.load_study(study_name="foo_study", storage="sqlite:///example.db")
    assert len(loaded.trials) == 10
    assert loaded.trials == study.trials
    assert loaded.best_trial == study.best_trial


@pytest.mark.asyncio
async def test_sqlite_async() -> None:
    """So it is when coroutines write to it, and their trials are many at once."""
    storage = "sqlite:///example.db"
    async with aio.create_study(study_name="foo_study", storage=storage) as study:
        await study.optimize(objective_async)

    async with aio.load_study(study_name="foo_study", storage=storage) as loaded:
        assert len(loaded.trials) == 10
        assert loaded.trials == study.trials
        await loaded.optimize(objective_async, n_trials=40, n_jobs=20)
        assert [trial.number for trial in loaded.trials] == list(range(50))


# -- How can I save and resume studies? -----------------------------------------------------------


def test_saving_and_resuming_with_a_database(capsys) -> None:
    """The way of the tutorial: by name, with the sampler pickled beside it."""
    study_name = "example-study"  # Unique identifier of the study.
    storage_name = "sqlite:///{}.db".format(study_name)
    sampler = optuna.samplers.RandomSampler(seed=1)
    study = optuna.create_study(study_name=study_name, storage=storage_name, sampler=sampler)
    study.optimize(objective, n_trials=3)
    with open("sampler.pkl", "wb") as fout:
        pickle.dump(study.sampler, fout)

    with pytest.raises(optuna.exceptions.DuplicatedStudyError):
        optuna.create_study(study_name=study_name, storage=storage_name)

    with open("sampler.pkl", "rb") as fin:
        restored_sampler = pickle.load(fin)
    study = optuna.create_study(
        study_name=study_name, storage=storage_name, load_if_exists=True, sampler=restored_sampler
    )
    study.optimize(objective, n_trials=3)

    study = optuna.create_study(study_name=study_name, storage=storage_name, load_if_exists=True)
    df = study.trials_dataframe(attrs=("number", "value", "params", "state"))
    assert list(df.columns) == ["number", "value", "params_x", "state"]
    assert list(df["number"]) == list(range(6))
    print("Best params: ", study.best_params)
    print("Best value: ", study.best_value)
    assert capsys.readouterr().out == (
        f"Best params:  {study.best_trial.params}\nBest value:  {min(df['value'])}\n"
    )

    whole = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    whole.optimize(objective, n_trials=6)
    assert [t.params for t in study.trials] == [t.params for t in whole.trials]


@pytest.mark.asyncio
async def test_saving_and_resuming_with_a_database_async() -> None:
    """A study that is resumed time and again draws what it would have drawn without a break."""
    storage_name = "sqlite:///example-study.db"
    for _ in range(3):
        async with aio.create_study(
            study_name="example-study",
            storage=storage_name,
            load_if_exists=True,
            sampler=optuna.samplers.TPESampler(seed=1),
        ) as study:
            await study.optimize(objective_async, n_trials=5)

    whole = aio.create_study(sampler=optuna.samplers.TPESampler(seed=1))
    async with whole as study_in_memory:
        for _ in range(3):
            await study_in_memory.optimize(objective_async, n_trials=5)
    assert [t.params for t in study.trials] == [t.params for t in study_in_memory.trials]


# -- How can I use two GPUs? How can I parallelize optimization? ----------------------------------

_MAIN = """
import os
import ahpo as optuna

def objective(trial):
    x = trial.suggest_float("x", -10, 10)
    trial.set_user_attr("gpu", os.environ["CUDA_VISIBLE_DEVICES"])
    return (x - 2) ** 2

{storage}
study = optuna.create_study(study_name="parallel", storage=storage, load_if_exists=True)
study.optimize(objective, n_trials=10)
"""
_MAIN_ASYNC = """
import asyncio, os
from ahpo import aio as optuna

async def objective(trial):
    x = trial.suggest_float("x", -10, 10)
    trial.set_user_attr("gpu", os.environ["CUDA_VISIBLE_DEVICES"])
    return (x - 2) ** 2

async def main():
    {storage}
    async with optuna.create_study(
        study_name="parallel", storage=storage, load_if_exists=True
    ) as study:
        await study.optimize(objective, n_trials=10, n_jobs=5)

asyncio.run(main())
"""
_SQLITE = 'storage = "sqlite:///example.db"'
_JOURNAL = (
    "from ahpo.storages import JournalFileBackend, JournalStorage; "
    'storage = JournalStorage(JournalFileBackend("optuna-journal.log"))'
)


@pytest.mark.parametrize("main", [_MAIN, _MAIN_ASYNC], ids=["ahpo", "ahpo.aio"])
@pytest.mark.parametrize("storage", [_SQLITE, _JOURNAL], ids=["sqlite", "journal"])
def test_two_terminals(main: str, storage: str) -> None:
    """The same script runs in two processes, which begin at the same time, each on its GPU."""
    Path("main.py").write_text(main.format(storage=storage))
    path = os.pathsep.join([str(_ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    terminals = [
        subprocess.Popen(
            [sys.executable, "main.py"],
            env=os.environ | {"CUDA_VISIBLE_DEVICES": gpu, "PYTHONPATH": path},
            stderr=subprocess.PIPE,
            text=True,
        )
        for gpu in "01"
    ]
    for terminal in terminals:
        _, log = terminal.communicate(timeout=60)
        assert terminal.returncode == 0, log

    namespace: dict[str, Any] = {}
    exec(storage, namespace)
    study = optuna.load_study(study_name=None, storage=namespace["storage"])
    assert [trial.number for trial in study.trials] == list(range(20))
    assert sorted(trial.user_attrs["gpu"] for trial in study.trials) == ["0"] * 10 + ["1"] * 10
    assert all(trial.state is TrialState.COMPLETE for trial in study.trials)


# -- The error that occurs when performing parallel optimization with SQLite3 ---------------------


def test_sqlite_in_parallel() -> None:
    """The timeout is honoured, and threads get in each other's way no more than it takes."""
    storage = optuna.storages.RDBStorage(
        "sqlite:///example.db", engine_kwargs={"connect_args": {"timeout": 20.0}}
    )
    study = optuna.create_study(storage=storage)
    study.optimize(objective, n_trials=40, n_jobs=8)
    other = optuna.load_study(study_name=study.study_name, storage="sqlite:///example.db")
    assert len(other.trials) == len(study.trials) >= 10

    with pytest.raises(ValueError, match="'pool_timout'"):
        optuna.storages.RDBStorage("sqlite:///example.db", engine_kwargs={"pool_timout": 3})


def test_journal() -> None:
    """The older names stay, and say what they are called now."""
    from ahpo.storages import JournalFileStorage, JournalStorage

    with pytest.warns(FutureWarning, match="JournalFileBackend"):
        storage = JournalStorage(JournalFileStorage("optuna-journal.log"))
    study = optuna.create_study(storage=storage)
    study.optimize(objective)

    from ahpo.storages import JournalFileBackend

    storage = JournalStorage(JournalFileBackend("optuna-journal.log"))
    assert optuna.load_study(study_name=None, storage=storage).trials == study.trials


@pytest.mark.asyncio
async def test_journal_async() -> None:
    storage = aio.storages.JournalStorage(aio.storages.JournalFileBackend("optuna-journal.log"))
    async with aio.create_study(storage=storage) as study:
        await study.optimize(objective_async, n_jobs=5)
        name = study.study_name

    storage = aio.storages.JournalStorage(aio.storages.JournalFileBackend("optuna-journal.log"))
    async with aio.load_study(study_name=name, storage=storage) as loaded:
        assert loaded.trials == study.trials


# -- Can I monitor trials and make them failed automatically when they are killed unexpectedly? ---


def test_heartbeat() -> None:
    """Recording heartbeats does not get in the way, not even of a database in memory."""
    # Recording heartbeats every 60 seconds.
    # Other processes' trials where more than 120 seconds have passed
    # since the last heartbeat was recorded will be automatically failed.
    storage = optuna.storages.RDBStorage(
        url="sqlite:///:memory:", heartbeat_interval=60, grace_period=120
    )
    study = optuna.create_study(storage=storage)
    study.optimize(objective, n_trials=100)

    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 10
    assert storage.leases == (60, 120, asyncio.sleep)


_KILLED = """
import os, signal
import ahpo as optuna
study = optuna.create_study(study_name="foo_study", storage="sqlite:///example.db")

def objective(trial):
    trial.suggest_float("x", -10, 10)
    trial.should_prune()
    os.kill(os.getpid(), signal.SIGKILL)

study.optimize(objective)
"""


def killed() -> None:
    path = os.pathsep.join([str(_ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    ran = subprocess.run(
        [sys.executable, "-c", _KILLED], env=os.environ | {"PYTHONPATH": path}, capture_output=True
    )
    assert ran.returncode == -9


def retrying_storage() -> Any:
    # Recorded 60 seconds apart; the grace is over at once, so that the test need not wait.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        storage = optuna.storages.RDBStorage(
            url="sqlite:///example.db",
            heartbeat_interval=60,
            grace_period=1e-6,
            failed_trial_callback=RetryFailedTrialCallback(max_retry=3),
        )
    assert [warning.category for warning in caught] == [FutureWarning] * 2
    return storage


def test_heartbeat_with_retry() -> None:
    """A worker is killed; another one fails its trial, and runs it again with its parameters."""
    killed()
    study = optuna.create_study(
        study_name="foo_study", storage=retrying_storage(), load_if_exists=True
    )
    study.optimize(objective, n_trials=1)

    first, second = study.trials
    assert (first.state, second.state) == (TrialState.FAIL, TrialState.COMPLETE)
    assert first.params == second.params
    assert RetryFailedTrialCallback.retried_trial_number(second) == 0
    assert RetryFailedTrialCallback.retry_history(second) == [0]


@pytest.mark.asyncio
async def test_heartbeat_with_retry_async() -> None:
    """So it is with coroutines, and before the first ask, if one does not want to wait for it."""
    await asyncio.to_thread(killed)
    async with aio.load_study(study_name="foo_study", storage=retrying_storage()) as study:
        await aio.storages.fail_stale_trials(study)
        assert [t.state for t in study.trials] == [TrialState.FAIL, TrialState.WAITING]
        await study.optimize(objective_async, n_trials=1)

        first, second = study.trials
        assert second.state is TrialState.COMPLETE
        assert first.params == second.params
        assert RetryFailedTrialCallback.retry_history(second) == [0]
