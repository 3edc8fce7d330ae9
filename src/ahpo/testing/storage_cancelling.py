"""Tests of storages: what is cancelled either happened as a whole or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from ahpo.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from ahpo.history.facts import TrialFinished, UserAttrSet
from ahpo.states import TrialState
from ahpo.storages.protocol import Storage, StudyStore
from ahpo.testing.cancelling import Attempt, attempt
from ahpo.testing.storage_handles import (
    MINIMIZE,
    NOW,
    Handles,
    WithHandles,
    complete,
    trials,
    waiting,
)

__all__ = ("CancellingTests",)

_MOST = 200  # suspensions of one operation: enough for any


async def _until_it_is_not_reached(one_attempt: Any) -> None:
    """Await ``one_attempt(n)`` for n = 1, 2, ... until the operation ends before its n-th wait."""
    for n in range(1, _MOST):
        if not (await one_attempt(n)).reached:
            return
    raise AssertionError(f"An operation waits more than {_MOST} times.")


class CancellingTests(WithHandles):
    """Test that a storage stays whole wherever one of its operations is cancelled."""

    async def test_cancelled_start_starts_one_trial_or_none(
        self, store: StudyStore, another: Handles
    ) -> None:
        other = await another()

        async def one(n: int) -> Attempt:
            await store.create([waiting()])
            before = await trials(other)
            result = await attempt(store.start(NOW), n)
            after = await trials(other)
            assert len(after) == len(before)
            changed = [new for old, new in zip(before, after, strict=True) if new != old]
            assert all((t.state, t.started) == (TrialState.RUNNING, NOW) for t in changed)
            assert len(changed) in ((0, 1) if result.cancelled else (1,))
            await store.refresh()
            return result

        await _until_it_is_not_reached(one)
        await _leave_nothing_waiting(store)
        before = len(await trials(other))
        assert await store.start(NOW) == before

    async def test_cancelled_start_of_a_new_trial_leaves_numbers_consecutive(
        self, store: StudyStore, another: Handles
    ) -> None:
        other = await another()

        async def one(n: int) -> Attempt:
            before = len(await trials(other))
            result = await attempt(store.start(NOW), n)
            after = await trials(other)
            assert len(after) - before in ((0, 1) if result.cancelled else (1,))
            assert [trial.number for trial in after] == list(range(len(after)))
            assert await store.start(NOW) == len(after)
            return result

        await _until_it_is_not_reached(one)

    async def test_cancelled_create_adds_all_trials_or_none(
        self, store: StudyStore, another: Handles
    ) -> None:
        other = await another()
        batch = [complete(user_attrs={"k": 1}), waiting(user_attrs={"k": 2}), complete(3.0)]

        async def one(n: int) -> Attempt:
            before = await trials(other)
            result = await attempt(store.create(batch), n)
            after = await trials(other)
            assert after[: len(before)] == before
            added = [t._replace(number=-1, trial_id=-1) for t in after[len(before) :]]
            assert added in (([], batch) if result.cancelled else (batch,))
            assert await store.create([complete()]) == [len(after)]
            return result

        await _until_it_is_not_reached(one)

    async def test_cancelled_finish_happened_as_a_whole_or_not_at_all(
        self, store: StudyStore, another: Handles
    ) -> None:
        other = await another()

        async def one(n: int) -> Attempt:
            number = await store.start(NOW)
            store.record(UserAttrSet(number, "k", 1))
            end = TrialFinished(number, TrialState.COMPLETE, (1.0,), NOW + 10**6)
            result = await attempt(store.finish(end), n)
            trial = (await trials(other))[number]
            if trial.state is TrialState.COMPLETE:
                assert (trial.values, trial.completed) == ((1.0,), NOW + 10**6)
                assert trial.user_attrs == {"k": 1}
                with pytest.raises(UpdateFinishedTrialError):
                    await store.finish(end)
            else:
                assert result.cancelled
                assert (trial.state, trial.values) == (TrialState.RUNNING, None)
                await store.finish(end)
            trial = (await trials(other))[number]
            assert (trial.state, trial.values) == (TrialState.COMPLETE, (1.0,))
            assert trial.user_attrs == {"k": 1}
            await store.refresh()
            assert store.history.record(number) == trial
            return result

        await _until_it_is_not_reached(one)

    async def test_of_a_cancelled_succession_each_half_happened_as_a_whole_or_not_at_all(
        self, store: StudyStore, another: Handles
    ) -> None:
        other = await another()
        number = await store.start(NOW)

        async def one(n: int) -> Attempt:
            nonlocal number
            end = TrialFinished(number, TrialState.COMPLETE, (1.0,), NOW + 10**6)
            result = await attempt(store.finish_and_start(end, NOW), n)
            states = [trial.state for trial in (await trials(other))[number:]]
            if states == [TrialState.COMPLETE]:
                assert result.cancelled
                assert await store.start(NOW) == number + 1
            elif states != [TrialState.COMPLETE, TrialState.RUNNING]:
                assert result.cancelled
                assert states == [TrialState.RUNNING]
                assert await store.finish_and_start(end, NOW) == (number + 1, None)
            number += 1
            return result

        await _until_it_is_not_reached(one)

    @pytest.mark.parametrize("operation", ["flush", "refresh"])
    async def test_nothing_that_was_recorded_is_lost(
        self, store: StudyStore, another: Handles, operation: str
    ) -> None:
        other = await another()
        number = await store.start(NOW)

        async def one(n: int) -> Attempt:
            store.record(UserAttrSet(number, f"a{n}", n))
            store.record(UserAttrSet(number, "last", n))
            result = await attempt(getattr(store, operation)(), n)
            await store.flush()
            found = (await trials(other))[number].user_attrs
            assert found == {**{f"a{i}": i for i in range(1, n + 1)}, "last": n}
            await store.refresh()
            assert store.history.record(number).user_attrs == found
            return result

        await _until_it_is_not_reached(one)

    async def test_cancelled_refresh_is_made_up_for_by_the_next(
        self, store: StudyStore, another: Handles
    ) -> None:
        other = await (await another()).open_study("study")

        async def one(n: int) -> Attempt:
            await other.create([complete(float(n)), waiting()])
            await other.start(NOW)
            result = await attempt(store.refresh(), n)
            await store.refresh()
            found = await trials(await another())
            assert [store.history.record(number) for number in range(len(found))] == found
            assert store.history.n_trials == len(found)
            return result

        await _until_it_is_not_reached(one)

    async def test_cancelled_create_study_creates_it_as_a_whole_or_not_at_all(
        self, storage: Storage, another: Handles
    ) -> None:
        other = await another()

        async def one(n: int) -> Attempt:
            name = f"study{n}"
            before = await other.study_names()
            result = await attempt(storage.create_study(name, [MINIMIZE] * 2), n)
            names = await other.study_names()
            assert names in (([*before, name], before) if result.cancelled else ([*before, name],))
            if name in names:
                with pytest.raises(DuplicatedStudyError):
                    await storage.create_study(name, [MINIMIZE])
            else:
                await storage.create_study(name, [MINIMIZE] * 2)
            history = (await other.open_study(name)).history
            assert (history.directions, history.n_trials) == ((MINIMIZE,) * 2, 0)
            return result

        await _until_it_is_not_reached(one)

    async def test_cancelled_delete_study_deletes_it_as_a_whole_or_not_at_all(
        self, storage: Storage, another: Handles
    ) -> None:
        other = await another()

        async def one(n: int) -> Attempt:
            name = f"study{n}"
            store = await storage.create_study(name, [MINIMIZE])
            await store.create([complete(user_attrs={"k": 1}), waiting()])
            before = await trials(other, name)
            result = await attempt(storage.delete_study(name), n)
            if name in await other.study_names():
                assert result.cancelled
                assert await trials(other, name) == before
                await storage.delete_study(name)
            with pytest.raises(KeyError):
                await other.open_study(name)
            return result

        await _until_it_is_not_reached(one)

    async def test_cancelled_open_study_leaves_nothing_behind(
        self, storage: Storage, store: StudyStore, another: Handles
    ) -> None:
        await store.create([complete(), waiting()])
        expected = await trials(await another())

        async def one(n: int) -> Attempt:
            result = await attempt(storage.open_study("study"), n)
            assert await trials(storage) == expected
            return result

        await _until_it_is_not_reached(one)


async def _leave_nothing_waiting(store: StudyStore) -> None:
    while store.history.waiting:
        await store.start(NOW)
