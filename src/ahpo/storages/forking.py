"""What becomes of the open stores when the process forks."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

__all__ = ("Forking", "guard")


class Forking(Protocol):
    """Hold a lock during each change, and something that a child does not have."""

    lock: threading.Lock

    def forked(self) -> None:
        """Leave to the parent what is the parent's."""
        ...


_stores: weakref.WeakSet[Forking] = weakref.WeakSet()
_held: list[Forking] = []
_forking = threading.Lock()  # two threads may fork at once


def guard(store: Forking) -> None:
    """See to it that a store is never forked in the middle of a change, for as long as it lives."""
    _stores.add(store)


def _before_fork() -> None:
    _forking.acquire()
    _held[:] = list(_stores)
    for store in _held:
        store.lock.acquire()


def _in_parent() -> None:
    for store in _held:
        store.lock.release()
    _held.clear()
    _forking.release()


def _in_child() -> None:
    global _forking
    for store in _held:
        store.forked()
        store.lock.release()
    _held.clear()
    _forking = threading.Lock()


os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
