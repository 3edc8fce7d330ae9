"""Tests of storages: facts are recorded, shown to others, and durable when a trial finishes."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest

from ahpo.distributions import FloatDistribution, IntDistribution
from ahpo.exceptions import UpdateFinishedTrialError
from ahpo.history.facts import (
    ConstraintSet,
    Fact,
    ParamSet,
    SystemAttrSet,
    TrialFinished,
    UserAttrSet,
    ValueReported,
)
from ahpo.history.index import Index
from ahpo.history.records import FinishedTrial
from ahpo.states import TrialState
from ahpo.storages.protocol import StudyStore
from ahpo.testing.storage_handles import (
    NOW,
    Handles,
    WithHandles,
    complete,
    trials,
    waiting,
)

__all__ = ("FactTests",)

_KIND = FloatDistribution(0.0, 1.0)


def _finished(number: int, value: float = 1.0) -> TrialFinished:
    return TrialFinished(number, TrialState.COMPLETE, (value,), NOW + 10**6)


def _record_all_kinds(store: StudyStore, number: int) -> None:
    store.record(ParamSet(number, "z", 0.5, _KIND))
    store.record(ParamSet(number, "a", 3.0, IntDistribution(0, 9)))
    store.record(ValueReported(number, 3, 1.5))
    store.record(ValueReported(number, 1, float("inf")))
    store.record(UserAttrSet(number, "k", "old"))
    store.record(UserAttrSet(number, "k", [1, {"deep": None}]))
    store.record(SystemAttrSet(number, "k", 2))
    store.record(ConstraintSet(number, "c", 0.25))


def _is_free(lock: Any) -> bool:
    if not hasattr(lock, "acquire"):
        return True  # it is no lock
    free: bool = lock.acquire(blocking=False)
    if free:
        lock.release()
    return free


def _becomes_free(lock: Any) -> bool:
    if not hasattr(lock, "acquire"):
        return True  # it is no lock
    free: bool = lock.acquire(timeout=10.0)
    if free:
        lock.release()
    return free


def _assert_all_kinds(trial: FinishedTrial) -> None:
    assert list(trial.params.items()) == [("z", 0.5), ("a", 3.0)]
    assert trial.distributions == {"z": _KIND, "a": IntDistribution(0, 9)}
    assert trial.intermediate_values == {3: 1.5, 1: float("inf")}
    assert trial.user_attrs == {"k": [1, {"deep": None}]}
    assert trial.system_attrs == {"k": 2, "constraints:c": 0.25}


class FactTests(WithHandles):
    """Test that facts are recorded, flushed, finished and refreshed as the protocol says."""

    async def test_own_history_holds_what_is_recorded_at_once(self, store: StudyStore) -> None:
        number = await store.start(NOW)
        _record_all_kinds(store, number)
        _assert_all_kinds(store.history.record(number))

    async def test_others_see_what_was_recorded_when_flush_returns(
        self, store: StudyStore, another: Handles
    ) -> None:
        other = await (await another()).open_study("study")
        number = await store.start(NOW)
        _record_all_kinds(store, number)
        await store.flush()
        await other.refresh()
        _assert_all_kinds(other.history.record(number))
        _assert_all_kinds((await trials(await another()))[number])

    async def test_parameter_may_be_recorded_by_the_record_of_its_trial(
        self, store: StudyStore, another: Handles
    ) -> None:
        opened = store.history.open_trial(await store.start(NOW))
        store.record_param(opened, "x", 0.5, _KIND)
        assert opened.params == {"x": 0.5}
        with pytest.raises(ValueError, match="x"):
            store.record_param(opened, "x", 1.0, IntDistribution(0, 1))
        await store.flush()
        (trial,) = await trials(await another())
        assert (trial.params, trial.distributions) == ({"x": 0.5}, {"x": _KIND})
        await store.finish(_finished(0))
        with pytest.raises(UpdateFinishedTrialError):
            store.record_param(opened, "y", 0.5, _KIND)

    async def test_all_that_was_recorded_is_durable_when_finish_returns(
        self, store: StudyStore, another: Handles
    ) -> None:
        numbers = [await store.start(NOW) for _ in range(2)]
        for number in numbers:
            _record_all_kinds(store, number)
        await store.finish(_finished(numbers[0], 2.5))
        first, second = await trials(await another())
        _assert_all_kinds(first)
        _assert_all_kinds(second)
        assert (first.state, first.values) == (TrialState.COMPLETE, (2.5,))
        assert (first.started, first.completed) == (NOW, NOW + 10**6)
        assert second.state is TrialState.RUNNING

    @pytest.mark.parametrize(
        ("state", "values"),
        [
            (TrialState.COMPLETE, (float("-inf"),)),
            (TrialState.PRUNED, (0.5,)),
            (TrialState.PRUNED, None),
            (TrialState.FAIL, None),
        ],
    )
    async def test_trial_finishes_in_each_final_state(
        self, store: StudyStore, another: Handles, state: TrialState, values: tuple[float] | None
    ) -> None:
        await store.create([waiting()] * 2)
        numbers = [await store.start(NOW), 1]  # the second one was never started
        for number in numbers:
            await store.finish(TrialFinished(number, state, values, NOW))
        for found in (map(store.history.record, numbers), await trials(await another())):
            for trial in found:
                assert (trial.state, trial.values, trial.completed) == (state, values, NOW)

    async def test_finished_trial_stays_as_it_is(self, store: StudyStore, another: Handles) -> None:
        """Neither this handle nor one that has not heard of the end can change it."""
        number = await store.start(NOW)
        late = await (await another()).open_study("study")
        await late.refresh()
        _record_all_kinds(store, number)
        await store.finish(_finished(number))
        before = await trials(await another())
        for one in (store, late):
            for state in (TrialState.FAIL, TrialState.COMPLETE):
                with pytest.raises(UpdateFinishedTrialError, match=str(number)):
                    await one.finish(TrialFinished(number, state, None, NOW))
            assert await trials(await another()) == before
            await one.refresh()
            assert one.history.record(number) == before[number]

    async def test_what_is_recorded_too_late_is_dropped(
        self, store: StudyStore, another: Handles
    ) -> None:
        """Somebody else has finished the trial: nothing of it changes, for anybody."""
        number = await store.start(NOW)
        late = await (await another()).open_study("study")
        await late.refresh()
        await store.finish(_finished(number))
        before = await trials(await another())
        with suppress(UpdateFinishedTrialError):  # the handle may know of the end already
            late.record(ParamSet(number, "x", 0.5, _KIND))
            late.record(UserAttrSet(number, "k", "late"))
        going_on = await late.start(NOW)
        late.record(UserAttrSet(going_on, "k", "in time"))
        await late.flush()
        found = await trials(await another())
        assert found[: number + 1] == before
        assert found[going_on].user_attrs == {"k": "in time"}
        await late.refresh()
        assert late.history.record(number) == before[number]

    async def test_one_of_many_who_finish_a_trial_wins(
        self, store: StudyStore, another: Handles
    ) -> None:
        number = await store.start(NOW)
        stores = [store, *[await (await another()).open_study("study") for _ in range(3)]]
        results = await asyncio.gather(
            *(one.finish(_finished(number, float(place))) for place, one in enumerate(stores)),
            return_exceptions=True,
        )
        refused = [isinstance(result, UpdateFinishedTrialError) for result in results]
        assert sorted(refused) == [False, True, True, True], results
        winner = float(refused.index(False))
        assert (await trials(await another()))[number].values == (winner,)
        for one in stores:
            await one.refresh()
            assert one.history.record(number).values == (winner,)

    async def test_trial_starts_with_the_end_of_another(
        self, store: StudyStore, another: Handles
    ) -> None:
        await store.create([waiting(user_attrs={"k": "next"})])
        first = await store.start(NOW)
        store.record(ParamSet(first, "x", 0.5, _KIND))
        second, refused = await store.finish_and_start(_finished(first), NOW)
        assert ((first, second), refused) == ((0, 1), None)
        for found in (map(store.history.record, (0, 1)), await trials(await another())):
            ended, begun = found
            assert (ended.state, ended.params) == (TrialState.COMPLETE, {"x": 0.5})
            assert (begun.state, begun.started) == (TrialState.RUNNING, NOW)
        late = await (await another()).open_study("study")
        await late.refresh()
        await store.finish(_finished(second))
        third = late.history.n_trials
        try:
            number, refused = await late.finish_and_start(_finished(second, 2.5), NOW)
        except UpdateFinishedTrialError:  # it has heard of the end: then it starts nothing
            assert len(await trials(await another())) == third
        else:
            assert number == third and isinstance(refused, UpdateFinishedTrialError)
        assert (await trials(await another()))[second].values == (1.0,)

    async def test_unknown_trial_can_not_be_finished(self, store: StudyStore) -> None:
        await store.start(NOW)
        for number in (1, -1):
            with pytest.raises(KeyError, match=str(number)):
                await store.finish(_finished(number))

    @pytest.mark.parametrize(
        ("fact", "error"),
        [
            (UserAttrSet(0, "k", 1), UpdateFinishedTrialError),
            (ParamSet(0, "y", 0.5, _KIND), UpdateFinishedTrialError),
            (ValueReported(0, 9, 1.0), UpdateFinishedTrialError),
            (SystemAttrSet(2, "k", 1), KeyError),
            (ConstraintSet(-1, "k", 1.0), KeyError),
            (ParamSet(1, "x", 1.0, IntDistribution(0, 1)), ValueError),
        ],
    )
    async def test_refused_fact_changes_nothing(
        self, store: StudyStore, another: Handles, fact: Fact, error: type[Exception]
    ) -> None:
        await store.create([complete(params={"x": 0.5}, distributions={"x": _KIND})])
        number = await store.start(NOW)
        before = await trials(await another())
        with pytest.raises(error):
            store.record(fact)
        assert [store.history.record(place) for place in range(2)] == before
        store.record(UserAttrSet(number, "k", "in time"))
        await store.flush()
        assert await trials(await another()) == [
            before[0],
            before[1]._replace(user_attrs={"k": "in time"}),
        ]

    async def test_any_thread_may_record(self, store: StudyStore, another: Handles) -> None:
        numbers = [await store.start(NOW) for _ in range(4)]

        def record(number: int) -> None:
            for step in range(50):
                store.record(ValueReported(number, step, float(step)))
                store.record(UserAttrSet(number, f"k{step % 7}", step))

        threads = [threading.Thread(target=record, args=(number,)) for number in numbers]
        for thread in threads:
            thread.start()
        for _ in range(3):
            await store.flush()
        for thread in threads:
            thread.join()
        await store.flush()
        for trial in await trials(await another()):
            assert trial.intermediate_values == {step: float(step) for step in range(50)}
            assert trial.user_attrs == {f"k{step % 7}": step for step in range(43, 50)}

    async def test_facts_are_applied_under_the_guard_of_the_history(
        self, store: StudyStore
    ) -> None:
        """Who replays a history takes the guard, so that meanwhile nothing is added to it."""
        await store.start(NOW)
        history, free = store.history, []

        class Probe(Index):
            def attribute(self, number: int, key: str, value: Any) -> None:
                thread = threading.Thread(target=lambda: free.append(_is_free(history.guard)))
                thread.start()
                thread.join()

        history.index(Probe)
        store.record(SystemAttrSet(0, "k", 1))
        assert free == [False]
        # Whoever writes what was recorded may just have it.
        assert await asyncio.to_thread(_becomes_free, history.guard)

    async def test_refresh_learns_all_that_others_wrote(
        self, store: StudyStore, another: Handles
    ) -> None:
        other = await (await another()).open_study("study")
        await store.create([complete(2.0), waiting(), complete(1.0), waiting()])
        number = await store.start(NOW)
        _record_all_kinds(store, number)
        await store.flush()
        await asyncio.gather(other.refresh(), other.refresh())
        await other.refresh()
        history = other.history
        assert [history.record(place) for place in range(4)] == await trials(await another())
        assert (list(history.running), list(history.waiting)) == ([number], [3])
        assert history.best_number == 2
        assert history.table.n == 2

    async def test_handles_that_work_on_a_study_at_once_agree_on_it_afterwards(
        self, store: StudyStore, another: Handles
    ) -> None:
        stores = [store, *[await (await another()).open_study("study") for _ in range(3)]]

        async def work(one: StudyStore, value: float) -> None:
            for _ in range(5):
                number = await one.start(NOW)
                _record_all_kinds(one, number)
                await one.flush()
                await one.refresh()
                await one.finish(_finished(number, value))

        await asyncio.gather(*(work(one, float(place)) for place, one in enumerate(stores)))
        expected = await trials(await another())
        assert sorted(trial.values or () for trial in expected) == sorted(
            (float(place),) for place in range(4) for _ in range(5)
        )
        for trial in expected:
            _assert_all_kinds(trial)
        for one in stores:
            await one.refresh()
            assert [one.history.record(number) for number in range(20)] == expected
