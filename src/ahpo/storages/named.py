"""Storages by their URLs."""

from __future__ import annotations

from ahpo.storages.memory import InMemoryStorage
from ahpo.storages.protocol import Storage

__all__ = ("get_storage", "storage_named")


def storage_named(url: str) -> Storage:
    """Return the storage that a URL names.

    :raises ValueError: if the URL is of no kind that is known
    """
    if url.startswith(("redis://", "rediss://", "unix://")):
        from ahpo.storages.journal import JournalRedisBackend, JournalStorage

        return JournalStorage(JournalRedisBackend(url))
    from ahpo.storages.rdb import RDBStorage

    return RDBStorage(url)


def get_storage(storage: str | Storage | None) -> Storage:
    """Return a storage as an object; None is a new one in memory, a str one known by its URL.

    :raises ValueError: if the URL is of no kind that is known
    :raises TypeError: if it is no storage
    """
    if storage is None:
        return InMemoryStorage()
    if isinstance(storage, Storage):
        return storage
    if isinstance(storage, str):
        return storage_named(storage)
    raise TypeError(f"`storage` must be None, a URL or a storage, but it is {storage!r}.")
