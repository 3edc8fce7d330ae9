"""Journals of each kind, on which several backends may be opened, as in several processes."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ahpo.storages.journal import (
    BaseJournalBackend,
    JournalBackend,
    JournalFileBackend,
    JournalRedisBackend,
)

Clock = Callable[[], float]


class HandClock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class ListBackend(BaseJournalBackend):
    """A user's own backend: the least that there can be."""

    def __init__(self, logs: list[str]) -> None:
        self.logs = logs

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        return [json.loads(log) for log in self.logs[log_number_from:]]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.logs += [json.dumps(log) for log in logs]


class Journal:
    """One journal: `log_storage` gives what one process would open it with."""

    def __init__(self, log_storage: Callable[[], BaseJournalBackend]) -> None:
        self.log_storage = log_storage
        self.clock = HandClock()
        self._backends: list[JournalBackend] = []

    def backend(self) -> JournalBackend:
        self._backends.append(JournalBackend(self.log_storage(), self.clock))
        return self._backends[-1]

    async def aclose(self) -> None:
        for backend in self._backends:
            await backend.aclose()

    def lines(self) -> list[dict[str, Any]]:
        return list(self.log_storage().read_logs(0))

    def append(self, *logs: dict[str, Any]) -> None:
        self.log_storage().append_logs([{"worker_id": "another", **log} for log in logs])


@pytest_asyncio.fixture(params=["file", "own", "redis"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    made = _journal(request, tmp_path)
    yield made
    await made.aclose()


def _journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    if request.param == "file":
        return Journal(lambda: JournalFileBackend(str(tmp_path / "journal.log")))
    if request.param == "redis":
        url, prefix = request.getfixturevalue("redis_url"), str(uuid.uuid4())
        return Journal(lambda: JournalRedisBackend(url, prefix=prefix))
    logs: list[str] = []
    return Journal(lambda: ListBackend(logs))
