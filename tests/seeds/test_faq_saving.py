# ruff: noqa: UP032 (the FAQ's own lines are kept as they are)
"""The FAQ on keeping things: studies by joblib and pickle, models per trial, fewer log lines."""

from __future__ import annotations

import asyncio
import pickle
import re
import subprocess
import sys
from pathlib import Path

import joblib
import pytest
import sklearn.svm
from sklearn.metrics import accuracy_score

import ahpo as optuna
from ahpo import aio
from ahpo.trial import TrialState


def parabola(trial):
    x = trial.suggest_float("x", -100, 100)
    return (x - 2) ** 2


async def parabola_async(trial):
    x = trial.suggest_float("x", -100, 100)
    await asyncio.sleep(0)
    return (x - 2) ** 2


def test_save_and_resume_with_joblib(tmp_path, monkeypatch, capsys) -> None:
    """A dumped study holds its trials, sampler and attributes, and goes on after loading."""
    monkeypatch.chdir(tmp_path)

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=3))
    study.optimize(parabola, n_trials=15)
    study.set_user_attr("made by", "the FAQ")
    joblib.dump(study, "study.pkl")
    saved = study

    study = joblib.load("study.pkl")
    print("Best trial until now:")
    print(" Value: ", study.best_trial.value)
    print(" Params: ")
    for key, value in study.best_trial.params.items():
        print(f" {key}: {value}")

    assert capsys.readouterr().out == (
        f"Best trial until now:\n Value:  {saved.best_value}\n"
        f" Params: \n x: {saved.best_params['x']}\n"
    )
    assert study.trials == saved.trials
    assert study.study_name == saved.study_name
    assert study.user_attrs == {"made by": "the FAQ"}
    study.optimize(parabola, n_trials=15)
    assert [t.number for t in study.trials] == list(range(30))
    assert len(saved.trials) == 15


@pytest.mark.asyncio
async def test_save_and_resume_with_joblib_async(tmp_path) -> None:
    """An async study is dumped and resumed like a sync one."""
    async with aio.create_study() as saved:
        await saved.optimize(parabola_async, n_trials=15, n_jobs=3)
    await asyncio.to_thread(joblib.dump, saved, tmp_path / "study.pkl")

    async with await asyncio.to_thread(joblib.load, tmp_path / "study.pkl") as study:
        assert study.trials == saved.trials
        await study.optimize(parabola_async, n_trials=15, n_jobs=3)
    assert [t.number for t in study.trials] == list(range(30))
    assert study.best_value <= saved.best_value


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_save_and_resume_with_pickle(protocol: int) -> None:
    """A pickled study draws, once loaded, what it would have drawn without the break."""
    whole = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=5))
    whole.optimize(parabola, n_trials=10)

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=5))
    study.optimize(parabola, n_trials=4)
    study = pickle.loads(pickle.dumps(study, protocol))
    study.optimize(parabola, n_trials=6)

    assert [t.params for t in study.trials] == [t.params for t in whole.trials]


def test_suppressed_log_messages(log_lines) -> None:
    """Below WARNING nothing is logged about a trial that went well."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    study.optimize(parabola, n_trials=3)
    # Logs like '[I 2020-07-21 13:41:45,627] Trial 0 finished with value:...' are disabled.

    assert optuna.logging.get_verbosity() == optuna.logging.WARNING
    assert log_lines("INFO") == []

    optuna.logging.set_verbosity(optuna.logging.INFO)
    study.optimize(parabola, n_trials=1)
    best = study.best_trial
    assert log_lines("INFO") == [
        f"Trial 3 finished with value: {study.trials[3].value} and parameters: "
        f"{study.trials[3].params}. Best is trial {best.number} with value: {best.value}."
    ]


@pytest.mark.asyncio
async def test_suppressed_log_messages_async(log_lines) -> None:
    """Verbosity holds for both faces, and both write the same lines."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    async with aio.create_study() as study:
        await study.optimize(parabola_async, n_trials=3)
        assert log_lines("INFO") == []

        optuna.logging.set_verbosity(optuna.logging.INFO)
        await study.optimize(parabola_async, n_trials=1)
    best = study.best_trial
    assert log_lines("INFO") == [
        f"Trial 3 finished with value: {study.trials[3].value} and parameters: "
        f"{study.trials[3].params}. Best is trial {best.number} with value: {best.value}."
    ]


def test_log_line_on_stderr() -> None:
    """A line starts with its level and time in brackets, and goes to standard error."""
    script = """
import ahpo as optuna
study = optuna.create_study(study_name="named")
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout == ""
    created, finished = ran.stderr.splitlines()
    stamp = r"\[I \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] "
    assert re.fullmatch(stamp + "A new study created in memory with name: named", created)
    assert re.match(stamp + "Trial 0 finished with value: ", finished)


def test_save_models(tmp_path, monkeypatch, iris_split) -> None:
    """A model saved under its trial's number is found again by the best trial's number."""
    monkeypatch.chdir(tmp_path)
    X_train, X_valid, y_train, y_valid = iris_split

    def objective(trial):
        svc_c = trial.suggest_float("svc_c", 1e-10, 1e10, log=True)
        clf = sklearn.svm.SVC(C=svc_c)
        clf.fit(X_train, y_train)

        # Save a trained model to a file.
        with open("{}.pickle".format(trial.number), "wb") as fout:
            pickle.dump(clf, fout)
        return 1.0 - accuracy_score(y_valid, clf.predict(X_valid))

    study = optuna.create_study()
    study.optimize(objective, n_trials=100)

    # Load the best model.
    with open("{}.pickle".format(study.best_trial.number), "rb") as fin:
        best_clf = pickle.load(fin)

    assert len(list(tmp_path.glob("*.pickle"))) == 100
    assert best_clf.C == study.best_params["svc_c"]
    assert 1.0 - accuracy_score(y_valid, best_clf.predict(X_valid)) == study.best_value
    assert study.best_value < 0.1
    assert all(1e-10 <= t.params["svc_c"] <= 1e10 for t in study.trials)


@pytest.mark.asyncio
async def test_save_models_async(tmp_path: Path, iris_split) -> None:
    """Coroutines train in threads, and their numbers keep the files of ten at once apart."""
    X_train, X_valid, y_train, y_valid = iris_split

    def train_and_save(svc_c, path):
        clf = sklearn.svm.SVC(C=svc_c)
        clf.fit(X_train, y_train)
        path.write_bytes(pickle.dumps(clf))
        return 1.0 - accuracy_score(y_valid, clf.predict(X_valid))

    async def objective(trial):
        svc_c = trial.suggest_float("svc_c", 1e-10, 1e10, log=True)
        path = tmp_path / f"{trial.number}.pickle"
        return await asyncio.to_thread(train_and_save, svc_c, path)

    async with aio.create_study() as study:
        await study.optimize(objective, n_trials=40, n_jobs=10)

    for t in study.trials:
        assert t.state == TrialState.COMPLETE
        clf = pickle.loads((tmp_path / f"{t.number}.pickle").read_bytes())
        assert clf.C == t.params["svc_c"]
    assert study.best_value < 0.1
