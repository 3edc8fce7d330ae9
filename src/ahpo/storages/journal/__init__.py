"""Journals: studies as lines that are appended, in a file, in Redis or wherever a user likes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ahpo.lazy import lazily

if TYPE_CHECKING:
    from ahpo.storages.journal.backend import JournalBackend
    from ahpo.storages.journal.base import BaseJournalBackend
    from ahpo.storages.journal.file import JournalFileBackend, JournalFileStorage
    from ahpo.storages.journal.locks import (
        BaseJournalFileLock,
        JournalFileOpenLock,
        JournalFileSymlinkLock,
    )
    from ahpo.storages.journal.redis import JournalRedisBackend, JournalRedisStorage
    from ahpo.storages.journal.storage import JournalStorage

_JOURNAL = "ahpo.storages.journal."

__getattr__ = lazily(
    globals(),
    {
        "BaseJournalBackend": _JOURNAL + "base",
        "BaseJournalFileLock": _JOURNAL + "locks",
        "JournalBackend": _JOURNAL + "backend",
        "JournalFileBackend": _JOURNAL + "file",
        "JournalFileOpenLock": _JOURNAL + "locks",
        "JournalFileStorage": _JOURNAL + "file",
        "JournalFileSymlinkLock": _JOURNAL + "locks",
        "JournalStorage": _JOURNAL + "storage",
        "JournalRedisBackend": _JOURNAL + "redis",
        "JournalRedisStorage": _JOURNAL + "redis",
    },
)

__all__ = (
    "BaseJournalBackend",
    "BaseJournalFileLock",
    "JournalBackend",
    "JournalFileBackend",
    "JournalFileOpenLock",
    "JournalFileStorage",
    "JournalFileSymlinkLock",
    "JournalRedisBackend",
    "JournalRedisStorage",
    "JournalStorage",
)
