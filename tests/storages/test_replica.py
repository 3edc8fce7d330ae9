"""The replicated storage, over a server that is plain data."""

from __future__ import annotations

import pytest

from ahpo.storages.replicated import ReplicatedStorage
from ahpo.testing import StorageMachine, StorageTests
from ahpo.testing.storage_handles import Connect
from tests.storages.toy_backend import ToyServer


class TestReplicatedStorage(StorageTests):
    @pytest.fixture
    def connect(self) -> Connect:
        server = ToyServer()
        return lambda: ReplicatedStorage(server.backend)


class ReplicaMachine(StorageMachine):
    def new_storage(self) -> Connect:
        server = ToyServer()
        return lambda: ReplicatedStorage(server.backend)


TestReplicaMachine = ReplicaMachine.TestCase
