"""The replicated storage, over a server that is plain data."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest

from ahpo.distributions import FloatDistribution, IntDistribution
from ahpo.engine.drive import drive
from ahpo.exceptions import StorageInternalError, UpdateFinishedTrialError
from ahpo.history.facts import (
    ParamSet,
    StudyUserAttrSet,
    TrialFinished,
    UserAttrSet,
    ValueReported,
)
from ahpo.states import StudyDirection, TrialState
from ahpo.storages.exchange import Create, Reap, Start, StorageUnavailable, Write
from ahpo.storages.leases import Leases
from ahpo.storages.patience import Patience
from ahpo.storages.pending import Pending
from ahpo.storages.replicated import ReplicatedStorage
from ahpo.testing import StorageMachine, StorageTests
from ahpo.testing.storage_handles import MINIMIZE, NOW, Connect, waiting
from tests.storages.toy_backend import ToyServer

FAILED = TrialState.FAIL


class TestReplicatedStorage(StorageTests):
    @pytest.fixture
    def connect(self) -> Connect:
        server = ToyServer()
        return lambda: ReplicatedStorage(server.backend)


class ReplicaMachine(StorageMachine):
    def new_storage(self) -> Connect:
        server = ToyServer()
        return lambda: ReplicatedStorage(server.backend)


TestReplicaMachine = ReplicaMachine.TestCase


class Pauses:
    """Be the sleep of something: it takes no time, and remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)


class Turns:
    """Be a sleep that ends when the test says so."""

    def __init__(self) -> None:
        self._end: Callable[[], object] = lambda: None
        self.waiting = threading.Semaphore(0)

    async def __call__(self, seconds: float) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        self._end = lambda: loop.call_soon_threadsafe(ended.set)
        self.waiting.release()
        await ended.wait()

    def next(self) -> None:
        """End one sleep, and return when the next one has begun."""
        self.last()
        assert self.waiting.acquire(timeout=10.0)

    def last(self) -> None:
        self._end()


def _ops(server: ToyServer, kind: type) -> list[int]:
    return [sum(isinstance(op, kind) for op in request.ops) for request in server.requests]


def _writes(server: ToyServer, kind: type) -> int:
    ops = [op for request in server.requests for op in request.ops]
    return sum(isinstance(op, Write) and isinstance(op.fact, kind) for op in ops)


def _end(number: int, value: float = 1.0) -> TrialFinished:
    return TrialFinished(number, TrialState.COMPLETE, (value,), NOW)


@pytest.mark.asyncio
async def test_what_is_asked_for_during_an_exchange_shares_the_next_one() -> None:
    server = ToyServer()
    storage = ReplicatedStorage(server.backend)
    store = await storage.create_study("study", [MINIMIZE])
    server.requests.clear()
    numbers = await asyncio.gather(*(store.start(NOW) for _ in range(500)))
    assert sorted(numbers) == list(range(500))
    assert sum(_ops(server, Start)) == 500
    assert len(server.requests) < 50
    server.requests.clear()
    await asyncio.gather(*(store.refresh() for _ in range(500)))
    assert len(server.requests) < 50
    server.requests.clear()
    await asyncio.gather(*(store.finish(_end(number)) for number in numbers))
    assert len(server.requests) < 50
    assert all(request.durable for request in server.requests)
    await storage.aclose()


@pytest.mark.asyncio
async def test_reports_need_not_reach_the_disk_before_a_decision_but_an_end_must() -> None:
    server = ToyServer()
    storage = ReplicatedStorage(server.backend)
    store = await storage.create_study("study", [MINIMIZE])
    number = await store.start(NOW)
    store.record(ValueReported(number, 1, 0.5))
    server.requests.clear()
    await store.sync()
    assert [request.durable for request in server.requests] == [False]
    await store.create([waiting()])
    await store.finish(_end(number))
    durable = [request.durable for request in server.requests if request.ops[0:]]
    assert durable == [False, True, True]
    await storage.aclose()


