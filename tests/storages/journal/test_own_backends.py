"""A user's own backend of a journal will do, and so will one of Optuna's."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import optuna
import pytest

from ahpo.exceptions import StorageInternalError
from ahpo.storages.exchange import Start
from ahpo.storages.journal import JournalBackend, JournalFileBackend
from tests.storages.journal.conftest import ListBackend
from tests.storages.journal.store import MINIMIZE, NOW, WAITING, TellingStore

pytestmark = pytest.mark.asyncio


async def created(log_storage: Any) -> TellingStore:
    return TellingStore(await JournalBackend(log_storage).create_study("study", MINIMIZE))


async def opened(log_storage: Any) -> TellingStore:
    return TellingStore(await JournalBackend(log_storage).open_study("study"))


async def test_what_others_appended_meanwhile_is_heeded() -> None:
    """Nothing keeps them from it: so what became of one's lines is read, and not assumed."""

    class Hurried(ListBackend):
        meanwhile: list[dict[str, Any]]

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            super().append_logs([{"worker_id": "another", **log} for log in self.meanwhile])
            self.meanwhile = []
            super().append_logs(logs)

    hurried = Hurried([])
    hurried.meanwhile = []
    store = await created(hurried)
    await store.create(WAITING, WAITING)
    claim = {"op_code": 6, "trial_id": 0, "state": 0, "values": None}
    trial = {"op_code": 4, "study_id": 0, "datetime_start": None}
    hurried.meanwhile = [claim | {"datetime_start": "2026-11-21T22:37:51"}, trial]
    assert await store.exchange(*[Start(NOW, False)] * 3) == [4, 1, 3]
    assert await store.refresh() == await (await opened(hurried)).refresh()


async def test_backend_that_forgets_is_an_error() -> None:
    class Forgetful(ListBackend):
        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            pass

    with pytest.raises(StorageInternalError, match="does not return what was appended"):
        await created(Forgetful([]))


async def test_what_a_subclass_changes_is_heeded(tmp_path: Path) -> None:
    class Encoded(JournalFileBackend):
        def append_logs(self, logs):
            texts = [base64.b64encode(json.dumps(log).encode()).decode() for log in logs]
            super().append_logs([{"text": text} for text in texts])

        def read_logs(self, log_number_from):
            for log in super().read_logs(log_number_from):
                yield json.loads(base64.b64decode(log["text"]))

    path = str(tmp_path / "journal.log")
    store = await created(Encoded(path))
    assert await store.start() == 0
    assert len(await (await opened(Encoded(path))).refresh()) == 1
    assert [list(log) for log in JournalFileBackend(path).read_logs(0)] == [["text"]] * 2


async def test_backend_of_optuna_will_do(tmp_path: Path) -> None:
    path = str(tmp_path / "journal.log")
    store = await created(optuna.storages.journal.JournalFileBackend(path))
    assert await store.start() == 0
    assert len(await (await opened(JournalFileBackend(path))).refresh()) == 1


async def test_what_is_no_backend_is_refused() -> None:
    with pytest.raises(TypeError, match="`log_storage` must be .* but it is 'journal.log'"):
        JournalBackend("journal.log")  # type: ignore[arg-type]
