"""What others run is followed at a bounded cost: ends at once, contents a hundred at a time."""

from __future__ import annotations

import asyncio

import pytest

from ahpo.history.facts import TrialFinished, ValueReported
from ahpo.states import TrialState
from ahpo.storages import RDBStorage
from tests.storages.sql.peer import MINIMIZE, NOW

pytestmark = pytest.mark.asyncio

_MANY = 250


async def test_contents_of_many_running_trials_are_read_in_turns(url: str) -> None:
    here, there = RDBStorage(url), RDBStorage(url)
    worker = await there.create_study("study", [MINIMIZE])
    await asyncio.gather(*(worker.start(NOW) for _ in range(_MANY)))
    reader = await here.open_study("study")
    for number in range(_MANY):
        worker.record(ValueReported(number, 0, float(number)))
    await worker.flush()
    n_known = []
    for _ in range(3):
        await reader.refresh()
        records = [reader.history.record(number) for number in range(_MANY)]
        n_known.append(sum(bool(record.intermediate_values) for record in records))
    assert n_known == [100, 200, 250]
    last = _MANY - 1
    for number in (0, last):
        await worker.finish(TrialFinished(number, TrialState.COMPLETE, (1.0,), NOW))
    await reader.refresh()
    for number in (0, last):
        record = reader.history.record(number)
        assert record.state is TrialState.COMPLETE
        assert record.intermediate_values == {0: float(number)}
    await here.aclose()
    await there.aclose()