@pytest.mark.asyncio
async def test_a_fact_that_nobody_waits_for_is_written_all_the_same() -> None:
    server = ToyServer()
    written = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Telling(list[object]):
        def append(self, request: object) -> None:
            super().append(request)
            if _writes(server, UserAttrSet):
                loop.call_soon_threadsafe(written.set)

    storage = ReplicatedStorage(server.backend)
    store = await storage.create_study("study", [MINIMIZE])
    number = await store.start(NOW)
    server.requests = Telling()  # type: ignore[assignment]
    store.record(UserAttrSet(number, "k", 1))
    async with asyncio.timeout(10.0):
        await written.wait()
    await store.refresh()
    assert server.studies["study"].history.record(number).user_attrs == {"k": 1}
    await storage.aclose()


@pytest.mark.asyncio
async def test_an_exchange_is_tried_again_while_the_storage_is_unavailable() -> None:
    server, pauses = ToyServer(), Pauses()
    storage = ReplicatedStorage(server.backend, patience=Patience(10.0, 0.1, 0.4, pauses))
    store = await storage.create_study("study", [MINIMIZE])
    server.fail_before = [StorageUnavailable("down")] * 4
    assert await store.start(NOW) == 0
    assert pauses.asked == [0.1, 0.2, 0.4, 0.4]
    assert [request.repeated for request in server.requests][-5:] == [False, *[True] * 4]
    await storage.aclose()


@pytest.mark.asyncio
async def test_an_end_whose_answer_was_lost_is_no_error() -> None:
    server = ToyServer()
    storage = ReplicatedStorage(server.backend, patience=Patience(10.0, 0.1, 0.4, Pauses()))
    store = await storage.create_study("study", [MINIMIZE])
    number = await store.start(NOW)
    server.fail_after = [StorageUnavailable("cut")]
    await store.finish(_end(number, 2.5))
    assert store.history.record(number).values == (2.5,)
    with pytest.raises(UpdateFinishedTrialError):
        await store.finish(_end(number, 2.5))
    await storage.aclose()


@pytest.mark.asyncio
async def test_patience_ends_with_one_clear_error_and_nothing_recorded_is_lost() -> None:
    server = ToyServer()
    storage = ReplicatedStorage(server.backend, patience=Patience(1.0, 0.5, 0.5, Pauses()))
    store = await storage.create_study("study", [MINIMIZE])
    number = await store.start(NOW)
    server.fail_before = [StorageUnavailable("down")] * 100
    store.record(ParamSet(number, "x", 0.5, FloatDistribution(0, 1)))
    with pytest.raises(StorageInternalError, match="could not be reached for 1 s: down"):
        await store.finish(_end(number))
    assert store.history.record(number).state is TrialState.RUNNING
    server.fail_before = []
    await store.finish(_end(number))
    record = server.studies["study"].history.record(number)
    assert (record.params, record.state) == ({"x": 0.5}, TrialState.COMPLETE)
    await storage.aclose()


@pytest.mark.asyncio
async def test_what_is_cancelled_while_it_queues_has_not_been_done() -> None:
    server, turns = ToyServer(), Turns()
    storage = ReplicatedStorage(server.backend, patience=Patience(10.0, 0.1, 0.4, turns))
    store = await storage.create_study("study", [MINIMIZE])
    server.fail_before = [StorageUnavailable("down")]
    first = asyncio.create_task(store.refresh())
    assert await asyncio.to_thread(turns.waiting.acquire)  # an exchange is under way
    queued = asyncio.create_task(store.start(NOW))
    await asyncio.sleep(0)
    assert queued.cancel()
    with pytest.raises(asyncio.CancelledError):
        await queued
    turns.last()
    await first
    await store.refresh()
    assert store.history.n_trials == 0
    await storage.aclose()


@pytest.mark.asyncio
async def test_a_parameter_that_contradicts_another_process_fails_at_the_end_of_its_trial() -> None:
    server = ToyServer()
    one, other = (ReplicatedStorage(server.backend) for _ in range(2))
    store = await one.create_study("study", [MINIMIZE])
    late = await other.open_study("study")
    numbers = [await store.start(NOW), await late.start(NOW)]
    store.record(ParamSet(numbers[0], "x", 0.5, FloatDistribution(0, 1)))
    await store.flush()
    late.record(ParamSet(numbers[1], "x", 1.0, IntDistribution(0, 1)))
    await late.flush()
    with pytest.raises(ValueError, match="'x'"):
        await late.finish(_end(numbers[1]))
    await late.finish(TrialFinished(numbers[1], FAILED, None, NOW))
    assert server.studies["study"].history.record(numbers[1]).params == {}
    await one.aclose()
    await other.aclose()


