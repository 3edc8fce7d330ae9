"""Databases of other versions of Optuna: what is refused, and how one goes on."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from sqlalchemy import create_engine, inspect, text

import ahpo
from ahpo import aio
from ahpo.engine.drive import drive
from tests.interop.conftest import Place
from tests.interop.places import their_url

WAYS: dict[str, Callable[[Any], Any]] = {
    "create": lambda storage: ahpo.create_study(study_name="new", storage=storage),
    "load": lambda storage: ahpo.load_study(study_name="study", storage=storage),
    "names": ahpo.get_all_study_names,
}


async def _created(storage: Any) -> Any:
    return await aio.create_study(study_name="new", storage=storage)


async def _loaded(storage: Any) -> Any:
    return await aio.load_study(study_name="study", storage=storage)


COROUTINES = {"create": _created, "load": _loaded, "names": aio.get_all_study_names}
STATES = {
    "older": ("v3.0.0.d", "older version of Optuna .*`optuna storage upgrade --storage"),
    "newer": ("v9.0.0.a", "newer than this program understands .*use a newer version of ahpo"),
}


def stamp(storage: Any, version: str) -> None:
    with storage.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})


@pytest.fixture
def theirs(database: Place) -> Any:
    """Optuna's storage, with a study in it."""
    storage = database.theirs()
    study = optuna.create_study(study_name="study", storage=storage)
    study.tell(study.ask(), 1.0)
    return storage


@pytest.mark.asyncio
@pytest.mark.parametrize("state", STATES)
async def test_other_version_is_refused_in_both_faces(
    database: Place, theirs: Any, state: str
) -> None:
    version, message = STATES[state]
    stamp(theirs, version)
    for name, way in WAYS.items():
        with pytest.raises(RuntimeError, match=message):
            way(database.ours())
        with pytest.raises(RuntimeError, match=message):
            await COROUTINES[name](database.ours())
    unchecked = database.ours(skip_compatibility_check=True)
    study = ahpo.load_study(study_name="study", storage=unchecked)
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=1)
    stamp(theirs, "v3.2.0.a")
    assert ahpo.load_study(study_name="study", storage=database.ours()).trials == study.trials


def test_refused_database_is_left_as_it_is(database: Place, theirs: Any) -> None:
    stamp(theirs, "v2.4.0.a")
    with theirs.engine.begin() as connection:
        connection.execute(text("DROP TABLE trial_heartbeats"))
    with pytest.raises(RuntimeError, match="older"):
        ahpo.get_all_study_names(database.ours())
    assert "trial_heartbeats" not in inspect(theirs.engine).get_table_names()


def test_command_that_the_error_says_upgrades(sqlite: Place) -> None:
    storage = sqlite.theirs()
    optuna.create_study(study_name="study", storage=storage)
    with storage.engine.begin() as connection:
        connection.execute(text("DROP INDEX ix_trials_study_id"))
    stamp(storage, "v3.0.0.d")
    with pytest.raises(RuntimeError) as refused:
        ahpo.get_all_study_names(sqlite.ours())
    found = re.search("`optuna (.*)`", str(refused.value))
    assert found is not None
    command = "import sys; from optuna.cli import main; sys.exit(main())"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", command, *shlex.split(found[1])],
        check=True,
        capture_output=True,
    )
    assert ahpo.get_all_study_names(sqlite.ours()) == ["study"]


@pytest.mark.parametrize("skip", [False, True])
def test_database_without_tables_is_only_filled_if_that_is_wanted(
    database: Place, skip: bool
) -> None:
    storage = database.ours(skip_table_creation=skip)
    if skip:
        with pytest.raises(ahpo.exceptions.StorageInternalError):
            ahpo.get_all_study_names(storage)
    else:
        assert ahpo.get_all_study_names(storage) == []
    drive(storage.aclose())
    engine = create_engine(their_url(database.address))
    assert ("trials" in inspect(engine).get_table_names()) is not skip
    engine.dispose()
