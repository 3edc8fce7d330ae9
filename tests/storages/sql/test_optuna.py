"""Studies that ahpo writes are studies for Optuna, and the other way round."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from datetime import UTC, datetime
from math import inf, isnan, nan
from typing import Any

import optuna
import pytest

from ahpo.distributions import CategoricalDistribution, IntDistribution
from ahpo.history.facts import (
    ConstraintSet,
    ParamSet,
    StudyUserAttrSet,
    SystemAttrSet,
    TrialFinished,
    UserAttrSet,
    ValueReported,
)
from ahpo.states import TrialState
from ahpo.storages.exchange import Backend, Request, Seen, Start
from ahpo.testing.storage_handles import complete, waiting
from tests.storages.sql.conftest import Another
from tests.storages.sql.peer import NOW, UNIT, completed, created, observed, opened

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.usefixtures("quiet_optuna"),
]


@pytest.fixture
def theirs(optuna_url: str) -> Any:
    """Optuna's storage of the same database."""
    storage = optuna.storages.RDBStorage(optuna_url)
    yield storage
    storage.engine.dispose()


async def test_optuna_reads_what_we_wrote(backend: Backend, optuna_url: str) -> None:
    peer = await created(backend)
    number = await peer.start()
    await peer.write(
        ParamSet(number, "z", 0.5, UNIT),
        ParamSet(number, "c", 1.0, CategoricalDistribution(("a", None, True))),
        ParamSet(number, "n", 3.0, IntDistribution(0, 9)),
        ValueReported(number, 3, 1.0),
        ValueReported(number, 1, nan),
        ValueReported(number, 2, inf),
        UserAttrSet(number, "k", [1, None]),
        SystemAttrSet(number, "s", {"a": nan}),
        ConstraintSet(number, "c", 0.25),
        StudyUserAttrSet("u", "é"),
    )
    await peer.finish(number, -inf)
    await peer.create(waiting(system_attrs={"fixed_params": {"z": 0.25}}))
    study = optuna.load_study(study_name="study", storage=optuna_url)
    assert study.user_attrs == {"u": "é"}
    trial, queued = study.trials
    assert (trial.number, trial.state.name, trial.value) == (0, "COMPLETE", -inf)
    assert list(trial.params.items()) == [("z", 0.5), ("c", None), ("n", 3)]
    assert trial.distributions["n"] == optuna.distributions.IntDistribution(0, 9)
    assert isnan(trial.intermediate_values.pop(1))
    assert trial.intermediate_values == {3: 1.0, 2: inf}
    assert trial.user_attrs == {"k": [1, None]}
    assert trial.system_attrs["constraints:c"] == 0.25
    assert trial.datetime_start.timestamp() == NOW / 10**6
    assert (queued.state.name, queued.datetime_start) == ("WAITING", None)
    going_on = study.ask()
    assert (going_on.number, going_on.suggest_float("z", 0, 1)) == (1, 0.25)
    study.tell(going_on, 1.0)
    assert study.ask().number == 2


async def test_we_read_what_optuna_wrote(theirs: Any, backend: Backend) -> None:
    study = optuna.create_study(study_name="study", storage=theirs, direction="maximize")
    study.set_user_attr("u", [1, 2])
    before = time.time()

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 1e-3, 1.0, log=True)
        trial.suggest_categorical("c", ["a", None, 2.5])
        trial.suggest_int("n", 0, 8, step=2)
        for step, value in enumerate((0.5, inf, nan)):
            trial.report(value, step)
        trial.set_user_attr("k", {"a": 1})
        trial.set_constraint("c", -1.0)
        if trial.number == 1:
            raise optuna.TrialPruned
        return -inf if trial.number == 2 else x

    study.optimize(objective, n_trials=3)
    study.enqueue_trial({"x": 0.5})
    peer = await opened(backend)
    assert peer.link.directions == (2,)
    assert peer.user_attrs == {"u": [1, 2]}
    for expected, trial in zip(study.trials, peer.trials.values(), strict=True):
        assert trial.number == expected.number
        assert trial.trial_id == expected._trial_id
        assert trial.state.name == expected.state.name
        assert trial.values == (None if expected.values is None else tuple(expected.values))
        assert list(trial.params) == list(expected.params)
        for name, value in trial.params.items():
            assert trial.distributions[name].to_external_repr(value) == expected.params[name]
            assert repr(trial.distributions[name]) == repr(expected.distributions[name])
        assert str(trial.intermediate_values) == str(expected.intermediate_values)
        assert trial.user_attrs == expected.user_attrs
        assert trial.system_attrs == expected.system_attrs
    started = peer.trials[0].started
    assert started is not None
    assert before - 1 <= started / 10**6 <= time.time() + 1
    assert await peer.start() == 3
    wrong = peer.writes([ParamSet(3, "x", 1.0, IntDistribution(0, 1))])
    response = await peer.link.exchange(Request(wrong, Seen(-1, 0, {}, {}, {}, {})))
    assert isinstance(response.answers[0], ValueError)


