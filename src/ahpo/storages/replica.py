"""A study's history in this process, kept up to date with a storage that others write too.

What is recorded goes into the history at once and to the storage in batches: while one exchange is
under way, everything that is asked for queues up, and becomes the next one. So a thousand waiting
coroutines share a commit and a query, and an idle study has each fact written by itself.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeAlias

from ahpo.distributions import BaseDistribution
from ahpo.exceptions import StorageInternalError, UpdateFinishedTrialError
from ahpo.history.facts import (
    FAIL_REASON,
    Fact,
    ParamSet,
    StudySystemAttrSet,
    StudyUserAttrSet,
    SystemAttrSet,
    TrialFinished,
    UserAttrSet,
)
from ahpo.history.history import History
from ahpo.history.placing import place_all
from ahpo.history.records import FinishedTrial, OpenTrial
from ahpo.logging import get_logger
from ahpo.states import TrialState
from ahpo.storages.exchange import (
    Create,
    Link,
    Op,
    Reap,
    Request,
    Response,
    Seen,
    Start,
    StorageUnavailable,
    Write,
)
from ahpo.storages.forking import guard
from ahpo.storages.json_values import as_stored
from ahpo.storages.leases import LEASE_EXPIRED, Leases, keep
from ahpo.storages.patience import Patience, patiently
from ahpo.storages.pending import Pending, resolve
from ahpo.storages.protocol import StudyStore, Succession, Watcher
from ahpo.storages.thread import StorageThread, storage_thread

__all__ = ("Home", "ReplicaStore")

_logger = get_logger("ahpo.storages")

# Seconds for which a fact that nobody waits for may stay behind, so that it has company.
LINGER = 0.02

_IDLE, _LINGERING, _WOKEN, _BUSY = range(4)
_ATTRIBUTES = (UserAttrSet, SystemAttrSet, StudyUserAttrSet, StudySystemAttrSet)
_OF_STUDY = (StudyUserAttrSet, StudySystemAttrSet)
_PLACES = (Start, Create, Reap)
_DURABLE = (Create, TrialFinished, *_OF_STUDY)

Result: TypeAlias = tuple[Pending[Any], Any, BaseException | None]


class Home(Protocol):
    """Be the storage of a replica."""

    patience: Patience

    def now(self) -> int:
        """Return the time of day, in microseconds since the epoch."""
        ...

    async def relink(self, study_name: str) -> Link:
        """Return another link to a study."""
        ...

    def reopened(self, study_name: str) -> ReplicaStore:
        """Open a study, blocking this thread."""
        ...

    def forget(self, store: ReplicaStore) -> None:
        """Take notice that the study of a store has been deleted."""
        ...


class _Item(NamedTuple):
    """Something to be done in an exchange, and who waits for it."""

    what: Fact | Start | Create | Reap | None
    pending: Pending[Any] | None = None
    read: bool = False


class ReplicaStore(StudyStore):
    """Keep one study that lives in a storage.

    :param storage: the storage, which opens links to it
    :param link: the link to the study
    :param leases: how its running trials are kept alive; None for not at all
    """

    waits = True

    def __init__(self, storage: Home, link: Link, leases: Leases | None) -> None:
        self.storage = storage
        self.study_id = link.study_id
        self.history = History(link.study_name, link.directions)
        self.leases = leases
        self.deleted = False
        self._watchers: weakref.WeakSet[Watcher] = weakref.WeakSet()
        self.lock = self.history.guard = threading.Lock()
        self._items: list[_Item] = []
        self._taken: list[_Item] = []  # what is being carried out
        self._state = _IDLE
        self._timed = False  # whether there will be a look at what lingers
        self._link: Link | None = link
        self._linked = asyncio.Lock()  # held while the link is in use, and while it is closed
        self._thread: StorageThread | None = storage_thread()
        self._stop_keeper: Callable[[], object] | None = None
        self._listening: Link | None = None
        self._refused: dict[int, Exception] = {}
        # By trial identifier, written by exchanges only: what `Seen` says.
        self._last_id = -1
        self._own: dict[int, int] = {}
        self._running: dict[int, int] = {}
        self._waiting: dict[int, int] = {}
        self._names: dict[str, BaseDistribution] = {}
        self._beat = self._closing = False
        self._in_vain: str | None = None  # what was said when the storage was last given up
        self._abandoned: list[int] = []
        guard(self)

    def __reduce__(self) -> Any:
        # The study stays where it is, and is opened there again.
        return self.storage.reopened, (self.history.study_name,)

    # -- what is recorded -------------------------------------------------------------------

    def record(self, fact: Fact) -> None:
        if isinstance(fact, _ATTRIBUTES):
            fact = fact._replace(value=as_stored(fact.key, fact.value))
        with self.lock:
            self.history.apply(fact)
            untimed = self._queue(_Item(fact))
        if untimed:
            self._here().soon(self._linger)

    def record_param(
        self, trial: OpenTrial, name: str, value: float, distribution: BaseDistribution
    ) -> None:
        with self.lock:
            self.history.set_param(trial, name, value, distribution)
            untimed = self._queue(_Item(ParamSet(trial.number, name, value, distribution)))
        if untimed:
            self._here().soon(self._linger)

    def _queue(self, item: _Item) -> bool:
        """Queue what nobody waits for; return whether a time is to be set for it."""
        self._items.append(item)
        if self._state != _IDLE:
            return False
        self._state = _LINGERING
        return not self._timed

    # -- what is waited for -----------------------------------------------------------------

    async def start(self, at: int) -> int:
        number: int = await self._ask(Start(at, self.leases is not None), read=True)
        return number

    async def create(self, trials: Sequence[FinishedTrial]) -> list[int]:
        with self.lock:
            self.history.check_new(trials)
        return list(await self._ask(Create(tuple(trials)))) if trials else []

    async def flush(self) -> None:
        await self._ask(None)
        refused = self._refused.pop(-1, None)  # an attribute of the study
        if refused is not None:
            raise refused

    async def refresh(self) -> None:
        await self._ask(None, read=True)

    async def sync(self) -> None:
        await self._ask(None, read=True)

    async def finish(self, fact: TrialFinished) -> None:
        await self._check_end(fact)
        await self._ask(fact)

    async def finish_and_start(self, fact: TrialFinished, at: int) -> Succession:
        await self._check_end(fact)
        end: Pending[None] = Pending()
        number: int = await self._ask(Start(at, self.leases is not None), True, _Item(fact, end))
        return Succession(number, end.error)  # one exchange has brought both

    async def _check_end(self, fact: TrialFinished) -> None:
        # What nobody waited for and the storage could not take: here somebody does.
        refused = self._refused.pop(fact.number, None)
        if refused is not None and fact.state is not TrialState.FAIL:
            raise refused
        if fact.number >= self.history.n_trials:
            await self.refresh()  # somebody else may have created it
        with self.lock:
            self.history.check_finish(fact)

    async def reap(self) -> list[int]:
        if self.leases is None:
            return []
        reap = Reap(self.leases.grace, self.storage.now(), LEASE_EXPIRED)
        numbers: list[int] = await self._ask(reap, read=True)
        return numbers

    async def renew(self) -> None:
        """Renew the leases of the trials that this store runs, and reap those of others."""
        if not self._own:
            self._stop_listening()
        self._beat = True
        numbers = await self.reap()
        watcher = next(iter(self._watchers), None)
        if numbers and watcher is not None:
            try:
                await asyncio.to_thread(watcher.stale, numbers)
            except Exception:
                _logger.exception("The callback for trials whose leases have expired failed.")

    def abandon(self, number: int) -> None:
        self._abandoned.append(number)

    def watch(self, watcher: Watcher) -> None:
        self._watchers.add(watcher)

    async def _ask(
        self, what: Fact | Start | Create | Reap | None, read: bool = False, *first: _Item
    ) -> Any:
        """Have something done and return the answer.

        Cancelled, it has not been done, or has been done as a whole, when the caller learns of it.

        :param first: what is to be done before it, in the same exchange
        """
        pending: Pending[Any] = Pending()
        items = (*first, _Item(what, pending, read))
        try:
            self._wake(items)
            return await pending
        except GeneratorExit:
            raise
        except BaseException as error:
            if not pending.done and not self._take_back(items) and what is not None:
                await pending.outlast()
            if isinstance(what, Start) and not isinstance(error, asyncio.CancelledError):
                await self._give_up(pending)
            raise

    async def _give_up(self, started: Pending[int]) -> None:
        """Fail a trial that was started when an interruption kept its number from arriving."""
        try:
            number = started.result() if started.done else None
        except Exception:
            number = None
        if number is None:
            return  # it was not started
        try:
            self.record(SystemAttrSet(number, FAIL_REASON, "cancelled"))
            await self.finish(TrialFinished(number, TrialState.FAIL, None, self.storage.now()))
        except Exception:  # the interruption is what is raised
            self.abandon(number)
        except BaseException:
            self.abandon(number)
            raise

    def _wake(self, items: tuple[_Item, ...]) -> None:
        thread = self._here()
        with self.lock:
            self._items += items
            wake = self._state < _WOKEN
            if wake:
                self._state = _WOKEN
        if wake:
            thread.soon(self._begin)

    def _take_back(self, items: tuple[_Item, ...]) -> bool:
        """Leave something undone, and return whether that is still possible."""
        with self.lock:
            under_way = any(taken is items[-1] for taken in self._taken)
            unwanted = {id(item) for item in items}
            self._items = [queued for queued in self._items if id(queued) not in unwanted]
            # Ctrl-C may have come just before `_begin` was called for, or just after.
            again = self._state == _WOKEN
            if again:
                self._state = _WOKEN if self._items else _IDLE
        if again and self._items:
            self._here().soon(self._begin)
        return not under_way

    async def aclose(self) -> None:
        """Write what is left, give up the leases of trials that still run, and close the link."""
        self._closing = True
        try:
            await self._here().run(self._stop_keeping)
            with suppress(KeyError):  # deleted: there is nothing left to write
                await self._ask(None)
        finally:
            self._closing = False
            await self._here().run(self._unlink)

    async def _stop_keeping(self) -> None:
        stop, self._stop_keeper = self._stop_keeper, None
        if stop is not None:
            stop()
        self._stop_listening()

    async def _unlink(self) -> None:
        async with self._linked:
            link, self._link = self._link, None
            if link is not None:
                await link.aclose()

    # -- on the storages' thread ------------------------------------------------------------

    def _here(self) -> StorageThread:
        thread = storage_thread()
        if thread is not self._thread:  # a forked child: the link belongs to the parent
            self._thread, self._link, self._stop_keeper = thread, None, None
        return thread

    def forked(self) -> None:
        """Leave to the parent what is the parent's."""
        # The parent writes what was recorded, and runs what it has started.
        self._items.clear()
        self._taken, self._state, self._timed = [], _IDLE, False
        self._linked = asyncio.Lock()
        self._running.update(self._own)
        self._own.clear()

    def _linger(self) -> None:
        if not self._timed:
            self._timed = True
            asyncio.get_running_loop().call_later(LINGER, self._begin_unasked)

    def _begin_unasked(self) -> None:
        with self.lock:
            self._timed = False
            lingering = self._state == _LINGERING
        if lingering:
            self._begin()

    def _begin(self) -> None:
        """Begin to work, if that is not so already; called on the storages' thread."""
        with self.lock:
            if self._state == _BUSY:
                return
            self._state = _BUSY
        self._here().spawn(self._work())

    async def _work(self) -> None:
        """Carry out what is queued, until nothing is left that can be."""
        try:
            await self._work_on()
        except BaseException as error:  # a defect, which must not leave anybody waiting
            with self.lock:
                items, self._items = self._items, []
                self._items += [item for item in items if item.pending is None]
                self._taken, self._state = [], _IDLE
            resolve([(item.pending, None, error) for item in items if item.pending is not None])
            raise

    async def _work_on(self) -> None:
        failed = False
        while True:
            with self.lock:
                items = self._items
                if not items or (failed and all(item.pending is None for item in items)):
                    self._taken, self._state = [], _IDLE
                    return
                self._taken, self._items = items, []
            async with self._linked:
                failed = not await self._carry_out(items)

    async def _carry_out(self, items: list[_Item]) -> bool:
        """Do one exchange and tell those who wait; return whether it came off."""
        lost: list[int] = []
        results: list[Result] = []
        try:
            request = self._request(items)
            response = await self._exchange(request)
            while response.more:
                with self.lock:
                    changed = self._place(response, set(), lost)
                    self._record_again((*items, *self._items), changed)
                request = request._replace(seen=self._seen())
                response = await self._exchange(request)
            with self.lock:
                results = self._apply(items, request, response, lost)
        except BaseException as error:
            if all(item.pending is None for item in items):
                self._in_vain = None  # nobody has waited
            with self.lock:  # what nobody waits for stays, for when the storage is there again
                self._items[:0] = [item for item in items if item.pending is None]
            resolve([(item.pending, None, error) for item in items if item.pending is not None])
            if not isinstance(error, Exception):
                raise
            return False
        if self._own and not self._closing:
            self._look_after()
        try:
            if lost:
                for watcher in tuple(self._watchers):
                    watcher.lost(lost)
        finally:
            resolve(results)
        return True

    def _look_after(self) -> None:
        """Keep the leases of the trials that run here, and hear what others do to them."""
        if self.leases and not self._stop_keeper:
            self._stop_keeper = self._here().spawn(keep(weakref.ref(self), self.leases))
        link = self._link
        if link is not None and link is not self._listening:
            self._listening = link
            if link.listen(partial(_hear, weakref.ref(self))):
                self._hear()  # which begins it, and brings what happened before

    def _stop_listening(self) -> None:
        link, self._listening = self._listening, None
        if link is not None:
            link.listen(None)

    def _hear(self) -> None:
        """Read what others have written; nobody waits for it."""
        with self.lock:
            self._items.append(_Item(None, read=True))
        self._begin()

    def _request(self, items: list[_Item]) -> Request:
        while self._abandoned:
            number = self._abandoned.pop()
            if self._own.pop(trial_id := self.history.trial_id(number), None) is not None:
                self._running[trial_id] = number
        ops = [self._op(item.what) for item in items if item.what is not None]
        beat = tuple(self._own) if self._beat and not self._closing else ()
        self._beat = False
        return Request(
            ops,
            self._seen(),
            durable=any(isinstance(item.what, _DURABLE) for item in items),
            read=any(item.read for item in items),
            beat=beat,
            release=tuple(self._own) if self._closing else (),
        )

    def _seen(self) -> Seen:
        return Seen(
            self._last_id,
            self.history.n_trials,
            self._own,
            self._running,
            self._waiting,
            self._names,
        )

    def _op(self, what: Fact | Start | Create | Reap) -> Op:
        if isinstance(what, _PLACES):
            return what
        if isinstance(what, _OF_STUDY):
            return Write(what, -1)
        return Write(what, self.history.trial_id(what.number))

    async def _exchange(self, request: Request) -> Response:
        async def exchange(repeated: bool) -> Response:
            if self.deleted:
                raise KeyError(f"The study {self.history.study_name!r} has been deleted.")
            if self._link is None:
                self._link = await self.storage.relink(self.history.study_name)
            return await self._link.exchange(request._replace(repeated=repeated))

        patience, known = self.storage.patience, self._in_vain
        if known is not None:  # it has been waited for, and nobody else need do so
            patience = patience._replace(total=0.0)
        self._in_vain = None
        try:
            return await patiently(exchange, patience)
        except KeyError:
            self.storage.forget(self)
            raise
        except StorageInternalError as error:
            if isinstance(error.__cause__, StorageUnavailable):
                self._in_vain = known or str(error)
                raise StorageInternalError(self._in_vain) from error.__cause__
            raise

    def _apply(
        self,
        items: list[_Item],
        request: Request,
        response: Response,
        lost: list[int],
    ) -> list[Result]:
        answers = iter(response.answers)
        answered = [(item, None if item.what is None else next(answers)) for item in items]
        ended = {
            item.what.number
            for item, answer in answered
            if isinstance(item.what, TrialFinished) and answer is None
        }
        changed = self._place(response, ended, lost)
        results: list[Result] = []
        for item, answer in answered:
            error = answer if isinstance(answer, Exception) else None
            if error is None:
                self._accept(item.what, answer)
            elif item.pending is None and not isinstance(error, UpdateFinishedTrialError):
                self._refuse(item.what, error)
            if isinstance(item.what, TrialFinished):
                self._refused.pop(item.what.number, None)  # whoever waits has been told
            if item.pending is not None:
                results.append((item.pending, None if error else answer, error))
        self._record_again(self._items, changed)
        return results

    def _record_again(self, items: Iterable[_Item], changed: set[int]) -> None:
        """Record what is ahead of what has just been read of these trials, and of the study."""
        for what, pending, _ in items:
            number = getattr(what, "number", None)
            recorded = pending is None and what is not None
            if recorded and (number is None or number in changed):
                with suppress(UpdateFinishedTrialError):
                    self.history.apply(what)  # type: ignore[arg-type]

    def _place(self, response: Response, ended: set[int], lost: list[int]) -> set[int]:
        history, own = self.history, self._own
        news: list[FinishedTrial] = []
        for record in response.trials:
            trial_id, number, state = record.trial_id, record.number, record.state
            if trial_id in own:
                if not state.is_finished():
                    continue  # what is known here is newer
                if number not in ended:
                    lost.append(number)
            news.append(record)
            self._last_id = max(self._last_id, trial_id)
            for trials in (own, self._running, self._waiting):
                trials.pop(trial_id, None)
            if self._refused and state.is_finished():
                self._refused.pop(number, None)
            if not state.is_finished():
                known = self._waiting if state is TrialState.WAITING else self._running
                known[trial_id] = number
        place_all(history, news)
        if response.trials:
            self._names.update(_names(response.trials))
        if response.user_attrs is not None:
            history.user_attrs = response.user_attrs
        if response.system_attrs is not None:
            history.system_attrs = response.system_attrs
        return {record.number for record in news}

    def _refuse(self, what: Any, error: Exception) -> None:
        self._refused.setdefault(getattr(what, "number", -1), error)
        if isinstance(what, ParamSet):
            # What others have made of it is what counts from now on.
            history, known = self.history, self._names.get(what.name)
            if known is None:
                history.known_distributions.pop(what.name, None)
            else:
                history.known_distributions[what.name] = known

    def _accept(self, what: Fact | Start | Create | Reap | None, answer: Any) -> None:
        history = self.history
        if isinstance(what, ParamSet):
            self._names[what.name] = what.distribution
        elif isinstance(what, TrialFinished):
            trial_id = history.trial_id(what.number)
            for trials in (self._own, self._running, self._waiting):
                trials.pop(trial_id, None)
            if not history.state(what.number).is_finished():
                assert self._link is not None  # it has just carried this out
                history.apply(what._replace(at=self._link.kept(what.at)))
        elif isinstance(what, Start):
            trial_id = history.trial_id(answer)
            self._running.pop(trial_id, None)
            self._own[trial_id] = answer


def _hear(store: weakref.ref[ReplicaStore]) -> None:
    kept = store()
    if kept is not None:
        kept._hear()


def _names(records: Iterable[FinishedTrial]) -> dict[str, BaseDistribution]:
    names: dict[str, BaseDistribution] = {}
    last: dict[str, BaseDistribution] | None = None
    for record in records:
        if record.distributions != last:
            last = record.distributions
            names.update(last)
    return names
