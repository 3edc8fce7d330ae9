"""A study is deleted at once for all who look, and its trials bit by bit."""

from __future__ import annotations

from typing import Any

import pytest

from ahpo.history.facts import UserAttrSet
from ahpo.storages import RDBStorage
from ahpo.storages.exchange import StorageUnavailable
from ahpo.storages.sql import studies
from ahpo.storages.sql.base import SQLBackend
from ahpo.storages.sql.statements import Plan
from ahpo.testing.storage_handles import complete, waiting
from tests.storages.sql.conftest import Another
from tests.storages.sql.peer import NOW, UNIT, Peer, created, observed, opened

pytestmark = pytest.mark.asyncio

TABLES = ("trials", *studies._OF_TRIALS, *studies._OF_STUDY)


async def large(backend: Any, name: str, n: int = 5) -> Peer:
    """Create a study with rows in all tables."""
    peer = await created(backend, name)
    one = complete(
        params={"x": 0.5},
        distributions={"x": UNIT},
        user_attrs={"k": 1},
        system_attrs={"k": 1},
        intermediate_values={1: 0.5},
    )
    await peer.create(*[one] * (n - 2), waiting())
    await peer.start(lease=True)
    await peer.start(lease=True)
    return peer


async def counted(backend: SQLBackend) -> dict[str, int]:
    def plan() -> Plan[dict[str, int]]:
        found = {}
        for table in TABLES:
            rows = yield backend.dialect.fetch(f"SELECT count(*) FROM {table}")
            found[table] = rows[0][0]
        return found

    return await backend.transact(plan, writes=False)


@pytest.fixture
def portion(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(studies, "_PORTION", 2)
    return 2


async def test_study_that_is_half_deleted_is_not_there_and_the_next_sweep_removes_the_rest(
    another: Another, portion: int
) -> None:
    backend: Any = another()
    await large(backend, "kept")
    before = await counted(backend)
    peer = await large(backend, "deleted")
    await backend.delete_study("deleted")
    assert await backend.study_names() == ["kept"]
    assert await backend.transact(lambda: studies.sweep(backend.dialect))
    # Here its process ends. Another one finds what there was, and room for a study of that name.
    later: Any = another()
    assert await later.study_names() == ["kept"]
    left = await counted(later)
    assert left["trials"] == before["trials"] + 5 - portion
    for operation in (later.open_study, later.delete_study):
        with pytest.raises(KeyError, match="no study of the name 'deleted'"):
            await operation("deleted")
    with pytest.raises(KeyError, match="no study of the name 'deleted'"):
        await peer.ask()
    again = await created(later, "deleted")
    assert await again.start() == 0
    await later.sweep()
    assert len(await observed(later, "kept")) == 5
    assert len(await observed(later, "deleted")) == 1
    await later.delete_study("deleted")
    await later.sweep()
    assert await counted(later) == before


async def test_nothing_can_be_written_on_a_trial_that_is_about_to_be_removed(
    backend: Any, another: Another
) -> None:
    peer = await large(backend, "study")
    other = await opened(another(), "study")
    await backend.delete_study("study")
    for one in (peer, other):
        with pytest.raises(KeyError):
            await one.write(UserAttrSet(4, "late", NOW))
    await backend.sweep()
    assert set((await counted(backend)).values()) == {0}


@pytest.mark.parametrize("fails_at", [1, 2, 3])
async def test_sweep_goes_on_where_the_storage_failed_for_a_moment(
    url: str, another: Another, portion: int, fails_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, calls = studies.sweep, []

    def sweep(dialect: Any) -> Plan[bool]:
        calls.append(dialect)
        more = yield from plain(dialect)
        if len(calls) == fails_at:
            raise StorageUnavailable("out of order")
        return more

    observing: Any = another()
    await large(observing, "study")
    monkeypatch.setattr(studies, "sweep", sweep)
    storage = RDBStorage(url)
    await storage.delete_study("study")
    assert len(calls) == 4
    assert set((await counted(observing)).values()) == {0}
    await storage.aclose()
