"""Locks that are files, the same ones as Optuna's, so that ours and its exclude each other.

Whoever makes the lock file holds the lock. That works on every file system, NFS too, where locks
of the operating system do not; but if the holder dies, the file stays. So a waiter that has seen
nothing change for a grace period takes the lock away.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
import warnings
from abc import ABC, abstractmethod

from ahpo.logging import get_logger
from ahpo.storages.unique import unique_name

__all__ = (
    "BaseJournalFileLock",
    "FileLock",
    "JournalFileOpenLock",
    "JournalFileSymlinkLock",
)

_SUFFIX = ".lock"
_RELEASED_SUFFIX = ".rename"
_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.1
_SECONDS_TO_A_WARNING = 10.0
_SMALL_GRACE_PERIOD = 3

_logger = get_logger(__name__)
# Of a lock file: which one it is, and when it or what it points to has changed.
_Sighting = tuple[int, ...]


class BaseJournalFileLock(ABC):
    """Be the base of locks that keep the processes which share a journal apart."""

    @abstractmethod
    def acquire(self) -> bool:
        """Wait for the lock, and return True when it is held."""

    @abstractmethod
    def release(self) -> None:
        """Release the lock.

        :raises RuntimeError: if it was not held
        """


class FileLock(BaseJournalFileLock):
    """Be the base of the locks that are a file of the name of the journal and a suffix."""

    def __init__(self, filepath: str, grace_period: int | None = 30) -> None:
        if grace_period is not None:
            if grace_period <= 0:
                raise ValueError(
                    f"`grace_period` must be above 0, or None, but it is {grace_period!r}."
                )
            if grace_period < _SMALL_GRACE_PERIOD:
                warnings.warn(
                    f"`grace_period` is {grace_period!r} seconds: a process that is slow may lose "
                    "its lock to another one.",
                    stacklevel=2,
                )
        self.grace_period = grace_period
        # Absolute, since a link is read from where it lies.
        self._target = os.path.abspath(os.fspath(filepath))
        self._path = self._target + _SUFFIX
        self._held: _Sighting | None = None

    def _make(self) -> None:
        """Make the lock file.

        :raises FileExistsError: if there is one
        """
        raise NotImplementedError

    def take(self) -> bool:
        """Take the lock if it is free, and return whether it was."""
        try:
            self._make()
        except FileExistsError:
            return False
        self._held = self._file()
        return True

    def acquire(self) -> bool:
        started = warned = time.monotonic()
        seen, since = None, started
        pause = _FIRST_PAUSE
        while True:
            if self.take():
                return True
            now = time.monotonic()
            sighting = self._sighting()
            if sighting is None:
                continue  # it has just gone
            if sighting != seen:
                if seen is not None and sighting[:2] != seen[:2]:
                    pause = _FIRST_PAUSE  # it goes from hand to hand
                seen, since = sighting, now
            elif self.grace_period is not None and now - since > self.grace_period:
                _logger.warning(
                    f"The lock {self._path} has been held for {now - since:.0f} seconds without a "
                    "change to the journal: its holder has died, as it seems. It is released."
                )
                self._take_away(sighting)
                seen, since, pause = None, now, _FIRST_PAUSE
                continue
            if now - warned > _SECONDS_TO_A_WARNING:
                _logger.warning(f"Waiting for the lock {self._path} since {now - started:.0f} s.")
                warned = now
            # Those who wait must not try at the same moments for ever.
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def release(self) -> None:
        held, self._held = self._held, None
        if held is not None and self._file() != held:
            raise RuntimeError(f"The lock {self._path} is held by somebody else by now.")
        self._remove()

    def _remove(self, expected: _Sighting | None = None) -> None:
        """Remove the lock file.

        :param expected: which one it must be; another one is left, as far as that is possible
        :raises RuntimeError: if there is none
        """
        # Renamed first: two who remove it at once must not remove two of them.
        aside = f"{self._path}{unique_name()}{_RELEASED_SUFFIX}"
        try:
            os.rename(self._path, aside)
        except OSError as error:
            raise RuntimeError(f"The lock {self._path} is not held ({error}).") from error
        if expected is not None and self._file(aside) != expected[:2]:
            # Another waiter has been quicker, and this is its lock: it goes back.
            with contextlib.suppress(OSError, NotImplementedError):
                os.link(aside, self._path, follow_symlinks=False)
        os.unlink(aside)

    def _take_away(self, sighting: _Sighting) -> None:
        if self._sighting() == sighting:
            with contextlib.suppress(RuntimeError):  # another waiter was quicker
                self._remove(sighting)

    def _file(self, path: str | None = None) -> _Sighting | None:
        try:
            status = os.lstat(self._path if path is None else path)
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _sighting(self) -> _Sighting | None:
        file = self._file()
        if file is None:
            return None
        try:
            # Through the link: the holder lives if the journal grows.
            return *file, os.stat(self._path).st_mtime_ns
        except OSError:
            return file

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._target!r}, grace_period={self.grace_period!r})"


class JournalFileSymlinkLock(FileLock):
    """Hold a lock by making a symbolic link. It works on NFSv2 and later.

    :param filepath: the file to lock; the link is beside it
    :param grace_period: after how many seconds without any change to the file a lock is taken from
        whoever holds it, or None for never
    """

    def _make(self) -> None:
        os.symlink(self._target, self._path)


class JournalFileOpenLock(FileLock):
    """Hold a lock by making a file. It works on NFSv3 and later, and where there are no links.

    :param filepath: the file to lock; the lock file is beside it
    :param grace_period: after how many seconds a lock is taken from whoever holds it, or None for
        never
    """

    def _make(self) -> None:
        os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
