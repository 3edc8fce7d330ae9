"""Exchanges that are nearly always welcome, in few round trips.

What a running trial does can nearly always be written: it is there, nobody else has finished it,
and its parameters are known. And a new trial can be started, where none is known to wait. So a
server is sent all of it together, on the condition that this is so; if it is not, the exchange
takes the long way round, on which everything has its answer.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

from ahpo.distributions.compatibility import incompatibility
from ahpo.exceptions import StorageInternalError
from ahpo.history.facts import ParamSet, StudySystemAttrSet, StudyUserAttrSet, TrialFinished
from ahpo.history.records import FinishedTrial
from ahpo.storages.exchange import Request, Response, Seen, Start, Write
from ahpo.storages.sql.base import SQLLink
from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.exchange import StudyRow, attrs_of, check_end, heads_of, response_of
from ahpo.storages.sql.reading import Head, read_trials, record_of
from ahpo.storages.sql.server import ServerBackend
from ahpo.storages.sql.writes import Writes, cells_of_fact

__all__ = ("QuickLink", "Welcome", "answers_of")


class Welcome(NamedTuple):
    """Hold what a request is to write, on which trials, and which trials it is to start."""

    writes: Writes
    owners: set[int]
    starts: Sequence[Start]


def _is_welcome(fact: ParamSet, seen: Seen) -> bool:
    known = seen.names.get(fact.name)
    if known is None or known is fact.distribution:
        return known is not None
    return incompatibility(known, fact.distribution) is None


def _welcome(dialect: Dialect, study: StudyRow, request: Request) -> Welcome | None:
    """Return what a request is to write and start; None if there is more to it."""
    if request.repeated or request.beat or request.release:
        return None
    starts = [op for op in request.ops if isinstance(op, Start)]
    if starts and (request.seen.waiting or len({op.lease for op in starts}) > 1):
        return None  # there may be more to a start than adding a trial
    writes, owners = Writes(), set()
    for op in request.ops:
        if isinstance(op, Start):
            continue
        if not isinstance(op, Write):
            return None
        fact, trial_id = op
        if isinstance(fact, StudyUserAttrSet | StudySystemAttrSet) or trial_id in writes.ends:
            return None
        if isinstance(fact, ParamSet) and not _is_welcome(fact, request.seen):
            return None
        if isinstance(fact, TrialFinished) and trial_id not in request.seen.own:
            return None  # that of somebody else, who is told
        try:
            if isinstance(fact, TrialFinished):
                check_end(fact, study)
            cells = cells_of_fact(dialect, fact)
        except (ValueError, TypeError):
            return None
        owners.add(trial_id)
        writes.put(trial_id, cells)
        if isinstance(fact, TrialFinished):
            writes.ends[trial_id] = fact.state.name, dialect.time(fact.at)
    return Welcome(writes, owners, starts)


def answers_of(request: Request, started: Iterable[int], others: Iterable[Any]) -> list[Any]:
    """Return the answers to all ops, from those to the starts and those to the others."""
    numbers, rest = iter(started), iter(others)
    return [next(numbers if isinstance(op, Start) else rest) for op in request.ops]


class QuickLink(SQLLink):
    """Exchange with a database server in few round trips, where that is possible."""

    def __init__(self, backend: ServerBackend, row: StudyRow) -> None:
        super().__init__(backend, row)
        self._server = backend

    async def exchange(self, request: Request) -> Response:
        response = None
        welcome = _welcome(self._server.dialect, self._row, request)
        if welcome is not None and (request.ops or request.read):
            response = await self._quick(request, welcome)
        return await self._long_way(request) if response is None else response

    @abstractmethod
    async def _quick(self, request: Request, welcome: Welcome) -> Response | None:
        """Carry out a request, or return None if that is not possible and nothing has happened."""

    async def _long_way(self, request: Request) -> Response:
        return await super().exchange(request)

    async def _respond(
        self, request: Request, rows: Sequence[Sequence[Any]], started: range
    ) -> Response:
        """Return the response, all of whose writes were welcome.

        :param rows: the news
        :param started: the numbers of the trials that it has started
        """
        current = attrs_of(self._row, request.seen, rows) if request.read else None
        trials = await self._read(heads_of(rows), started)
        answers = answers_of(request, started, repeat(None))
        done = response_of(answers, trials, current, self._attrs)
        self._attrs = done.attrs or self._attrs
        return done.response

    async def _read(self, heads: list[Head], started: range) -> list[FinishedTrial]:
        numbers = [head.number for head in heads if head.number in started]
        if numbers != list(started):
            raise StorageInternalError(
                f"The new trials should have the numbers from {started.start} on, but they are "
                f"{numbers}: another program adds trials without locking the row of the study."
            )
        trials = [record_of(head) for head in heads if head.number in started]
        full = [head for head in heads if head.number not in started]
        if full:
            # States come before contents: so the contents of a finished trial are its last. Each
            # statement sees what is there when it begins: a transaction would make no difference.
            read = partial(read_trials, self._server.dialect, full)
            trials += await self._server.transact(read, writes=False, alone=True)
        return sorted(trials, key=lambda trial: trial.number)
