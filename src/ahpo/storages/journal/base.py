"""What a journal's backend is to users, and what the part above needs of it."""

from __future__ import annotations

import asyncio
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Protocol

from ahpo.exceptions import StorageInternalError
from ahpo.storages.exchange import NotInPlace
from ahpo.storages.journal.replay import Line
from ahpo.storages.pending import in_plain_code

__all__ = (
    "AnyPlace",
    "BaseJournalBackend",
    "Place",
    "ThreadPlace",
    "Transaction",
    "acquire",
    "place_of",
    "until_free",
)

_PAUSE = 0.002


class Transaction(Protocol):
    """Read what is new in a journal, and decide on that what to append."""

    @property
    def guard(self) -> threading.Lock:
        """Held while it runs, as others may share what it reads."""
        ...

    @property
    def durable(self) -> bool:
        """Whether what it appends must survive a failure of the power."""
        ...

    @property
    def may_write(self) -> bool:
        """Whether there may be something to append."""
        ...

    @property
    def cursor(self) -> int:
        """Up to where it has read, in the units of the place; 0 is the beginning."""
        ...

    @property
    def full(self) -> bool:
        """Whether it has read enough for now, and a place that can stops there."""
        ...

    def absorb(self, text: str, cursor: int) -> None:
        """Read whole lines, which go up to ``cursor``."""
        ...

    def absorb_lines(self, lines: Iterable[Line], cursor: int) -> None:
        """Read lines, which go up to ``cursor``; its own are among these only."""
        ...

    def plan(self) -> list[str]:
        """Return the lines to append after those that it has read; none if all is done."""
        ...


class Place(ABC):
    """Run transactions on one journal."""

    @abstractmethod
    async def run(self, transaction: Transaction) -> bool:
        """Let a transaction read all that is new, and append what it plans until that is nothing.

        :returns: whether it came to that, or False if it was full before
        :raises StorageUnavailable: if it may be tried again
        :raises StorageInternalError: if the journal can not be read or written
        """

    async def aclose(self) -> None:  # noqa: B027  (most have nothing to release)
        """Release what is held open."""


async def acquire(guard: threading.Lock) -> None:
    """Wait for a guard on the event loop.

    It is hardly ever held: only while what was cancelled comes to its end.
    """
    while not guard.acquire(blocking=False):
        if in_plain_code():
            raise NotInPlace
        await asyncio.sleep(_PAUSE)


async def until_free(guard: threading.Lock) -> None:
    """Wait until nobody has a guard."""
    await acquire(guard)
    guard.release()


class ThreadPlace(Place):
    """Run transactions in a thread. One that is cancelled is carried out to its end."""

    async def run(self, transaction: Transaction) -> bool:
        await acquire(transaction.guard)
        try:
            if self.carry_out_at_once(transaction):
                transaction.guard.release()
                return True
            if in_plain_code():
                raise NotInPlace
            loop = asyncio.get_running_loop()
            future = loop.run_in_executor(None, self._carry_out_and_release, transaction)
        except BaseException:
            transaction.guard.release()
            raise
        future.add_done_callback(_seen)
        return await asyncio.shield(future)

    def _carry_out_and_release(self, transaction: Transaction) -> bool:
        try:
            return self.carry_out(transaction)
        finally:
            transaction.guard.release()

    def carry_out_at_once(self, transaction: Transaction) -> bool:
        """Do it in this thread if that is possible, and return whether it is done.

        On the event loop, it must take no time to speak of.
        """
        return False

    @abstractmethod
    def carry_out(self, transaction: Transaction) -> bool:
        """Do what `run` does, in a thread."""


def _seen(future: asyncio.Future[bool]) -> None:
    # Of what was cancelled nobody asks how it ended, and that needs no complaint.
    if not future.cancelled():
        future.exception()


class BaseJournalBackend(ABC):
    """Be the base of a user's own backends of journals.

    Several processes may read and append at the same time: lines that are appended must come after
    one another, and each reader must get them in the same order.
    """

    @abstractmethod
    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Return the logs from a number on.

        :param log_number_from: how many logs to leave out
        """

    @abstractmethod
    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append logs.

        :param logs: what JSON can express
        """

    def _place(self) -> Place:
        """Return what runs transactions on it; it may go by other ways than these methods."""
        return AnyPlace(self)

    def _is_changed(self, kind: type[BaseJournalBackend]) -> bool:
        """Whether a subclass of ``kind`` reads or appends in another way than that does."""
        own = type(self)
        return (own.read_logs, own.append_logs) != (kind.read_logs, kind.append_logs)


def place_of(log_storage: BaseJournalBackend) -> Place:
    """Return what runs transactions on a backend, be it one of ours, of a user's or of Optuna's.

    :raises TypeError: if it is no backend
    """
    if isinstance(log_storage, BaseJournalBackend):
        return log_storage._place()
    if hasattr(log_storage, "read_logs") and hasattr(log_storage, "append_logs"):
        return AnyPlace(log_storage)
    raise TypeError(
        "`log_storage` must be a backend of a journal, with `read_logs` and `append_logs`, but it "
        f"is {log_storage!r}."
    )


class AnyPlace(ThreadPlace):
    """Run transactions on any backend that reads and appends.

    Others may append at the same time; so it is known only after reading what one's lines did.
    """

    def __init__(self, backend: BaseJournalBackend) -> None:
        self._backend = backend

    def carry_out(self, transaction: Transaction) -> bool:
        self._read(transaction)
        while transaction.may_write and (lines := transaction.plan()):
            self._backend.append_logs([json.loads(line) for line in lines])
            if self._read(transaction) < len(lines):
                raise StorageInternalError(
                    f"The journal's backend {self._backend!r} does not return what was "
                    "appended to it."
                )
        return True

    def _read(self, transaction: Transaction) -> int:
        logs = list(self._backend.read_logs(transaction.cursor))
        transaction.absorb_lines(logs, transaction.cursor + len(logs))
        return len(logs)
