"""The storages pass the conformance suite, and so does one whose handles wait and differ."""

from __future__ import annotations

import pytest

from ahpo.storages import InMemoryStorage
from ahpo.testing.storage_handles import Connect
from ahpo.testing.storages import StorageTests
from tests.engine.faults import WaitingStorage
from tests.storages.replicated import Server


class TestInMemoryStorage(StorageTests):
    @pytest.fixture
    def connect(self) -> Connect:
        storage = InMemoryStorage()
        return lambda: storage


class TestInMemoryStorageThatWaits(StorageTests):
    @pytest.fixture
    def connect(self) -> Connect:
        storage = WaitingStorage()
        return lambda: storage


class TestReplicatedStorage(StorageTests):
    @pytest.fixture
    def connect(self) -> Connect:
        return Server().connect