async def test_optuna_with_a_cached_history_sees_all_that_we_add(
    theirs: Any, backend: Backend, another: Another
) -> None:
    study = optuna.create_study(study_name="study", storage=theirs)
    peer = await opened(backend)
    for _ in range(3):
        numbers = await peer.ask(*[Start(NOW, False)] * 3)
        asked = study.ask()
        assert asked.number == numbers[-1] + 1
        await peer.ask(*peer.writes(map(completed, numbers[:2])))
        study.tell(asked, 0.5)
        await peer.ask()
        assert peer.trials[asked.number].values == (0.5,)
        states = [trial.state.name for trial in study.trials[-4:]]
        assert states == ["COMPLETE", "COMPLETE", "RUNNING", "COMPLETE"]
    assert [trial.number for trial in study.trials] == list(range(12))
    assert [trial.number for trial in await observed(another())] == list(range(12))


_WORKER = """
import sys, optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.load_study(study_name="study", storage=sys.argv[1])
def objective(trial):
    trial.set_user_attr("by", "optuna")
    trial.report(0.5, 1)
    return trial.suggest_float("x", 0, 1)
study.optimize(objective, n_trials=25)
"""


async def test_processes_of_both_work_on_one_study(
    backend: Backend, another: Another, optuna_url: str
) -> None:
    peer = await created(backend)
    # What is waiting, Optuna may start twice on SQLite: so there is nothing.
    other = await opened(another())
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-c", _WORKER, optuna_url, stderr=subprocess.PIPE
    )
    try:
        n = 0
        while process.returncode is None or n < 10:
            n += 1
            for one in (peer, other):
                numbers = await one.ask(*[Start(NOW, False)] * 2)
                facts: list[Any] = [ParamSet(number, "x", 0.5, UNIT) for number in numbers]
                await one.ask(*one.writes([*facts, *map(completed, numbers)]))
                one.names.setdefault("x", UNIT)
            await asyncio.sleep(0.01)
        errors = (await process.communicate())[1].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors
    found = await observed(another())
    assert len(found) == 25 + 4 * n
    assert [trial.number for trial in found] == list(range(len(found)))
    assert sum(trial.user_attrs == {"by": "optuna"} for trial in found) == 25
    for one in (peer, other):
        await one.ask()
        for trial in found:
            known = one.trials[trial.number]
            assert (known.state, known.values) == (trial.state, trial.values)
            assert known == trial or trial.number in one.own
    study = optuna.load_study(study_name="study", storage=optuna_url)
    assert len(study.trials) == len(found)


async def test_each_heeds_the_leases_of_the_other(
    theirs: Any, optuna_url: str, backend: Backend
) -> None:
    study = optuna.create_study(study_name="study", storage=theirs)
    peer = await opened(backend)
    mine, stale = await peer.start(lease=True), await peer.start()
    watching = optuna.storages.RDBStorage(optuna_url, heartbeat_interval=60, grace_period=120)
    try:
        study_id = peer.link.study_id
        assert watching._get_stale_trial_ids(study_id) == []
        asked = study.ask()
        watching.record_heartbeat(asked._trial_id)
        await peer.ask()
        assert await peer.reap(120.0) == []
        assert await peer.reap(-120.0) == [mine, asked.number]
        assert study.trials[asked.number].state.name == "FAIL"
        await peer.ask(beat=[peer.trials[stale].trial_id])
        with watching.engine.begin() as connection:
            from sqlalchemy import text

            connection.execute(
                text("UPDATE trial_heartbeats SET heartbeat = :long_ago"),
                {"long_ago": datetime(2020, 1, 1, tzinfo=UTC).replace(tzinfo=None)},
            )
        assert watching._get_stale_trial_ids(study_id) == [peer.trials[stale].trial_id]
    finally:
        watching.engine.dispose()


async def test_optuna_opens_tables_that_we_made_and_we_those_that_it_made(
    backend: Backend, optuna_url: str, another: Another
) -> None:
    await created(backend)
    storage = optuna.storages.RDBStorage(optuna_url)
    assert storage.get_current_version() == storage.get_head_version()
    storage.engine.dispose()
    peer = await opened(another())
    await peer.create(complete())
    await peer.write(
        TrialFinished(await peer.start(), TrialState.FAIL, None, NOW),
    )
    study = optuna.load_study(study_name="study", storage=optuna_url)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL"]
