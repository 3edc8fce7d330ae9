"""Trials come out of the tables as they were written, in whatever order their rows lie there."""

from __future__ import annotations

import sqlite3
from math import inf
from pathlib import Path

import pytest

from ahpo.distributions import CategoricalDistribution, FloatDistribution
from ahpo.exceptions import StorageInternalError
from ahpo.history.facts import ParamSet, SystemAttrSet, UserAttrSet, ValueReported
from ahpo.history.records import FinishedTrial
from ahpo.storages.sql.sqlite import SQLiteBackend
from tests.storages.sql.peer import UNIT, Peer, completed, created, observed

pytestmark = pytest.mark.asyncio


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "study.db")


@pytest.fixture
def backend(path: str) -> SQLiteBackend:
    return SQLiteBackend(path)


async def study_of_two(backend: SQLiteBackend) -> Peer:
    """Write two trials by turns, each in an order that is no other one."""
    peer = await created(backend)
    choices = CategoricalDistribution((None, "a"))
    for number in (await peer.start(), await peer.start()):
        await peer.write(ParamSet(number, "z", 0.5, UNIT))
    for number in (1, 0):
        await peer.write(ParamSet(number, "m", 1.0, choices))
        await peer.write(UserAttrSet(number, "y", [number]))
        for step, value in ((3, 0.1), (1, inf), (2, -inf)):
            await peer.write(ValueReported(number, step, value))
    for number in (0, 1):
        await peer.write(ParamSet(number, "a", number / 3, FloatDistribution(0.0, 2.0)))
        await peer.write(UserAttrSet(number, "b", None), SystemAttrSet(number, "s", "t"))
        await peer.write(completed(number, 0.1 + number))
    return peer


async def test_what_workers_wrote_by_turns_is_read_in_the_order_of_each_trial(
    backend: SQLiteBackend,
) -> None:
    await study_of_two(backend)
    trials = await observed(backend)
    await backend.aclose()
    for number, trial in enumerate(trials):
        assert list(trial.params.items()) == [("z", 0.5), ("m", 1.0), ("a", number / 3)]
        assert list(trial.distributions) == ["z", "m", "a"]
        assert trial.distributions["m"] == CategoricalDistribution((None, "a"))
        assert trial.intermediate_values == {1: inf, 2: -inf, 3: 0.1}
        assert list(trial.user_attrs.items()) == [("y", [number]), ("b", None)]
        assert (trial.system_attrs, trial.values) == ({"s": "t"}, (0.1 + number,))
    assert trials[0].distributions is trials[1].distributions  # one for both, which saves memory


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE trial_intermediate_values SET intermediate_value_type = 'FINITE'",
        "UPDATE trial_values SET value = NULL, value_type = 'ODD'",
        "UPDATE trial_params SET distribution_json = '{'",
        "UPDATE trial_user_attributes SET value_json = '['",
        "UPDATE trials SET datetime_start = 'today'",
    ],
)
async def test_rows_without_a_meaning_are_one_error_and_leave_the_database_usable(
    path: str, damage: str
) -> None:
    backend = SQLiteBackend(path)
    peer = await study_of_two(backend)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(damage)
    connection.close()
    with pytest.raises(StorageInternalError, match="a trial that can not be read"):
        await observed(backend)
    # Rows were being read when it failed: nobody is kept from writing.
    assert await peer.start() == 2
    await backend.aclose()


async def test_many_trials_are_read_as_few_are(backend: SQLiteBackend) -> None:
    peer = await created(backend)
    await peer.create(*(_finished(number) for number in range(4500)))
    trials = await observed(backend)
    await backend.aclose()
    expected = [_finished(number) for number in range(4500)]
    assert [trial._replace(trial_id=0) for trial in trials] == expected


def _finished(number: int) -> FinishedTrial:
    end = completed(number, number / 7)
    params = {"x": number / 4500, "y": 0.25} if number % 3 else {"y": 0.5}
    return FinishedTrial(
        number=number,
        trial_id=0,
        state=end.state,
        values=end.values,
        params=params,
        distributions=dict.fromkeys(params, UNIT),
        intermediate_values={step: step / 3 for step in range(number % 4)},
        user_attrs={"n": number} if number % 5 == 0 else {},
        system_attrs={},
        started=end.at,
        completed=end.at,
    )
