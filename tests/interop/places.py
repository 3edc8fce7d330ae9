"""Where a study may be kept that both libraries open, each by a storage object of its own."""

from __future__ import annotations

from typing import Any

from ahpo.storages import JournalFileBackend, JournalRedisBackend, JournalStorage, RDBStorage
from ahpo.storages.protocol import Storage

__all__ = ("our_storage", "their_storage", "their_url")

_DRIVERS = {"postgresql://": "postgresql+psycopg2://", "mysql://": "mysql+pymysql://"}


def their_url(address: str) -> str:
    """Return the URL of a database with the driver that Optuna needs."""
    for ours, theirs in _DRIVERS.items():
        address = address.replace(ours, theirs)
    return address


def our_storage(address: str, **options: Any) -> Storage:
    """Return a new storage of ours.

    :param address: the URL of a database or of Redis, or the path of a journal
    """
    if address.startswith("redis://"):
        return JournalStorage(JournalRedisBackend(address), **options)
    if "://" in address:
        return RDBStorage(address, **options)
    return JournalStorage(JournalFileBackend(address), **options)


def their_storage(address: str, **options: Any) -> Any:
    """Return a new storage of Optuna's."""
    from optuna import storages  # here, for processes that do without

    if address.startswith("redis://"):
        return storages.JournalStorage(storages.journal.JournalRedisBackend(address), **options)
    if "://" in address:
        return storages.RDBStorage(their_url(address), **options)
    return storages.JournalStorage(storages.journal.JournalFileBackend(address), **options)
