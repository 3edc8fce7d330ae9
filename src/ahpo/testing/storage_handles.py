"""What the tests of storages share: handles on one storage, and how to look at a study."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import pytest
import pytest_asyncio

from ahpo.history.records import FinishedTrial
from ahpo.states import StudyDirection, TrialState
from ahpo.storages.protocol import Storage, StudyStore

__all__ = (
    "MAXIMIZE",
    "MINIMIZE",
    "NOW",
    "Connect",
    "Handles",
    "WithHandles",
    "complete",
    "opened",
    "trials",
    "waiting",
)

MINIMIZE, MAXIMIZE = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE
# In whole seconds, which is all that some databases keep; in microseconds.
NOW = 1_700_000_000_000_000

# Returns another handle on the same storage, or an awaitable of one.
Connect = Callable[[], Storage | Awaitable[Storage]]


class Handles(Protocol):
    """Give one more handle on the storage under test; each is closed at the end of the test."""

    async def __call__(self) -> Storage:
        """Return a handle."""
        ...


async def opened(connect: Connect) -> Storage:
    """Return a new handle."""
    handle = connect()
    return await handle if inspect.isawaitable(handle) else handle


class WithHandles:
    """Give tests a storage and any number of handles on it."""

    @pytest.fixture
    def connect(self) -> Connect:
        """Return a function that gives a handle on a storage, empty at first and always the same.

        Each handle should be what another process would have: a connection of its own. A storage
        that lives in one process only, gives itself each time.
        """
        raise NotImplementedError

    @pytest_asyncio.fixture
    async def another(self, connect: Connect) -> AsyncIterator[Handles]:
        """Return a coroutine function that gives one more handle."""
        handles: list[Storage] = []

        async def another() -> Storage:
            handles.append(await opened(connect))
            return handles[-1]

        yield another
        for handle in handles:
            await handle.aclose()

    @pytest_asyncio.fixture
    async def storage(self, another: Handles) -> Storage:
        """Return a first handle on the storage."""
        return await another()

    @pytest_asyncio.fixture
    async def store(self, storage: Storage) -> StudyStore:
        """Return a study to work on, named "study", with one objective to be minimized."""
        return await storage.create_study("study", [MINIMIZE])


async def trials(handle: Storage, study_name: str = "study") -> list[FinishedTrial]:
    """Return the trials of a study as a handle finds them that opens it now."""
    store = await handle.open_study(study_name)
    await store.refresh()
    return [store.history.record(number) for number in range(store.history.n_trials)]


def complete(value: float = 1.0, **parts: Any) -> FinishedTrial:
    """Return a complete trial to add; its number and identifier mean nothing."""
    trial = FinishedTrial(
        -1, -1, TrialState.COMPLETE, (value,), {}, {}, {}, {}, {}, NOW, NOW + 10**6
    )
    return trial._replace(**parts)


def waiting(**parts: Any) -> FinishedTrial:
    """Return a waiting trial to add."""
    return complete(state=TrialState.WAITING, values=None, started=None, completed=None)._replace(
        **parts
    )
