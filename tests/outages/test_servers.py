"""A server goes away and comes back while 50 trials run, or the network to it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from ahpo.exceptions import StorageInternalError
from ahpo.states import TrialState
from ahpo.storages.patience import Patience
from tests.faults.proxy import Proxy
from tests.outages.checking import BRIEF, Told, assert_whole, created, place_of
from tests.servers.server import Server

pytestmark = pytest.mark.asyncio

N = 50


async def _interrupted(
    url: str, direct: str, outage: Callable[[], None], n_after: int = 20
) -> None:
    """Run a study during an outage: all its trials end well, and each is there once."""
    storage, told = place_of(url), Told()
    storage.patience = BRIEF
    study = await created(storage)
    running = asyncio.create_task(
        study.optimize(told.objective(N), n_trials=N + n_after, n_jobs=N, callbacks=[told.note])
    )
    await told.all_run.wait()
    ending = asyncio.create_task(asyncio.to_thread(outage))
    told.go_on.set()
    await ending
    await running
    assert len(told.values) == N + n_after
    await storage.aclose()
    # A trial whose start was not heard of is left to its lease.
    trials = await assert_whole(direct, told.values, running=range(10**6))
    complete = [trial.number for trial in trials if trial.state is TrialState.COMPLETE]
    assert complete == sorted(told.values)


@pytest.mark.slow
@pytest.mark.parametrize("server", ["own_postgresql", "own_mysql"])
async def test_server_is_restarted_under_50_running_trials(
    server: str, request: pytest.FixtureRequest
) -> None:
    own: Server = request.getfixturevalue(server)
    await _interrupted(own.url, own.url, own.restart)


@pytest.mark.parametrize("server", ["postgresql_url", "mysql_url", "redis_url"])
@pytest.mark.parametrize("fault", ["cut", "refuse", "lose_request", "lose_answer", "lose_commit"])
async def test_network_fails_under_50_running_trials(
    server: str, fault: str, request: pytest.FixtureRequest
) -> None:
    url: str = request.getfixturevalue(server)
    with Proxy(url) as proxy:

        def outage() -> None:
            if fault == "lose_commit":
                proxy.lose_answer(b"EVAL" if "redis" in url else b"COMMIT")
            else:
                getattr(proxy, fault)()
            if fault == "refuse":
                proxy.heal()

        await _interrupted(proxy.url, url, outage)
        if fault != "refuse":
            assert proxy.accepted > 1 or fault.startswith("lose")


@pytest.mark.parametrize("server", ["postgresql_url", "mysql_url", "redis_url"])
@pytest.mark.parametrize("answers_only", [False, True], ids=["deaf", "mute"])
async def test_network_that_is_deaf_for_ever_is_one_clear_error_and_the_study_resumes(
    server: str,
    answers_only: bool,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ahpo.storages.journal.redis._SECONDS_TO_ANSWER", 1.0)
    monkeypatch.setattr("ahpo.storages.journal.redis._SECONDS_TO_CONNECT", 1.0)
    url: str = request.getfixturevalue(server)
    seconds = {
        "postgresql_url": "?command_timeout=1&timeout=1",
        "mysql_url": "?read_timeout=1&connect_timeout=1",
        "redis_url": "",
    }
    with Proxy(url) as proxy:
        storage, told = place_of(proxy.url + seconds[server]), Told()
        study = await created(storage)
        storage.patience = Patience(total=0.5, first=0.05, longest=0.1)
        running = asyncio.create_task(
            study.optimize(told.objective(3), n_trials=6, n_jobs=3, callbacks=[told.note])
        )
        await told.all_run.wait()
        await asyncio.to_thread(proxy.go_deaf, answers_only)
        told.go_on.set()
        async with asyncio.timeout(20.0):
            with pytest.raises(StorageInternalError, match="could not be reached"):
                await running
        await asyncio.to_thread(proxy.cut)
        await asyncio.to_thread(proxy.heal)
        await study.optimize(told.objective(0), n_trials=2, callbacks=[told.note])
        await storage.aclose()
    # Those that could not be ended have a lease that nobody renews.
    trials = await assert_whole(url, told.values, running=range(6))
    stale = [trial.number for trial in trials if trial.state is TrialState.RUNNING]
    later = place_of(url, heartbeat_interval=1.0, grace_period=1e-6)
    store = await later.open_study("study")
    reaped = await store.reap()
    assert sorted(reaped) == stale
    await later.aclose()
