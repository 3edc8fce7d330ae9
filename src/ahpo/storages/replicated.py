"""A storage that other processes may use too: it gives each study a replica here."""

from __future__ import annotations

import os
import time
import uuid
import weakref
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from ahpo.states import StudyDirection
from ahpo.storages.exchange import Backend, Link
from ahpo.storages.forks import leave_to_parent
from ahpo.storages.leases import LEASES, Leases
from ahpo.storages.patience import PATIENCE, Patience, patiently
from ahpo.storages.protocol import Storage, StudyStore
from ahpo.storages.replica import ReplicaStore
from ahpo.storages.thread import StorageThread, storage_thread

__all__ = ("ReplicatedStorage",)

T = TypeVar("T")


class ReplicatedStorage(Storage):
    """Keep studies where other processes can reach them too.

    Who opens a study twice gets the same store. What was closed is opened again when it is needed.

    :param make_backend: returns what reaches the place where they are kept
    :param leases: how running trials are kept alive; None for not at all
    :param patience: how long to try to reach a place that can not be reached
    """

    def __init__(
        self,
        make_backend: Callable[[], Backend],
        leases: Leases | None = LEASES,
        patience: Patience = PATIENCE,
    ) -> None:
        self._make_backend = make_backend
        self.leases = leases
        self.patience = patience
        self._thread: StorageThread | None = None
        self._backend: Backend | None = None
        self._abandoned: weakref.finalize[..., ReplicatedStorage]
        self._was_there = False
        _storages.add(self)
        self._stores: weakref.WeakValueDictionary[tuple[str, int], ReplicaStore] = (
            weakref.WeakValueDictionary()
        )

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for name in ("_thread", "_backend", "_was_there", "_stores", "_abandoned"):
            state.pop(name, None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self._thread = self._backend = None
        self._was_there = False
        self._stores = weakref.WeakValueDictionary()
        _storages.add(self)

    def reopened(self, study_name: str) -> ReplicaStore:
        """Open a study, blocking this thread, as unpickling it must."""
        return storage_thread().run(lambda: self._open(study_name)).result()

    @staticmethod
    def now() -> int:
        """Return the time of day, in microseconds since the epoch."""
        return time.time_ns() // 1000

    async def create_study(
        self, study_name: str | None, directions: Sequence[StudyDirection]
    ) -> StudyStore:
        name = f"no-name-{uuid.uuid4()}" if study_name is None else study_name
        link = await self._run(lambda backend: backend.create_study(name, directions))
        store = self._stores.get((name, link.study_id))
        if store is not None:
            self.forget(store)  # somebody else has deleted its study
        return await self._opened(link)

    async def open_study(self, study_name: str) -> StudyStore:
        return await self._open(study_name)

    async def _open(self, study_name: str) -> ReplicaStore:
        earlier: int | None = None
        while True:
            link = await self._run(lambda backend: backend.open_study(study_name))
            try:
                return await self._opened(link)
            except KeyError:
                # Deleted as it was opened: there may be another one of that name by now.
                if link.study_id == earlier:
                    raise
                earlier = link.study_id

    async def _opened(self, link: Link) -> ReplicaStore:
        key = (link.study_name, link.study_id)
        store = self._stores.get(key)
        if store is None:
            store = self._stores[key] = ReplicaStore(self, link, self.leases)
        else:
            await storage_thread().run(link.aclose)
        await store.refresh()
        return store

    async def delete_study(self, study_name: str) -> None:
        await self._run(lambda backend: backend.delete_study(study_name))
        for (name, _), store in tuple(self._stores.items()):
            if name == study_name:
                self.forget(store)
        await self._run(lambda backend: backend.sweep())

    def forget(self, store: ReplicaStore) -> None:
        """Take notice that the study of a store has been deleted.

        It has to be said, since the next one of its name may have its identifier.
        """
        store.deleted = True
        key = (store.history.study_name, store.study_id)
        if self._stores.get(key) is store:
            del self._stores[key]

    async def study_names(self) -> list[str]:
        return await self._run(lambda backend: backend.study_names())

    async def aclose(self) -> None:
        try:
            async with AsyncExitStack() as stack:  # which goes on where one of them fails
                for store in tuple(self._stores.values()):
                    stack.push_async_callback(store.aclose)
        finally:
            thread, backend = storage_thread(), self._backend
            if backend is not None and self._thread is thread and not backend.lives_while_open:
                self._backend = None
                thread.forget(self)
                self._abandoned.detach()
                await thread.run(backend.aclose)

    # -- on the storages' thread ------------------------------------------------------------

    def _here(self) -> Backend:
        thread = storage_thread()
        if self._backend is None or self._thread is not thread:
            # A forked child makes a new one: the connections of the old one are the parent's.
            backend = self._make_backend()
            self._thread, self._backend = thread, backend
            thread.at_exit(self, _farewell(weakref.ref(self)))
            # Plain code closes nothing: what it no longer has must not keep a connection.
            self._abandoned = weakref.finalize(self, thread.abandoned, id(self), backend.aclose)
            self._abandoned.atexit = False
        return self._backend

    async def relink(self, study_name: str) -> Link:
        """Return another link to a study, for a store whose link was closed."""
        return await self._here().open_study(study_name)

    async def _run(self, work: Callable[[Backend], Coroutine[Any, Any, T]]) -> T:
        async def attempts() -> T:
            done = await patiently(
                lambda repeated: work(self._here()), self.patience, self._was_there
            )
            self._was_there = True
            return done

        pending = storage_thread().run(attempts)
        try:
            return await pending
        except GeneratorExit:
            raise
        except BaseException:
            if not pending.done:  # when the caller learns of it, it has been done
                await pending.outlast()
            raise


def _farewell(
    storage: weakref.ref[ReplicatedStorage],
) -> Callable[[], Coroutine[Any, Any, None]]:
    async def farewell() -> None:
        kept = storage()
        if kept is not None:
            await kept.aclose()

    return farewell


_storages: weakref.WeakSet[ReplicatedStorage] = weakref.WeakSet()


def _in_child() -> None:
    for storage in _storages:
        if storage._backend is not None:
            leave_to_parent(storage._backend)


os.register_at_fork(after_in_child=_in_child)