@pytest.mark.asyncio
async def test_an_attribute_that_can_not_be_stored_is_refused_at_once() -> None:
    storage = ReplicatedStorage(ToyServer().backend)
    store = await storage.create_study("study", [MINIMIZE])
    number = await store.start(NOW)
    for fact in (UserAttrSet(number, "k", {1, 2}), StudyUserAttrSet("k", object())):
        with pytest.raises(TypeError, match="JSON can hold, but that of 'k' is"):
            store.record(fact)
    assert store.history.record(number).user_attrs == {}
    assert store.history.user_attrs == {}
    await storage.aclose()


class Noting:
    """Note what a store tells its watchers."""

    def __init__(self) -> None:
        self.gone: list[int] = []
        self.failed: list[int] = []
        self.noted = threading.Event()

    def lost(self, numbers: Sequence[int]) -> None:
        self.gone += numbers

    def stale(self, numbers: Sequence[int]) -> None:
        self.failed += numbers
        self.noted.set()


@pytest.mark.asyncio
async def test_a_trial_that_somebody_else_finished_is_lost_at_the_next_checkpoint() -> None:
    server = ToyServer()
    one, other = (ReplicatedStorage(server.backend) for _ in range(2))
    store = await one.create_study("study", [MINIMIZE])
    watcher = Noting()
    store.watch(watcher)
    number, kept = await store.start(NOW), await store.start(NOW)
    late = await other.open_study("study")
    await late.finish(TrialFinished(number, FAILED, None, NOW))
    store.record(ValueReported(number, 1, 0.5))
    store.record(ValueReported(kept, 1, 0.5))
    await store.sync()
    assert watcher.gone == [number]
    assert store.history.record(number).state is FAILED
    assert store.history.record(number).intermediate_values == {}
    with pytest.raises(UpdateFinishedTrialError):
        store.record(ValueReported(number, 2, 0.5))
    await store.finish(_end(kept))
    assert watcher.gone == [number]
    await one.aclose()
    await other.aclose()


@pytest.mark.asyncio
async def test_leases_are_renewed_and_those_that_expired_are_reaped() -> None:
    server = ToyServer()
    turns, others_turns = Turns(), Turns()
    one = ReplicatedStorage(server.backend, Leases(10.0, 25.0, turns))
    other = ReplicatedStorage(server.backend, Leases(10.0, 25.0, others_turns))
    store = await one.create_study("study", [MINIMIZE])
    late = await other.open_study("study")
    watcher = Noting()
    store.watch(watcher)
    mine, stale = await store.start(NOW), await late.start(NOW)
    for keeper in (turns, others_turns):
        assert await asyncio.to_thread(keeper.waiting.acquire)
    for server.time in (10.0, 20.0, 30.0):  # the other one gives no sign of life
        await asyncio.to_thread(turns.next)
    assert watcher.failed == [stale]
    record = store.history.record(stale)
    assert record.state is FAILED
    assert "lease" in record.system_attrs["fail_reason"]
    assert store.history.record(mine).state is TrialState.RUNNING
    await late.refresh()
    assert late.history.record(stale) == record
    turns.last()
    others_turns.last()
    await store.finish(_end(mine))
    await one.aclose()
    await other.aclose()


@pytest.mark.asyncio
async def test_closing_gives_up_the_leases_of_trials_that_are_told_later() -> None:
    """Who asks in one process and tells in another one next week, finds the trial running."""
    server = ToyServer()
    storage = ReplicatedStorage(server.backend, Leases(10.0, 25.0, Turns()))
    store = await storage.create_study("study", [MINIMIZE])
    await store.start(NOW)
    study = server.studies["study"]
    assert study.leases
    await storage.aclose()
    assert not study.leases
    server.time = 10_000.0
    later = ReplicatedStorage(server.backend, Leases(10.0, 25.0, Turns()))
    again = await later.open_study("study")
    assert await again.reap() == []
    await again.finish(_end(0))
    await later.aclose()
    assert _ops(server, Reap)
    assert not any(_ops(server, Create))


