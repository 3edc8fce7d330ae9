"""Leases are begun, renewed, given up, and run out by the clock of the database."""

from __future__ import annotations

import pytest

from ahpo.states import TrialState
from ahpo.storages.exchange import Backend
from ahpo.testing.storage_handles import waiting
from tests.storages.sql.conftest import Another
from tests.storages.sql.peer import NOW, created, opened

pytestmark = pytest.mark.asyncio


async def test_trial_whose_lease_has_run_out_fails(backend: Backend, another: Another) -> None:
    peer = await created(backend)
    other = await opened(another())
    leased = await peer.start(lease=True)
    free = await peer.start()
    assert await other.reap(3600.0) == []
    assert await other.reap(-3600.0) == [leased]  # as if an hour had gone by
    trial = other.trials[leased]
    assert (trial.state, trial.completed) == (TrialState.FAIL, NOW + 10**6)
    assert trial.system_attrs == {"fail_reason": "gone"}
    assert other.trials[free].state is TrialState.RUNNING
    assert await other.reap(-3600.0) == []
    await peer.ask()
    assert peer.trials[leased] == trial


async def test_lease_is_renewed_given_up_and_begun_later(
    backend: Backend, another: Another
) -> None:
    peer = await created(backend)
    numbers = [await peer.start(), await peer.start(), await peer.start(lease=True)]
    ids = [peer.trials[number].trial_id for number in numbers]
    await peer.finish(numbers[1])
    await peer.ask(beat=ids)  # that of a trial which has finished is nobody's
    await peer.ask(beat=ids[:1], release=ids[2:])
    other = await opened(another())
    assert await other.reap(3600.0) == []
    assert await other.reap(-3600.0) == [numbers[0]]


async def test_claimed_trial_gets_its_lease(backend: Backend) -> None:
    peer = await created(backend)
    await peer.create(waiting())
    assert await peer.start(lease=True) == 0
    assert await peer.reap(-3600.0) == [0]
