"""The conformance suite for storages."""

from __future__ import annotations

import pytest

from ahpo.testing.storage_cancelling import CancellingTests
from ahpo.testing.storage_facts import FactTests
from ahpo.testing.storage_studies import StudyTests
from ahpo.testing.storage_trials import TrialTests

__all__ = ("StorageTests",)


@pytest.mark.asyncio
class StorageTests(StudyTests, TrialTests, FactTests, CancellingTests):
    """Check a storage: every condition that `ahpo.storages.protocol` states is a test here.

    Subclass it and override the fixture ``connect``, so that it returns a function which gives
    handles on one and the same storage::

        class TestMyStorage(StorageTests):
            @pytest.fixture
            def connect(self, tmp_path):
                return lambda: MyStorage(tmp_path / "file.db")

    Each handle should be what another process would have. A storage that lives in one process
    only, gives itself each time. The function may also be a coroutine function.
    """