@pytest.mark.asyncio
async def test_a_closed_storage_opens_again_when_it_is_needed() -> None:
    server = ToyServer()
    storage = ReplicatedStorage(server.backend)
    store = await storage.create_study("study", [MINIMIZE])
    await storage.aclose()
    await storage.aclose()
    assert await store.start(NOW) == 0
    assert await storage.study_names() == ["study"]
    await storage.aclose()


@pytest.mark.asyncio
async def test_the_same_study_opened_twice_is_one_store() -> None:
    storage = ReplicatedStorage(ToyServer().backend)
    store = await storage.create_study("study", [MINIMIZE])
    assert await storage.open_study("study") is store
    await storage.delete_study("study")
    assert await storage.create_study("study", [StudyDirection.MAXIMIZE]) is not store
    with pytest.raises(KeyError, match="deleted"):
        await store.refresh()
    await storage.aclose()


def test_plain_code_and_event_loops_use_one_store_in_turn() -> None:
    server = ToyServer()
    storage = ReplicatedStorage(server.backend)
    store = drive(storage.create_study("study", [MINIMIZE]))
    assert drive(store.start(NOW)) == 0

    async def on_a_loop() -> int:
        number = await store.start(NOW)
        assert drive(store.start(NOW)) == number + 1  # plain code inside of a running loop
        return number

    assert [asyncio.run(on_a_loop()), asyncio.run(on_a_loop())] == [1, 3]
    numbers: list[int] = []
    threads = [threading.Thread(target=lambda: numbers.append(drive(store.start(NOW))))] * 1
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers == [5]
    drive(storage.aclose())


def test_the_storages_own_thread_refuses_to_wait_for_itself() -> None:
    storage = ReplicatedStorage(ToyServer().backend)
    store = drive(storage.create_study("study", [MINIMIZE]))

    class Plain:
        def lost(self, numbers: Sequence[int]) -> None:
            try:
                drive(store.refresh())
            except RuntimeError as error:
                errors.append(str(error))

        def stale(self, numbers: Sequence[int]) -> None:
            pass

    errors: list[str] = []
    watcher = Plain()
    store.watch(watcher)
    number = drive(store.start(NOW))
    other = ReplicatedStorage(storage._make_backend)
    drive(drive(other.open_study("study")).finish(TrialFinished(number, FAILED, None, NOW)))
    drive(store.refresh())
    assert errors and "own thread" in errors[0]
    drive(storage.aclose())
    drive(other.aclose())


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_result_reaches_a_thread_that_comes_before_or_after_it(when: str) -> None:
    pending: Pending[int] = Pending()
    setting: Callable[[], None] = lambda: (pending.set(7), None)[1]  # noqa: E731
    thread = threading.Thread(target=setting)
    if when == "before":
        thread.start()
        thread.join()
        assert pending.result() == 7
    else:
        assert not pending.block(0.0)
        thread.start()
        assert pending.result() == 7
        thread.join()


@pytest.mark.asyncio
async def test_leases_of_a_deleted_study_are_no_longer_renewed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, turns = ToyServer(), Turns()
    storage = ReplicatedStorage(server.backend, Leases(10.0, 25.0, turns))
    store = await storage.create_study("study", [MINIMIZE])
    await store.start(NOW)
    assert await asyncio.to_thread(turns.waiting.acquire)
    await storage.delete_study("study")
    n_requests = len(server.requests)
    turns.last()
    again = await storage.create_study("study", [MINIMIZE])
    assert again is not store
    await again.start(NOW)
    assert await asyncio.to_thread(turns.waiting.acquire)  # the keeper of the new one only
    with pytest.raises(KeyError, match="has been deleted"):
        await store.refresh()
    await storage.aclose()
    assert not any(request.beat for request in server.requests[n_requests:])
    assert not caplog.records
