"""Processes of Optuna and ours share a journal, and none of them notices."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from ahpo.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from ahpo.history.facts import ParamSet, TrialFact, TrialFinished, UserAttrSet, ValueReported
from ahpo.states import TrialState
from ahpo.storages.exchange import Reap, Start
from ahpo.storages.journal import JournalBackend, JournalFileBackend
from tests.storages.journal.store import MINIMIZE, NOW, WAITING, TellingStore, told

_OPTUNA = """
import sys, warnings
warnings.simplefilter("error")
import optuna
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
optuna.logging.set_verbosity(optuna.logging.ERROR)
path, n_trials = sys.argv[1], int(sys.argv[2])
lock = JournalFileOpenLock(path) if sys.argv[3:] else None
storage = optuna.storages.JournalStorage(JournalFileBackend(path, lock_obj=lock))
study = optuna.load_study(
    study_name="study", storage=storage, sampler=optuna.samplers.RandomSampler()
)

def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    n = trial.suggest_int("n", 1, 9, log=True)
    c = trial.suggest_categorical("c", ["a", None, 2])
    for step in range(3):
        trial.report(x, step)
    trial.set_user_attr("by", "optuna")
    return x

study.optimize(objective, n_trials=n_trials)
numbers = [trial.number for trial in study.trials]
assert numbers == list(range(len(numbers))), numbers
"""

X, N = FloatDistribution(0.0, 1.0), IntDistribution(1, 9, log=True)
C = CategoricalDistribution(("a", None, 2))


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "journal.log")


@pytest.fixture(autouse=True)
def strict_optuna(quiet_optuna: None) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def run_optuna(path: str, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _OPTUNA, path, "20", *more])


def optunas_study(path: str) -> optuna.Study:
    backend = optuna.storages.journal.JournalFileBackend(path)
    return optuna.load_study(study_name="study", storage=optuna.storages.JournalStorage(backend))


async def opened(path: str) -> TellingStore:
    return TellingStore(await JournalBackend(JournalFileBackend(path)).open_study("study"))


async def run_one(store: TellingStore, number: int) -> int:
    """Run a trial as a worker does, and return the number of the next one."""
    facts: list[TrialFact] = [
        ParamSet(number, "x", 0.5, X),
        ParamSet(number, "n", 3.0, N),
        ParamSet(number, "c", 1.0, C),
        UserAttrSet(number, "by", "us"),
    ]
    trial_id = store.trials[number].trial_id
    await store.exchange(*map(store.write, facts), durable=False, beat=[trial_id])
    await store.exchange(store.write(ValueReported(number, 1, 0.5)), durable=False)
    end = store.write(TrialFinished(number, TrialState.COMPLETE, (0.5,), NOW))
    refused, following = await store.exchange(end, Start(NOW, True))
    assert refused is None
    assert isinstance(following, int)
    return following


@pytest.mark.asyncio
async def test_workers_of_optuna_and_ours_share_a_study_at_the_same_time(path: str) -> None:
    await JournalBackend(JournalFileBackend(path)).create_study("study", MINIMIZE)
    store = await opened(path)
    await store.create(*[WAITING._replace(system_attrs={"fixed_params": {"x": 0.25}})] * 8)
    reader = optunas_study(path)  # it has been open all the time
    workers = [run_optuna(path), run_optuna(path, "with an open lock")]
    number, ours = await store.start(lease=True), 0
    while any(worker.poll() is None for worker in workers):
        number, ours = await run_one(store, number), ours + 1
    assert [worker.wait() for worker in workers] == [0, 0]
    trials = await store.refresh()
    by = [trial.user_attrs.get("by") for trial in trials]
    assert (by.count("optuna"), by.count("us"), by.count(None)) == (40, ours, 1)
    assert told(await (await opened(path)).refresh()) == told(trials)
    for study in (reader, optunas_study(path)):
        seen = study.get_trials(deepcopy=False)
        assert [trial.number for trial in seen] == [trial.number for trial in trials]
        for theirs, trial in zip(seen, trials, strict=True):
            assert theirs.state.name == trial.state.name
            assert theirs.user_attrs == trial.user_attrs
            assert theirs.intermediate_values == trial.intermediate_values
            assert theirs.params == {
                name: kind.to_external_repr(trial.params[name])
                for name, kind in trial.distributions.items()
            }


@pytest.mark.asyncio
async def test_optuna_goes_on_with_a_study_of_ours_and_we_with_its(path: str) -> None:
    await JournalBackend(JournalFileBackend(path)).create_study("study", MINIMIZE)
    store = await opened(path)
    await run_one(store, await store.start(lease=True))
    study = optunas_study(path)
    study.enqueue_trial({"x": 0.75}, user_attrs={"k": 1})
    assert await store.start() == 2
    assert store.trials[2].system_attrs == {"fixed_params": {"x": 0.75}}
    study.tell(2, 1.5)
    study.set_user_attr("u", [1])
    trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    await store.refresh()
    assert store.trials[2].values == (1.5,)
    assert store.user_attrs == {"u": [1]}
    assert store.trials[3].params == {"x": trial.params["x"]}
    assert study.best_value == 0.5


@pytest.mark.asyncio
async def test_reaped_trial_is_a_failed_one_to_optuna(path: str) -> None:
    now = 0.0
    backend = JournalBackend(JournalFileBackend(path), lambda: now)
    store = TellingStore(await backend.create_study("study", MINIMIZE))
    await store.start(lease=True)
    now = 60.0
    assert await store.one(Reap(60.0, NOW, "its process died")) == [0]
    (trial,) = optunas_study(path).trials
    assert trial.state is optuna.trial.TrialState.FAIL
    assert trial.system_attrs == {"fail_reason": "its process died"}
