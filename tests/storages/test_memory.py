"""What only the storage in memory promises."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Coroutine
from typing import Any

from ahpo.distributions import FloatDistribution
from ahpo.history.facts import (
    ParamSet,
    StudyUserAttrSet,
    SystemAttrSet,
    TrialFinished,
    UserAttrSet,
    ValueReported,
)
from ahpo.history.index import Index
from ahpo.history.view import View
from ahpo.states import TrialState
from ahpo.storages import InMemoryStorage
from ahpo.storages.protocol import Storage, StudyStore
from ahpo.testing.storage_handles import MINIMIZE, NOW, complete, trials, waiting


def at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns that never suspends; no event loop is needed."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("The coroutine suspended.")


def two_studies() -> tuple[Storage, list[StudyStore]]:
    storage = InMemoryStorage()
    stores = [at_once(storage.create_study(name, [MINIMIZE])) for name in ("one", "two")]
    for store in stores:
        at_once(store.create([complete(user_attrs={"k": [1]}), waiting(), waiting()]))
        at_once(store.start(NOW))
    return storage, stores


def test_no_operation_suspends() -> None:
    storage, stores = two_studies()
    for store in stores:
        number = at_once(store.start(NOW))
        store.record(UserAttrSet(number, "k", 1))
        at_once(store.flush())
        at_once(store.refresh())
        at_once(store.finish(TrialFinished(number, TrialState.FAIL, None, NOW)))
    assert at_once(storage.study_names()) == ["one", "two"]
    assert at_once(storage.open_study("one")) is stores[0]
    at_once(storage.delete_study("one"))
    assert at_once(storage.study_names()) == ["two"]
    at_once(storage.aclose())


def test_pickled_storage_is_equal_and_goes_on_by_itself() -> None:
    storage, stores = two_studies()
    copy: Storage = pickle.loads(pickle.dumps(storage))
    for name, store in zip(("one", "two"), stores, strict=True):
        before = asyncio.run(trials(storage, name))
        assert asyncio.run(trials(copy, name)) == before
        twin = at_once(copy.open_study(name))
        assert twin.study_id == store.study_id
        assert (at_once(twin.start(NOW)), at_once(twin.start(NOW))) == (2, 3)
        assert asyncio.run(trials(storage, name)) == before
    identifiers = [t.trial_id for name in ("one", "two") for t in asyncio.run(trials(copy, name))]
    assert len(set(identifiers)) == 8
    new = at_once(copy.create_study(None, [MINIMIZE]))
    assert new.study_id not in [store.study_id for store in stores]


def test_index_is_made_under_the_lock_of_the_store_also_after_pickling() -> None:
    """Else a trial that finished while another thread made the index would be missed for ever."""
    storage, _ = two_studies()

    class Looks(Index):
        def attribute(self, number: int, key: str, value: Any) -> None:
            locked.append(store._lock.locked())

    for place in (storage, pickle.loads(pickle.dumps(storage))):
        locked: list[bool] = []
        store = at_once(place.open_study("one"))
        store.record(SystemAttrSet(1, "k", 1))
        View(store.history).index(Looks)
        assert locked == [True]


def test_studies_of_one_storage_may_be_shared_by_threads_and_handles() -> None:
    storage, stores = two_studies()
    assert at_once(storage.open_study("two")) is stores[1]
    assert at_once(storage.open_study("two")).history is stores[1].history


class Watches:
    """Tell, while it is pickled, whether the store is locked."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def __reduce__(self) -> tuple[type[list[Any]], tuple[Any, ...]]:
        return list, ([self.store._lock.locked()],)


def test_pickling_leaves_the_store_to_others_meanwhile() -> None:
    """Whatever takes long in it, as a large attribute does, running trials go on."""
    storage, stores = two_studies()
    stores[0].record(UserAttrSet(1, "watches", Watches(stores[0])))
    copy: Storage = pickle.loads(pickle.dumps(storage))
    (running, *_) = [t for t in asyncio.run(trials(copy, "one")) if "watches" in t.user_attrs]
    assert running.user_attrs["watches"] == [False]


class Goes:
    """Let the study go on while it is pickled."""

    def __init__(self, store: StudyStore) -> None:
        self.store = store

    def __reduce__(self) -> tuple[type[list[Any]], tuple[()]]:
        store, x = self.store, FloatDistribution(0.0, 1.0)
        store.record(ParamSet(1, "x", 0.5, x))
        store.record(ValueReported(1, 1, 0.5))
        store.record(UserAttrSet(1, "later", 1))
        store.record(StudyUserAttrSet("later", 1))
        at_once(store.finish(TrialFinished(1, TrialState.COMPLETE, (1.0,), NOW)))
        for _ in range(50):
            number = at_once(store.start(NOW))
            store.record(ParamSet(number, "y", 0.5, x))
            at_once(store.finish(TrialFinished(number, TrialState.COMPLETE, (0.0,), NOW)))
        return list, ()


def test_pickle_is_of_the_moment_at_which_it_began() -> None:
    storage, stores = two_studies()
    before = asyncio.run(trials(storage, "one"))
    stores[0].record(StudyUserAttrSet("goes", Goes(stores[0])))
    copy: Storage = pickle.loads(pickle.dumps(storage))
    twin = at_once(copy.open_study("one"))
    assert asyncio.run(trials(copy, "one")) == before
    assert twin.history.user_attrs == {"goes": []}
    assert list(twin.history.table.columns) == []
    number = at_once(twin.start(NOW))
    at_once(twin.finish(TrialFinished(number, TrialState.COMPLETE, (2.0,), NOW)))
    assert twin.history.best_number == 0
    assert stores[0].history.best_number == 2
