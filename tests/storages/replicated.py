"""A storage of which each handle has a history of its own, behind coroutines that really wait.

It has what a database has: facts wait to be flushed, and others learn of them when they refresh.
What a handle does to the shared log, it does between two suspensions; a flaw that is asked for
breaks one of the promises of the protocol, so that it can be seen whether a test notices.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ahpo.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from ahpo.history.facts import Fact, TrialCreated, TrialFinished, TrialStarted, trial_facts
from ahpo.history.history import History
from ahpo.history.records import FinishedTrial
from ahpo.states import StudyDirection, TrialState
from ahpo.storages.protocol import Storage, StudyStore

FLAWS = (
    "claims are not atomic",
    "numbers are not atomic",
    "create is not atomic",
    "flush does nothing",
    "flush forgets when cancelled",
    "finish of a finished trial succeeds",
    "refresh is cursory",
)


@dataclass
class Log:
    """What all handles share of one study."""

    study_id: int
    history: History  # what has been accepted, applied
    facts: list[Fact] = field(default_factory=list)

    def append(self, fact: Fact) -> None:
        self.history.apply(fact)
        self.facts.append(fact)


class Server:
    """Hold the logs of all studies."""

    def __init__(self, flaw: str | None = None) -> None:
        self.flaw = flaw
        self.logs: dict[str, Log] = {}
        self.n_studies = 0
        self.n_trials = 0

    def trial_id(self) -> int:
        self.n_trials += 1
        return self.n_trials

    def connect(self) -> ReplicatedStorage:
        return ReplicatedStorage(self)


async def turn() -> None:
    await asyncio.sleep(0)


class ReplicatedStore(StudyStore):
    def __init__(self, server: Server, log: Log) -> None:
        self._server = server
        self._log = log
        self._lock = threading.RLock()
        self._pending: list[Fact] = []
        self.study_id = log.study_id
        self.history = History(log.history.study_name, log.history.directions)
        self._replay()

    def _flawed(self, flaw: str) -> bool:
        return self._server.flaw == flaw

    def record(self, fact: Fact) -> None:
        with self._lock:
            self.history.apply(fact)
            self._pending.append(fact)

    def _replay(self) -> None:
        with self._lock:
            self._replay_locked()

    def _replay_locked(self) -> None:
        facts = self._log.facts
        if self._flawed("refresh is cursory"):
            facts = facts[: len(facts) - len(facts) % 7]
        fresh = History(self.history.study_name, self.history.directions)
        for fact in facts:
            fresh.apply(fact)
        for fact in self._pending:
            with suppress(UpdateFinishedTrialError):
                fresh.apply(fact)
        self.history.__dict__.update(fresh.__dict__)
        self.history.guard = self._lock

    def _commit(self, *more: Fact) -> None:
        with self._lock:
            self._commit_locked(*more)

    def _commit_locked(self, *more: Fact) -> None:
        for fact in self._pending:
            with suppress(UpdateFinishedTrialError):  # too late
                self._log.append(fact)
        self._pending = []
        try:
            for fact in more:
                self._log.append(fact)
        finally:
            self._replay()

    async def start(self, at: int) -> int:
        await turn()
        waiting = list(self._log.history.waiting)
        number = self._log.history.n_trials
        if self._flawed("claims are not atomic" if waiting else "numbers are not atomic"):
            await turn()
        if waiting:
            with suppress(ValueError):
                self._commit(TrialStarted(waiting[0], at))
        else:
            trial_id = self._server.trial_id()
            with suppress(ValueError):
                self._commit(TrialCreated(number, trial_id, TrialState.RUNNING, at))
        await turn()
        return waiting[0] if waiting else number

    async def create(self, trials: Sequence[FinishedTrial]) -> list[int]:
        await turn()
        history = self._log.history
        if not self._flawed("create is not atomic"):
            history.check_new(trials)
        first = history.n_trials
        for number, trial in enumerate(trials, first):
            placed = trial._replace(number=number, trial_id=self._server.trial_id())
            self._commit(*trial_facts(placed))
        await turn()
        return list(range(first, first + len(trials)))

    async def flush(self) -> None:
        if self._flawed("flush forgets when cancelled"):
            pending, self._pending = self._pending, []
            await turn()
            self._pending = pending
        await turn()
        if not self._flawed("flush does nothing"):
            self._commit()
        await turn()

    async def finish(self, fact: TrialFinished) -> None:
        await turn()
        try:
            self._commit(fact)
        except UpdateFinishedTrialError:
            if not self._flawed("finish of a finished trial succeeds"):
                raise
        await turn()

    async def refresh(self) -> None:
        await turn()
        self._replay()
        await turn()


class ReplicatedStorage(Storage):
    def __init__(self, server: Server) -> None:
        self._server = server

    def _log(self, study_name: str) -> Log:
        try:
            return self._server.logs[study_name]
        except KeyError:
            raise KeyError(f"There is no study {study_name!r}.") from None

    async def create_study(
        self, study_name: str | None, directions: Sequence[StudyDirection]
    ) -> StudyStore:
        await turn()
        server = self._server
        name = str(uuid.uuid4()) if study_name is None else study_name
        if name in server.logs:
            raise DuplicatedStudyError(f"The name {name!r} is taken.")
        log = server.logs[name] = Log(server.n_studies, History(name, directions))
        server.n_studies += 1
        await turn()
        return ReplicatedStore(server, log)

    async def open_study(self, study_name: str) -> StudyStore:
        await turn()
        return ReplicatedStore(self._server, self._log(study_name))

    async def delete_study(self, study_name: str) -> None:
        await turn()
        self._log(study_name)
        del self._server.logs[study_name]
        await turn()

    async def study_names(self) -> list[str]:
        await turn()
        return list(self._server.logs)
