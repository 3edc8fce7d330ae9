"""One store's link to its study in a journal: a replay of its own, and what is news in it."""

from __future__ import annotations

import math
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable

from ahpo.history.records import FinishedTrial
from ahpo.storages.exchange import Link, NotInPlace, Request, Response, StorageUnavailable
from ahpo.storages.journal.base import Place, Transaction, until_free
from ahpo.storages.journal.file import FilePlace
from ahpo.storages.journal.replay import Line, Replay
from ahpo.storages.journal.session import Session, deleted

__all__ = ("Clock", "JournalLink", "Reading")

Clock = Callable[[], float]
_KEPT = 1000  # trials of a response that are kept until the next request, in case it went astray


class Reading(Transaction):
    """Read what is new in a journal, and write nothing."""

    @property
    def durable(self) -> bool:
        return False

    @property
    def may_write(self) -> bool:
        return False

    def __init__(self, replay: Replay, guard: threading.Lock, enough: float = math.inf) -> None:
        self.replay = replay
        self._guard = guard
        self._enough = enough

    @property
    def guard(self) -> threading.Lock:
        return self._guard

    @property
    def full(self) -> bool:
        return len(self.replay.fresh) >= self._enough

    @property
    def cursor(self) -> int:
        return self.replay.cursor

    def absorb(self, text: str, cursor: int) -> None:
        self.replay.feed_text(text)
        self.replay.cursor = cursor

    def absorb_lines(self, lines: Iterable[Line], cursor: int) -> None:
        self.replay.feed(lines)
        self.replay.cursor = cursor

    def plan(self) -> list[str]:
        return []


class JournalLink(Link):
    """Connect one store to its study in a journal.

    Of finished trials it keeps nothing once they have been handed over. If they are asked for
    again, the journal is read from the beginning.

    :param replay: follows the study, from which it is not to be torn away
    :param clock: the time in seconds, which goes on evenly; leases are measured by it
    :param gone: where the studies go that have been deleted, when that is read
    """

    def __init__(self, place: Place, replay: Replay, clock: Clock, gone: set[int]) -> None:
        study_id = replay.study_id
        assert study_id is not None
        replay.settle()
        self.study_id = study_id
        self.study_name = replay.studies[study_id]
        self.directions = replay.directions[study_id]
        self._place = place
        self._replay = replay
        self._clock = clock
        self._gone = gone
        self._guard = threading.Lock()
        self._session: Session | None = None
        self._last_sent: dict[int, FinishedTrial] = {}

    @property
    def in_place(self) -> bool:  # type: ignore[override]
        """Whether plain code may carry out exchanges in its own thread."""
        return isinstance(self._place, FilePlace)

    async def exchange(self, request: Request) -> Response:
        await until_free(self._guard)  # an exchange that was cancelled may go on for a while
        if self._replay.broken:
            self._session = None
            await self._read_again()
        session = self._session_of(request)
        whole = True
        if request.read or session.may_write:
            self._replay.now = self._clock()
            whole = await self._place.run(session)
        if not self._replay.exists:
            self._gone.add(self.study_id)
            raise deleted(self.study_name)
        response = self._response(session)
        if response is None:
            await self._read_again()
            response = self._response(session)
            assert response is not None  # all that there ever was has just been read
        session.delivered = True
        return response if whole else response._replace(answers=(), more=True)

    def _session_of(self, request: Request) -> Session:
        """Return a session for the request: if it is sent once more, the one that it had."""
        earlier = self._session
        if earlier is not None and (request.repeated or not earlier.delivered):
            # Its response may not have arrived: what it would have told is news again.
            self._replay.touched |= earlier.own
            self._replay.touched |= self._last_sent.keys()
            self._replay.fresh.update(self._last_sent)
            self._replay.attrs_touched = True
            if request.repeated and earlier.resume(request):
                earlier.delivered = False
                return earlier
        self._last_sent = {}
        self._session = Session(self._replay, request, self.study_name, self._guard)
        return self._session

    async def _read_again(self) -> None:
        """Read the journal from the beginning, for the contents of trials."""
        earlier, replay = self._replay, Replay(self.study_name)
        replay.now = self._clock()
        try:
            await self._place.run(Reading(replay, self._guard))
        except NotInPlace as exc:  # but something has happened, perhaps
            raise StorageUnavailable("The journal is to be read once more.") from exc
        if replay.study_id != self.study_id:
            raise deleted(self.study_name)
        replay.settle()
        # What was news is so still; if it had stopped half way, everything may be.
        if not earlier.broken:
            replay.touched = earlier.touched | set(replay.ids[len(earlier.ids) :])
        for trial_id in replay.leases:
            replay.leases[trial_id] = earlier.leases.get(trial_id, replay.now)
        self._replay = replay
        if self._session is not None:
            self._session.replay = replay

    def _news(self, session: Session) -> set[int]:
        replay, seen = self._replay, session.request.seen
        news = set(replay.ids[bisect_right(replay.ids, seen.last_id) :])
        news |= session.shown
        for trial_id in replay.touched:
            if trial_id not in replay.open or trial_id not in seen.own:
                news.add(trial_id)
        return news

    def _response(self, session: Session) -> Response | None:
        """Return the response, or None if it has trials whose contents are gone."""
        replay, request = self._replay, session.request
        news = self._news(session)
        trials: list[FinishedTrial] = []
        for trial_id in sorted(news):
            opened = replay.open.get(trial_id)
            trial = replay.fresh.get(trial_id) if opened is None else opened.copied()
            if trial is None:
                return None
            trials.append(trial)
        attrs_changed = replay.attrs_touched or request.seen.last_id < 0
        replay.attrs_touched = False
        replay.touched -= news
        kept = news | session.own
        sent = {trial_id: trial for trial_id, trial in replay.fresh.items() if trial_id in kept}
        self._last_sent = sent if len(sent) <= _KEPT else {}
        replay.fresh = {}
        return Response(
            answers=list(session.answers),
            trials=trials,
            user_attrs=dict(replay.user_attrs) if attrs_changed else None,
            system_attrs=dict(replay.system_attrs) if attrs_changed else None,
        )
