"""What a journal's backend is to users, and what the part above needs of it."""

from __future__ import annotations

import asyncio
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Protocol

from ahpo.exceptions import StorageInternalError
from ahpo.storages.journal.replay import Line

__all__ = ("BaseJournalBackend", "Place", "Transaction")


class Transaction(Protocol):
    """Read what is new in a journal, and decide on that what to append."""

    @property
    def guard(self) -> threading.Lock:
        """Of those who share what it reads, one at a time."""
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
    async def run(self, transaction: Transaction) -> None:
        """Let a transaction read all that is new, and append what it plans until that is nothing.

        :raises StorageUnavailable: if it may be tried again
        :raises StorageInternalError: if the journal can not be read or written
        """

    async def aclose(self) -> None:  # noqa: B027  (most have nothing to release)
        """Release what is held open."""


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
        return AnyPlace(self)


class AnyPlace(Place):
    """Run transactions on any backend that reads and appends.

    Others may append at the same time; so it is known only after reading what one's lines did.
    """

    def __init__(self, backend: BaseJournalBackend) -> None:
        self._backend = backend

    async def run(self, transaction: Transaction) -> None:
        await asyncio.to_thread(self._run, transaction)

    def _run(self, transaction: Transaction) -> None:
        with transaction.guard:
            self._read(transaction)
            while transaction.may_write and (lines := transaction.plan()):
                self._backend.append_logs([json.loads(line) for line in lines])
                if self._read(transaction) < len(lines):
                    raise StorageInternalError(
                        f"The journal's backend {self._backend!r} does not return what was "
                        "appended to it."
                    )

    def _read(self, transaction: Transaction) -> int:
        logs = list(self._backend.read_logs(transaction.cursor))
        transaction.absorb_lines(logs, transaction.cursor + len(logs))
        return len(logs)
