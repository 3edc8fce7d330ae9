"""Who shares a storage, or a trial's number, finds what others were told is there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import ahpo
from ahpo import aio
from ahpo.distributions import FloatDistribution
from ahpo.storages import RDBStorage


def test_a_storage_in_memory_outlives_the_block_of_a_study() -> None:
    storage = RDBStorage("sqlite:///:memory:")

    async def main() -> tuple[int, int]:
        async with aio.create_study(storage=storage, study_name="first") as study:
            await study.optimize(lambda trial: 1.0, n_trials=3)
        async with aio.create_study(storage=storage, study_name="second") as study:
            await study.optimize(lambda trial: 1.0, n_trials=2)
        async with aio.load_study(storage=storage, study_name="first") as study:
            await study.optimize(lambda trial: 1.0, n_trials=1)
            n_first = len(study.get_trials())
        return n_first, len(ahpo.load_study(storage=storage, study_name="second").trials)

    assert asyncio.run(main()) == (4, 2)


def test_parameters_that_ask_has_suggested_are_there_for_whoever_gets_the_number(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = ahpo.create_study(storage=url, study_name="study")
    other = ahpo.load_study(storage=url, study_name="study")
    for _ in range(5):
        trial = study.ask({"x": FloatDistribution(0, 1)})
        told = other.tell(trial.number, 1.0)
        assert told.params == trial.params and "x" in told.params


def test_settings_of_the_session_reach_postgresql(postgresql_url: str) -> None:
    settings = {"server_settings": {"application_name": "settings of ours"}}
    storage = RDBStorage(postgresql_url, engine_kwargs={"connect_args": settings})
    ahpo.create_study(storage=storage)
    psycopg2 = pytest.importorskip("psycopg2")
    connection = psycopg2.connect(postgresql_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s",
            ("settings of ours",),
        )
        assert cursor.fetchone()[0] >= 1
    connection.close()
