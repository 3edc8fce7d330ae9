"""Tests of storages: studies, by name."""

from __future__ import annotations

import asyncio

import pytest

from ahpo.exceptions import DuplicatedStudyError
from ahpo.history.facts import StudySystemAttrSet, StudyUserAttrSet, UserAttrSet
from ahpo.storages.protocol import Storage, StudyStore
from ahpo.testing.storage_handles import (
    MAXIMIZE,
    MINIMIZE,
    NOW,
    Handles,
    WithHandles,
    complete,
    trials,
)

__all__ = ("StudyTests",)


class StudyTests(WithHandles):
    """Test that studies are created, opened, listed and deleted as the protocol says."""

    @pytest.mark.parametrize("directions", [[MINIMIZE], [MAXIMIZE, MINIMIZE, MAXIMIZE]])
    async def test_new_study_has_its_name_and_directions_and_no_trials(
        self, storage: Storage, another: Handles, directions: list[object]
    ) -> None:
        await storage.create_study("study", directions)  # type: ignore[arg-type]
        for handle in (storage, await another()):
            history = (await handle.open_study("study")).history
            assert history.study_name == "study"
            assert history.directions == tuple(directions)
            assert history.n_trials == 0
            assert history.user_attrs == history.system_attrs == {}

    async def test_study_without_a_name_gets_one_of_its_own(self, storage: Storage) -> None:
        stores = [await storage.create_study(None, [MINIMIZE]) for _ in range(3)]
        names = [store.history.study_name for store in stores]
        assert len(set(names)) == 3
        assert await storage.study_names() == names

    async def test_name_that_is_taken_is_refused_and_its_study_stays(
        self, storage: Storage, store: StudyStore, another: Handles
    ) -> None:
        await store.create([complete()])
        for handle in (storage, await another()):
            with pytest.raises(DuplicatedStudyError, match="study"):
                await handle.create_study("study", [MAXIMIZE])
            found = await handle.open_study("study")
            assert found.history.directions == (MINIMIZE,)
            assert len(await trials(handle)) == 1
        assert await storage.study_names() == ["study"]

    async def test_one_of_many_creators_of_a_name_wins(self, another: Handles) -> None:
        handles = [await another() for _ in range(4)]
        results = await asyncio.gather(
            *(handle.create_study("study", [MINIMIZE]) for handle in handles * 2),
            return_exceptions=True,
        )
        won = [result for result in results if not isinstance(result, BaseException)]
        lost = [result for result in results if isinstance(result, DuplicatedStudyError)]
        assert (len(won), len(lost)) == (1, 7)
        assert await handles[0].study_names() == ["study"]

    async def test_what_there_is_not_can_not_be_opened_or_deleted(
        self, storage: Storage, store: StudyStore
    ) -> None:
        for operation in (storage.open_study, storage.delete_study):
            with pytest.raises(KeyError, match="nobodys"):
                await operation("nobodys")
        assert await storage.study_names() == ["study"]

    async def test_names_are_listed_in_the_order_of_creation(self, another: Handles) -> None:
        handles = [await another() for _ in range(2)]
        assert await handles[0].study_names() == []
        for place, name in enumerate(["b", "c", "a", "d"]):
            await handles[place % 2].create_study(name, [MINIMIZE])
        for handle in handles:
            assert await handle.study_names() == ["b", "c", "a", "d"]

    async def test_deleted_study_is_gone_with_its_trials_and_its_name_is_free(
        self, storage: Storage, store: StudyStore, another: Handles
    ) -> None:
        await store.create([complete(user_attrs={"k": 1}, intermediate_values={0: 1.0})])
        await storage.create_study("other", [MINIMIZE])
        other = await another()
        await other.delete_study("study")
        for handle in (storage, other):
            with pytest.raises(KeyError, match="study"):
                await handle.open_study("study")
            with pytest.raises(KeyError, match="study"):
                await handle.delete_study("study")
            assert await handle.study_names() == ["other"]
        await storage.create_study("study", [MAXIMIZE])
        assert await trials(other) == []
        assert await other.study_names() == ["other", "study"]

    async def test_deleting_a_study_leaves_the_others_as_they_are(
        self, storage: Storage, another: Handles
    ) -> None:
        for name in ("one", "two"):
            store = await storage.create_study(name, [MINIMIZE])
            await store.create([complete(user_attrs={"name": name}), complete(2.0)])
        handle = await another()
        before = await trials(handle, "two")
        await storage.delete_study("one")
        assert await trials(handle, "two") == before

    async def test_studies_do_not_mix(self, storage: Storage, another: Handles) -> None:
        stores = [await storage.create_study(name, [MINIMIZE]) for name in ("one", "two")]
        assert len({store.study_id for store in stores}) == 2
        for _ in range(2):
            for store in stores:
                number = await store.start(NOW)
                store.record(UserAttrSet(number, "study", store.history.study_name))
                await store.flush()
        handle = await another()
        identifiers = set()
        for name in ("one", "two"):
            found = await trials(handle, name)
            assert [trial.number for trial in found] == [0, 1]
            assert [trial.user_attrs for trial in found] == [{"study": name}] * 2
            identifiers |= {trial.trial_id for trial in found}
        assert len(identifiers) == 4

    async def test_study_has_the_same_identifier_for_all(
        self, store: StudyStore, another: Handles
    ) -> None:
        assert (await (await another()).open_study("study")).study_id == store.study_id

    async def test_attributes_of_the_study_are_kept_and_replaced(
        self, store: StudyStore, another: Handles
    ) -> None:
        values = [None, True, 1, -2.5, "text", "δ", [1, [2, {}]], {"a": {"b": [None]}}]
        for place, value in enumerate(values):
            store.record(StudyUserAttrSet(f"k{place}", "old"))
            store.record(StudyUserAttrSet(f"k{place}", value))
            store.record(StudySystemAttrSet(f"k{place}", [value]))
        expected = {f"k{place}": value for place, value in enumerate(values)}
        assert store.history.user_attrs == expected
        await store.flush()
        history = (await (await another()).open_study("study")).history
        assert history.user_attrs == expected
        assert history.system_attrs == {key: [value] for key, value in expected.items()}

    async def test_storage_may_be_closed_more_than_once(
        self, storage: Storage, store: StudyStore, another: Handles
    ) -> None:
        await store.create([complete()])
        await storage.aclose()
        await storage.aclose()
        unused = await another()
        await unused.aclose()
        assert len(await trials(await another())) == 1
