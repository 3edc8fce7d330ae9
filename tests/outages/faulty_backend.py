"""A place for studies, behind exchanges that fail: a wrapper around the backend of a storage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ahpo.states import StudyDirection
from ahpo.storages.exchange import Backend, Link, Request, Response
from ahpo.storages.replicated import ReplicatedStorage

__all__ = ("Fault", "with_faults")


@dataclass
class Fault:
    """Say which exchanges fail: the ``first`` and those up to the ``last``, counted from 1.

    :param error: makes what they raise
    :param after: whether they fail although they have been carried out
    :param seconds: how long each exchange takes in addition
    """

    first: int = 0
    last: int = 0
    error: Callable[[], BaseException] = Exception
    after: bool = False
    seconds: float = 0.0
    count: int = field(default=0)

    def hits(self) -> bool:
        """Tell whether the exchange that is under way fails."""
        return self.first <= self.count <= self.last


class _Link(Link):
    def __init__(self, inner: Link, fault: Fault) -> None:
        self._inner, self._fault = inner, fault
        self.study_id, self.study_name = inner.study_id, inner.study_name
        self.directions = inner.directions

    async def exchange(self, request: Request) -> Response:
        fault = self._fault
        fault.count += 1
        hit = fault.hits()
        if hit and not fault.after:
            raise fault.error()
        await asyncio.sleep(fault.seconds)
        response = await self._inner.exchange(request)
        if hit:
            raise fault.error()
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Backend(Backend):
    def __init__(self, inner: Backend, fault: Fault) -> None:
        self._inner, self._fault = inner, fault

    async def create_study(self, study_name: str, directions: Sequence[StudyDirection]) -> Link:
        return _Link(await self._inner.create_study(study_name, directions), self._fault)

    async def open_study(self, study_name: str) -> Link:
        return _Link(await self._inner.open_study(study_name), self._fault)

    async def delete_study(self, study_name: str) -> None:
        await self._inner.delete_study(study_name)

    async def study_names(self) -> list[str]:
        return await self._inner.study_names()

    async def aclose(self) -> None:
        await self._inner.aclose()


def with_faults(storage: ReplicatedStorage, fault: Fault) -> ReplicatedStorage:
    """Put the fault into a storage that has not been used yet, and return it."""
    make = storage._make_backend
    storage._make_backend = lambda: _Backend(make(), fault)
    return storage
