"""The studies of a journal, as the storages reach them."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from typing import NoReturn

from ahpo.exceptions import DuplicatedStudyError
from ahpo.states import StudyDirection
from ahpo.storages.exchange import Backend, Link
from ahpo.storages.journal.base import BaseJournalBackend, place_of
from ahpo.storages.journal.link import Clock, JournalLink, Reading
from ahpo.storages.journal.records import Writer
from ahpo.storages.journal.replay import Line, Refusal, Replay
from ahpo.storages.journal.session import MANY

__all__ = ("JournalBackend",)


class JournalBackend(Backend):
    """Reach the studies of a journal.

    :param log_storage: where the journal is: a file, Redis, or a user's own backend
    :param clock: the time in seconds, which goes on evenly; leases are measured by it
    :raises TypeError: if ``log_storage`` is no backend of a journal
    """

    def __init__(self, log_storage: BaseJournalBackend, clock: Clock = time.monotonic) -> None:
        self._place = place_of(log_storage)
        self._clock = clock
        self._guard = threading.Lock()
        self._catalog = Replay()
        # Studies that links have found to be deleted, of which opening may see the beginning only.
        self._gone: set[int] = set()

    async def create_study(self, study_name: str, directions: Sequence[StudyDirection]) -> Link:
        replay = (await self._read_catalog()).toward(study_name)
        await self._place.run(_Creation(replay, study_name, directions))
        return JournalLink(self._place, replay, self._clock, self._gone)

    async def open_study(self, study_name: str) -> Link:
        replay = Replay(study_name, self._gone)
        replay.now = self._clock()
        await self._place.run(Reading(replay, threading.Lock(), enough=MANY))
        if replay.study_id is None:
            raise _no_study(study_name)
        return JournalLink(self._place, replay, self._clock, self._gone)

    async def delete_study(self, study_name: str) -> None:
        await self._place.run(_Deletion(await self._read_catalog(), self._guard, study_name))

    async def study_names(self) -> list[str]:
        return list((await self._read_catalog()).studies.values())

    async def _read_catalog(self) -> Replay:
        if self._catalog.broken:
            self._catalog = Replay()
        await self._place.run(Reading(self._catalog, self._guard))
        return self._catalog

    async def aclose(self) -> None:
        await self._place.aclose()


def _no_study(study_name: str) -> KeyError:
    return KeyError(f"The storage has no study of the name {study_name!r}.")


class _Change(Reading):
    """Append one line about a study, and see what becomes of it."""

    def __init__(self, replay: Replay, guard: threading.Lock, study_name: str) -> None:
        super().__init__(replay, guard)
        self.study_name = study_name
        self._is_done = False
        self.writer = Writer(str(uuid.uuid4()) + "-0")

    @property
    def durable(self) -> bool:
        return True

    @property
    def may_write(self) -> bool:
        return not self._is_done

    def absorb(self, text: str, cursor: int) -> None:
        self.absorb_lines(text.split("\n")[:-1], cursor)

    def absorb_lines(self, lines: Iterable[Line], cursor: int) -> None:
        author = self.writer.author
        for line in lines:
            outcome = self.replay.read(line)
            if author in (line if isinstance(line, str) else line["worker_id"]):
                self._is_done = True
                if isinstance(outcome, Refusal):
                    self.refuse()
        self.replay.cursor = cursor

    def refuse(self) -> NoReturn:
        """Raise the error of a study that is there, or is not."""
        raise NotImplementedError


class _Creation(_Change):
    def __init__(
        self, replay: Replay, study_name: str, directions: Sequence[StudyDirection]
    ) -> None:
        super().__init__(replay, threading.Lock(), study_name)
        self._directions = directions

    def plan(self) -> list[str]:
        if not self.may_write:
            return []
        if self.study_name in self.replay.studies.values():
            self.refuse()
        return [self.writer.create_study(self.study_name, self._directions)]

    def refuse(self) -> NoReturn:
        raise DuplicatedStudyError(
            f"The storage has a study with the name '{self.study_name}' already: choose another "
            "name, or set `load_if_exists=True` to go on with that study."
        )


class _Deletion(_Change):
    def plan(self) -> list[str]:
        if not self.may_write:
            return []
        for study_id, name in self.replay.studies.items():
            if name == self.study_name:
                return [self.writer.delete_study(study_id)]
        self.refuse()

    def refuse(self) -> NoReturn:
        raise _no_study(self.study_name)
