"""Where studies are kept."""

from __future__ import annotations

from ahpo.storages.memory import InMemoryStorage
from ahpo.storages.protocol import Storage as BaseStorage

__all__ = ("BaseStorage", "InMemoryStorage")
