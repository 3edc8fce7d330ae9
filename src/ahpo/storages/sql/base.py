"""What the backends of all databases share: plans for studies, and links that exchange."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from ahpo.states import StudyDirection
from ahpo.storages.exchange import Backend, Link, Request, Response, Write
from ahpo.storages.sql import studies
from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.exchange import UNKNOWN, Attrs, StudyRow, exchange, writes_anything
from ahpo.storages.sql.statements import Plan

__all__ = ("SQLBackend", "SQLLink", "on_study_refused")

T = TypeVar("T")


class SQLBackend(Backend):
    """Keep studies in a database.

    ``dialect`` words the statements. Beside what a backend does, it runs plans.
    """

    dialect: Dialect

    @abstractmethod
    async def transact(
        self, plan: Callable[[], Plan[T]], *, durable: bool = True, writes: bool = True
    ) -> T:
        """Carry out the plan that a function makes in one transaction; return its result.

        It happens as a whole or not at all, also if this is cancelled.

        :param durable: whether what is written must survive a failure of the power
        :param writes: whether the plan may write
        :raises StorageUnavailable: if it may be tried again
        :raises StorageInternalError: if it can not be carried out
        """

    def link(self, row: StudyRow) -> Link:
        """Return a link to a study."""
        return SQLLink(self, row)

    async def create_study(self, study_name: str, directions: Sequence[StudyDirection]) -> Link:
        plan = partial(studies.create_study, self.dialect, study_name, directions)
        return self.link(await self.transact(plan))

    async def open_study(self, study_name: str) -> Link:
        plan = partial(studies.open_study, self.dialect, study_name)
        return self.link(await self.transact(plan, writes=False))

    async def delete_study(self, study_name: str) -> None:
        await self.transact(partial(studies.delete_study, self.dialect, study_name))

    async def sweep(self) -> None:
        plan = partial(studies.sweep, self.dialect)
        while True:
            began = time.monotonic()
            if not await self.transact(plan, durable=False):
                return
            if not self.dialect.is_remote:  # who waits for SQLite looks again now and then
                await asyncio.sleep(time.monotonic() - began)

    async def study_names(self) -> list[str]:
        return await self.transact(partial(studies.study_names, self.dialect), writes=False)


def on_study_refused(request: Request, response: Response) -> bool:
    """Tell whether an attribute of the study could not be written."""
    return any(
        isinstance(answer, Exception) and isinstance(op, Write) and op.trial_id < 0
        for op, answer in zip(request.ops, response.answers, strict=False)
    )


class SQLLink(Link):
    """Exchange with the database of a backend."""

    def __init__(self, backend: SQLBackend, row: StudyRow) -> None:
        self.study_id, self.study_name, self.directions = row
        self._backend = backend
        self._row = row
        self._attrs: Attrs | None = None

    async def exchange(self, request: Request) -> Response:
        backend = self._backend
        # If the last response did not arrive, the store does not know what it told.
        attrs = None if request.repeated else self._attrs
        done = await backend.transact(
            partial(exchange, backend.dialect, self._row, request, attrs),
            durable=request.durable,
            writes=writes_anything(request),
        )
        # The response is certain to arrive: no await comes after this.
        # What was refused is in the store all the same, until it reads them all again.
        self._attrs = UNKNOWN if on_study_refused(request, done.response) else done.attrs or attrs
        return done.response

    def kept(self, at: int | None) -> int | None:
        return self._backend.dialect.kept(at)
