"""Any sequence of operations leaves the storages as plain dicts say."""

from __future__ import annotations

from hypothesis import settings

from ahpo.storages import InMemoryStorage
from ahpo.testing.storage_handles import Connect
from ahpo.testing.storage_machine import StorageMachine
from tests.engine.faults import WaitingStorage
from tests.storages.replicated import Server


class InMemoryMachine(StorageMachine):
    def new_storage(self) -> Connect:
        storage = InMemoryStorage()
        return lambda: storage


class WaitingMachine(StorageMachine):
    def new_storage(self) -> Connect:
        storage = WaitingStorage()
        return lambda: storage


class ReplicatedMachine(StorageMachine):
    def new_storage(self) -> Connect:
        return Server().connect


TestInMemoryStorage = InMemoryMachine.TestCase
TestInMemoryStorageThatWaits = WaitingMachine.TestCase
TestReplicatedStorage = ReplicatedMachine.TestCase

# Many short sequences find more than a few long ones.
SHORT = settings(max_examples=settings().max_examples // 2, stateful_step_count=20)
TestInMemoryStorage.settings = SHORT
TestInMemoryStorageThatWaits.settings = SHORT
TestReplicatedStorage.settings = SHORT
