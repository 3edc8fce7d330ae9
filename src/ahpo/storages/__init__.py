"""Where studies are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ahpo.lazy import lazily
from ahpo.storages.memory import InMemoryStorage
from ahpo.storages.protocol import Storage as BaseStorage

if TYPE_CHECKING:
    from ahpo.storages import journal
    from ahpo.storages.journal import (
        BaseJournalBackend,
        JournalFileBackend,
        JournalFileOpenLock,
        JournalFileStorage,
        JournalFileSymlinkLock,
        JournalRedisBackend,
        JournalRedisStorage,
        JournalStorage,
    )
    from ahpo.storages.named import get_storage
    from ahpo.storages.rdb import RDBStorage
    from ahpo.storages.retry import (
        RetryFailedTrialCallback,
        RetryHeartbeatStaleTrialCallback,
        fail_stale_trials,
    )

__all__ = (
    "BaseJournalBackend",
    "BaseStorage",
    "InMemoryStorage",
    "JournalFileBackend",
    "JournalFileOpenLock",
    "JournalFileStorage",
    "JournalFileSymlinkLock",
    "JournalRedisBackend",
    "JournalRedisStorage",
    "JournalStorage",
    "RDBStorage",
    "RetryFailedTrialCallback",
    "RetryHeartbeatStaleTrialCallback",
    "fail_stale_trials",
    "get_storage",
    "journal",
)

# Storages that do I/O bring asyncio and drivers, which plain studies do without.
__getattr__ = lazily(
    globals(),
    {
        "BaseJournalBackend": "ahpo.storages.journal",
        "JournalFileBackend": "ahpo.storages.journal",
        "JournalFileOpenLock": "ahpo.storages.journal",
        "JournalFileStorage": "ahpo.storages.journal",
        "JournalFileSymlinkLock": "ahpo.storages.journal",
        "JournalRedisBackend": "ahpo.storages.journal",
        "JournalRedisStorage": "ahpo.storages.journal",
        "JournalStorage": "ahpo.storages.journal",
        "RDBStorage": "ahpo.storages.rdb",
        "RetryFailedTrialCallback": "ahpo.storages.retry",
        "RetryHeartbeatStaleTrialCallback": "ahpo.storages.retry",
        "fail_stale_trials": "ahpo.storages.retry",
        "get_storage": "ahpo.storages.named",
        "journal": "ahpo.storages.journal",
    },
)


def __dir__() -> tuple[str, ...]:
    return __all__
