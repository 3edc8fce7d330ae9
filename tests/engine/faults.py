"""Faults as objects: a storage that waits at every operation, is slow, or fails at the n-th one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from ahpo.exceptions import StorageInternalError
from ahpo.history.facts import Fact, TrialFinished
from ahpo.history.records import FinishedTrial
from ahpo.states import StudyDirection
from ahpo.storages.memory import InMemoryStorage
from ahpo.storages.protocol import Storage, StudyStore

__all__ = ("WaitingStorage",)

T = TypeVar("T")


class WaitingStorage(Storage):
    """Keep studies in memory, behind operations that have to wait as those of a database do.

    :param fail_before: the number of the operation, from 1, that fails without having happened
    :param fail_after: the number of the operation, from 1, that fails although it happened
    :param seconds: how long each operation takes, half of it before it happens; 0 waits for one
        turn of the loop on either side
    """

    def __init__(
        self, fail_before: int | None = None, fail_after: int | None = None, seconds: float = 0.0
    ) -> None:
        self.inner = InMemoryStorage()
        self.fail_before = fail_before
        self.fail_after = fail_after
        self.seconds = seconds
        self.operations: list[str] = []
        self.finished: list[int] = []  # trials whose end was acknowledged or may have been

    async def operation(
        self, name: str, work: Callable[..., Coroutine[Any, Any, T]], *args: Any
    ) -> T:
        """Do the work with a wait before and after it, and with the fault that falls on it."""
        self.operations.append(name)
        number = len(self.operations)
        await asyncio.sleep(self.seconds / 2)
        if number == self.fail_before:
            raise StorageInternalError(f"operation {number}, {name}, was refused")
        result = await work(*args)
        if number == self.fail_after:
            raise StorageInternalError(f"the answer of operation {number}, {name}, was lost")
        await asyncio.sleep(self.seconds / 2)
        return result

    async def create_study(
        self, study_name: str | None, directions: Sequence[StudyDirection]
    ) -> StudyStore:
        return WaitingStore(self, await self.inner.create_study(study_name, directions))

    async def open_study(self, study_name: str) -> StudyStore:
        return WaitingStore(self, await self.inner.open_study(study_name))

    async def delete_study(self, study_name: str) -> None:
        await self.inner.delete_study(study_name)

    async def study_names(self) -> list[str]:
        return await self.inner.study_names()


class WaitingStore(StudyStore):
    """Be a study in a `WaitingStorage`."""

    def __init__(self, storage: WaitingStorage, inner: StudyStore) -> None:
        self._storage = storage
        self._inner = inner
        self.history = inner.history
        self.study_id = inner.study_id

    def record(self, fact: Fact) -> None:
        self._inner.record(fact)

    async def start(self, at: int) -> int:
        return await self._storage.operation("start", self._inner.start, at)

    async def create(self, trials: Sequence[FinishedTrial]) -> list[int]:
        return await self._storage.operation("create", self._inner.create, trials)

    async def flush(self) -> None:
        await self._storage.operation("flush", self._inner.flush)

    async def finish(self, fact: TrialFinished) -> None:
        await self._storage.operation("finish", self._inner.finish, fact)
        self._storage.finished.append(fact.number)

    async def refresh(self) -> None:
        await self._storage.operation("refresh", self._inner.refresh)
