"""A journal in a file, which any number of processes may share, on NFS too."""

from __future__ import annotations

import json
import os
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from typing import Any

from ahpo.exceptions import StorageInternalError
from ahpo.logging import get_logger
from ahpo.storages.exchange import StorageUnavailable
from ahpo.storages.journal.base import BaseJournalBackend, Place, ThreadPlace, Transaction
from ahpo.storages.journal.locks import (
    BaseJournalFileLock,
    FileLock,
    JournalFileSymlinkLock,
)
from ahpo.storages.journal.records import dumps
from ahpo.storages.pending import in_plain_code

__all__ = ("FilePlace", "JournalFileBackend", "JournalFileStorage")

_CHUNK = 1 << 19
# More than this is read before the lock is taken, so that others need not wait for it.
_MUCH = 1 << 20
# What is read and written on the event loop, and how many seconds the last one may have taken.
_LITTLE = 1 << 16
_NO_TIME = 0.002

# With which each line of a journal begins, ours and those of Optuna.
_START = b'{"op_code"'

_LASTING = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)

_logger = get_logger(__name__)


class JournalFileBackend(BaseJournalBackend):
    """Keep a journal in a file.

    :param file_path: the file, which is made if there is none
    :param lock_obj: what keeps the processes apart that append, by default a
        `JournalFileSymlinkLock`; where symbolic links need a privilege, as on Windows, a
        `JournalFileOpenLock`
    """

    def __init__(self, file_path: str, lock_obj: BaseJournalFileLock | None = None) -> None:
        self._path = os.path.abspath(os.fspath(file_path))
        self._lock = JournalFileSymlinkLock(self._path) if lock_obj is None else lock_obj
        if not os.path.exists(self._path):
            _make(self._path)
        self._known = (0, 0)  # a log's number and where it begins

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        number, cursor = self._known
        if number > log_number_from:
            number, cursor = 0, 0
        with _opened(self._path, os.O_RDONLY) as file:
            for text, end in _texts(file, cursor):
                lines = text.split("\n")[:-1]
                for line in lines[max(log_number_from - number, 0) :]:
                    yield json.loads(line)
                number, cursor = number + len(lines), end
                self._known = (number, cursor)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with self._locked(), _opened(self._path, os.O_RDWR) as file:
            _cut_torn_end(self._path, file, _end_of_lines(file))
            _append(file, [dumps(log) for log in logs])
            os.fsync(file.fileno())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock.acquire()
        with self._releasing():
            yield

    @contextmanager
    def _releasing(self) -> Iterator[None]:
        try:
            yield
        finally:
            try:
                self._lock.release()
            except RuntimeError as error:
                _logger.warning(f"The lock of the journal {self._path} was lost: {error}")

    def _place(self) -> Place:
        return super()._place() if self._is_changed(JournalFileBackend) else FilePlace(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._path!r}, {self._lock!r})"


class JournalFileStorage(JournalFileBackend):
    """Keep a journal in a file: deprecated, use `JournalFileBackend`.

    :param file_path: the file
    :param lock_obj: what keeps the processes apart that append
    """

    def __init__(self, file_path: str, lock_obj: BaseJournalFileLock | None = None) -> None:
        warnings.warn(
            "JournalFileStorage is deprecated: use JournalFileBackend.", FutureWarning, stacklevel=2
        )
        super().__init__(file_path, lock_obj)


class FilePlace(ThreadPlace):
    """Run transactions on a file; those that append, under the file's lock."""

    def __init__(self, backend: JournalFileBackend) -> None:
        self._backend = backend
        # Threads of this process queue here, where the next one need not poll.
        self._lock = threading.Lock()
        self._n_appended = self._n_synced = 0  # how often, and how much of that is on disk
        self._swift = False  # whether the last one took no time to speak of

    def carry_out_at_once(self, transaction: Transaction) -> bool:
        # Changing threads takes longer than most transactions. But whoever holds the lock, a disk
        # and NFS may take any time, and the event loop is not only ours.
        lock, path = self._backend._lock, self._backend._path
        synced = transaction.durable and transaction.may_write
        if not isinstance(lock, FileLock):
            return False
        if not in_plain_code() and (synced or not self._swift):
            return False
        with _translated(path):
            with self._timed():
                if not self._at_once(transaction, lock):
                    return False
            if synced:
                self._sync(path)
        return True

    def _at_once(self, transaction: Transaction, lock: FileLock) -> bool:
        path = self._backend._path
        if _size(path) - transaction.cursor > _LITTLE:
            return False
        if not transaction.may_write:
            return self._look(transaction)
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if not lock.take():
                return False
            with self._backend._releasing(), _opened(path, os.O_RDWR) as file:
                self._change(file, transaction)
        finally:
            self._lock.release()
        return True

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._swift = time.perf_counter() - began < _NO_TIME

    def _look(self, transaction: Transaction) -> bool:
        with _opened(self._backend._path, os.O_RDONLY) as file:
            return _read(file, transaction)

    def carry_out(self, transaction: Transaction) -> bool:
        path = self._backend._path
        with _translated(path):
            if not transaction.may_write or _size(path) - transaction.cursor > _MUCH:
                if not self._look(transaction):
                    return False
            if transaction.may_write:
                with self._lock, self._backend._locked():
                    with self._timed(), _opened(path, os.O_RDWR) as file:
                        self._change(file, transaction)
                if transaction.durable:
                    self._sync(path)
        return True

    def _change(self, file: FileIO, transaction: Transaction) -> None:
        _read(file, transaction, locked=True)
        _cut_torn_end(self._backend._path, file, transaction.cursor)
        while lines := transaction.plan():
            text = "\n".join(lines) + "\n"
            self._n_appended += 1
            if _append(file, lines) == transaction.cursor:
                transaction.absorb(text, transaction.cursor + len(text.encode()))
            else:
                # Somebody has taken the lock away, and appended.
                _read(file, transaction, locked=True)

    def _sync(self, path: str) -> None:
        # Not under the lock: meanwhile others append, and one sync is good for many of them. What
        # is built on lines that are not on disk yet comes after them, and is synced with them.
        n_appended = self._n_appended
        if self._n_synced < n_appended:
            with _opened(path, os.O_RDWR) as file:
                os.fsync(file.fileno())
            self._n_synced = max(self._n_synced, n_appended)


@contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except _LASTING as error:
        raise StorageInternalError(f"The journal {path} can not be used: {error}") from error
    except OSError as error:
        raise StorageUnavailable(f"The journal {path} is out of reach: {error}") from error


def _make(path: str) -> None:
    open(path, "ab").close()
    # A file is there after a failure of the power if its folder is synced; not all systems can.
    with suppress(OSError):
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _size(path: str) -> int:
    return os.stat(path).st_size


@contextmanager
def _opened(path: str, mode: int) -> Iterator[FileIO]:
    # Anew each time: on NFS it is opening that makes what others wrote visible, and closing that
    # makes one's own visible to them. Unbuffered, so that what is written is one system call.
    descriptor = os.open(path, mode | os.O_APPEND | getattr(os, "O_BINARY", 0))
    with FileIO(descriptor, "rb" if mode == os.O_RDONLY else "rb+") as file:
        yield file


def _texts(file: FileIO, cursor: int, locked: bool = False) -> Iterator[tuple[str, int]]:
    """Yield whole lines from ``cursor`` on in large pieces, each with where it ends.

    What is not whole at the end (somebody is writing it, or has died meanwhile) is left out.
    """
    size = _CHUNK
    while True:
        file.seek(cursor)
        data = file.read(size)
        at_end = cursor + len(data) >= os.fstat(file.fileno()).st_size
        if not locked and (hole := data.find(b"\0")) >= 0:
            # On NFS, who reads while others write may see zeros for what is not there yet.
            data, at_end = data[:hole], True
        end = data.rfind(b"\n") + 1
        if at_end and end and not _is_object(data[data.rfind(b"\n", 0, end - 1) + 1 : end]):
            end = data.rfind(b"\n", 0, end - 1) + 1
        if end:
            cursor += end
            yield data[:end].decode(errors="surrogateescape"), cursor
        elif not at_end:
            size *= 2
        if at_end:
            return


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _read(file: FileIO, transaction: Transaction, locked: bool = False) -> bool:
    """Let a transaction read what is new; return False if it was full before the end."""
    size = os.fstat(file.fileno()).st_size
    if size < transaction.cursor:
        raise StorageInternalError(
            f"The journal has become shorter: {transaction.cursor} bytes had been read of it, and "
            f"there are {size}."
        )
    if size > transaction.cursor:
        if transaction.full and not locked:
            return False
        for text, end in _texts(file, transaction.cursor, locked):
            transaction.absorb(text, end)
            if transaction.full and not locked and end < size:
                return False
    return True


def _end_of_lines(file: FileIO) -> int:
    """Return where the whole lines of a file end, looking from its end."""
    size = os.fstat(file.fileno()).st_size
    span = 1 << 16
    while True:
        start = max(size - span, 0)
        file.seek(start)
        data = file.read(size - start)
        end = data.rfind(b"\n") + 1
        if start == 0 and not end:
            return 0
        before = data.rfind(b"\n", 0, max(end - 1, 0))
        if end and (before >= 0 or start == 0):
            return start + (end if _is_object(data[before + 1 : end]) else before + 1)
        span *= 2


def _cut_torn_end(path: str, file: FileIO, end: int) -> None:
    """Cut what a writer has left that died while it wrote: no reader has taken it for a line.

    :raises StorageInternalError: if the file is no journal at all
    """
    # What is appended to it would make one line with it, which nobody could read.
    if os.fstat(file.fileno()).st_size <= end:
        return
    if end == 0:  # it may as well be something else, whose path was given by mistake
        file.seek(0)
        start = file.read(len(_START)).rstrip(b"\n\0")
        if not _START.startswith(start):
            raise StorageInternalError(
                f"The file {path} is none of a journal: it begins with {start!r}."
            )
    file.truncate(end)


def _append(file: FileIO, lines: Iterable[str]) -> int:
    """Append lines in one piece, and return where they begin."""
    data = ("\n".join(lines) + "\n").encode()
    written = 0
    while written < len(data):
        written += file.write(data[written:] if written else data)
    return file.tell() - len(data)
