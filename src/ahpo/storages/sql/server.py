"""What the backends of database servers share: a few connections, each for one transaction."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar, TypeVar

from ahpo.storages.exchange import StorageUnavailable, StorageUnreachable
from ahpo.storages.sql.address import DatabaseURL
from ahpo.storages.sql.base import SQLBackend
from ahpo.storages.sql.statements import Plan, Statement
from ahpo.storages.sql.versions import check_version

__all__ = ("ServerBackend", "Unsuitable")

T = TypeVar("T")
_MAKING_ATTEMPTS = 4


class Unsuitable(Exception):
    """Tell that a transaction failed because of how connections are made, which has changed now."""


class ServerBackend(SQLBackend):
    """Keep studies in the database of a server.

    A connection whose transaction was cancelled, or may be broken, is dropped.

    :param parts: the URL of the database
    :param limit: the largest number of connections, None for any number
    :param skip_compatibility_check: whether to open a schema of another version
    :param skip_table_creation: whether to leave the tables as they are
    """

    # What the driver raises, beside errors of the network.
    errors: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(
        self,
        parts: DatabaseURL,
        limit: int | None,
        skip_compatibility_check: bool,
        skip_table_creation: bool,
    ) -> None:
        self._parts = parts
        self._failures: tuple[type[Exception], ...] = (*self.errors, OSError, TimeoutError)
        self._limit = limit
        self._check = not skip_compatibility_check
        self._create = not skip_table_creation
        self._prepared = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: list[Any] = []
        self._taken: asyncio.Semaphore | None = None
        self._preparing = asyncio.Lock()

    # -- what a driver does -----------------------------------------------------------------

    @abstractmethod
    async def _connect(self) -> Any:
        """Return a new connection."""

    async def _tune(self, connection: Any) -> None:
        """Make a connection ready for what comes next, before a transaction begins."""

    @abstractmethod
    async def _begin(self, connection: Any, durable: bool) -> None:
        """Begin a transaction, in which each statement sees what is committed when it begins."""

    @abstractmethod
    async def _run(self, connection: Any, statement: Statement) -> Any:
        """Run a statement, and return its rows or how many it changed."""

    @abstractmethod
    async def _end(self, connection: Any, word: str) -> None:
        """End a transaction by COMMIT or ROLLBACK."""

    @abstractmethod
    def _is_closed(self, connection: Any) -> bool:
        """Tell whether a connection is known to be closed."""

    @abstractmethod
    def _drop(self, connection: Any) -> None:
        """Close a connection at once."""

    @abstractmethod
    async def _close(self, connection: Any) -> None:
        """Close a connection in good order."""

    @abstractmethod
    def _translated(self, exc: Exception) -> Exception:
        """Return what to raise for an error of the driver or the network."""

    @abstractmethod
    def _make_tables(self) -> Plan[None]:
        """Make the tables that are missing; nobody else of us does so at the same time."""

    @abstractmethod
    def _existing(self) -> Plan[set[str]]:
        """Return which of the tables are there."""

    @abstractmethod
    def _has_tables(self) -> Plan[bool]:
        """Tell whether all tables are there, and the rows that name the version."""

    def _is_silence(self, exc: Exception) -> bool:
        """Tell whether the reason of a connection that failed is that there is no server."""
        return isinstance(exc, OSError) and not isinstance(exc, ConnectionResetError)

    def _is_race(self, exc: Exception) -> bool:
        """Tell whether an error comes from somebody else who made the same tables meanwhile."""
        return False

    # -- connections ------------------------------------------------------------------------

    def _at_home(self) -> None:
        """Forget what belongs to another event loop than this one."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._drop_idle()
            self._loop = loop
            self._taken = None if self._limit is None else asyncio.Semaphore(self._limit)
            self._preparing = asyncio.Lock()

    def _drop_idle(self) -> None:
        while self._idle:
            with suppress(Exception):  # its loop may be closed
                self._drop(self._idle.pop())

    async def _take(self) -> Any:
        while self._idle:
            connection = self._idle.pop()
            if not self._is_closed(connection):
                return connection
        try:
            return await self._connect()
        except self._failures as exc:
            if self._is_silence(exc):
                raise StorageUnreachable(
                    f"Nothing answers at {self._parts.shown()}: {str(exc) or type(exc).__name__}."
                ) from exc
            raise

    async def aclose(self) -> None:
        self._at_home()
        while self._idle:
            connection = self._idle.pop()
            try:
                await self._close(connection)
            except self._failures:
                self._drop(connection)
            except BaseException:
                self._drop(connection)
                raise

    # -- transactions -----------------------------------------------------------------------

    async def transact(
        self,
        plan: Callable[[], Plan[T]],
        *,
        durable: bool = True,
        writes: bool = True,
        alone: bool = False,
    ) -> T:
        """Carry out a plan; ``alone`` says that each statement may be a transaction by itself."""
        self._at_home()
        if not self._prepared:
            async with self._preparing:
                if not self._prepared:
                    await self._prepare()
                    self._prepared = True
        return await self._bounded(plan, durable, alone)

    async def _bounded(
        self, plan: Callable[[], Plan[T]], durable: bool = True, alone: bool = False
    ) -> T:
        if self._taken is None:
            return await self._translating(plan, durable, alone)
        async with self._taken:
            return await self._translating(plan, durable, alone)

    async def _translating(self, plan: Callable[[], Plan[T]], durable: bool, alone: bool) -> T:
        try:
            try:
                return await self._attempt(plan(), durable, alone)
            except Unsuitable:
                return await self._attempt(plan(), durable, alone)
        except self._failures as exc:
            raise self._translated(exc) from exc

    async def _attempt(self, plan: Plan[T], durable: bool, alone: bool) -> T:
        connection = await self._take()
        keep = False
        try:
            try:
                await self._tune(connection)
                if not alone:
                    await self._begin(connection, durable)
                result = await self._drive(connection, plan)
                if not alone:
                    await self._end(connection, "COMMIT")
                keep = True
                return result
            except (OSError, TimeoutError):
                raise  # who does not answer is not asked to roll back: dropping it does that
            except Exception:
                with suppress(*self._failures):
                    if not alone:
                        await self._end(connection, "ROLLBACK")
                    keep = not self._is_closed(connection)
                raise
        finally:
            if keep:
                self._idle.append(connection)
            else:
                self._drop(connection)

    async def _drive(self, connection: Any, plan: Plan[T]) -> T:
        try:
            statement = next(plan)
            while True:
                statement = plan.send(await self._run(connection, statement))
        except StopIteration as stop:
            result: T = stop.value
            return result

    # -- the schema -------------------------------------------------------------------------

    async def _prepare(self) -> None:
        if self._check:
            await self._bounded(self._check_version)
        if self._create and not await self._bounded(self._has_tables):
            await self._make()

    def _check_version(self) -> Plan[None]:
        existing = yield from self._existing()
        yield from check_version(self.dialect, self._parts.shown(), existing)

    async def _make(self) -> None:
        for attempt in range(1, _MAKING_ATTEMPTS + 1):
            try:
                return await self._bounded(self._make_tables)
            except Exception as exc:
                # Optuna takes no lock when it makes the same tables.
                if attempt == _MAKING_ATTEMPTS or not self._is_race(exc):
                    raise
                if isinstance(exc, StorageUnavailable):
                    await asyncio.sleep(0.1 * attempt)
