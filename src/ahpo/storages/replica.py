"""A study's history in this process, kept up to date with a storage that others write too.

What is recorded goes into the history at once and to the storage in batches: while one exchange is
under way, everything that is asked for queues up, and becomes the next one. So a thousand waiting
coroutines share a commit and a query, and an idle study has each fact written by itself.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from ahpo.distributions import BaseDistribution
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
from ahpo.history.records import FinishedTrial, OpenTrial
from ahpo.logging import get_logger
from ahpo.states import TrialState
from ahpo.storages.exchange import (
    Create,
    Link,
    NotInPlace,
    Reap,
    Request,
    Response,
    Start,
    StorageUnavailable,
)
from ahpo.storages.forking import guard
from ahpo.storages.home import Home
from ahpo.storages.in_place import HeldSignals, in_place, may_be_in_place
from ahpo.storages.items import Item, Result, recorded
from ahpo.storages.json_values import as_stored
from ahpo.storages.known import Known
from ahpo.storages.leases import LEASE_EXPIRED, Leases, keep
from ahpo.storages.patience import OneWait
from ahpo.storages.pending import Pending, resolve
from ahpo.storages.protocol import StudyStore, Succession, Watcher
from ahpo.storages.thread import StorageThread, storage_thread

__all__ = ("ReplicaStore",)

_logger = get_logger("ahpo.storages")

# Seconds for which a fact that nobody waits for may stay behind, so that it has company.
LINGER = 0.02

# Seconds between looks at what another thread does that is about to end.
_MOMENT = 0.001

_IDLE, _LINGERING, _WOKEN, _BUSY = range(4)
_ATTRIBUTES = (UserAttrSet, SystemAttrSet, StudyUserAttrSet, StudySystemAttrSet)
_DURABLE = (Create, TrialFinished, StudyUserAttrSet, StudySystemAttrSet)


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
        self._items: list[Item] = []
        self._taken: list[Item] = []  # what is being carried out
        self._state = _IDLE
        self._timed = False  # whether there will be a look at what lingers
        self._link: Link | None = link
        self._linked = asyncio.Lock()  # held while the link is in use, and while it is closed
        self._hands = threading.Lock()  # held while the link is in use in another thread
        self._tried = False  # whether what is queued may have been carried out before
        self._thread: StorageThread | None = storage_thread()
        self._stop_keeper: Callable[[], object] | None = None
        self._listening: Link | None = None
        self._known = Known(self.history)
        self._beat = self._closing = False
        self._wait = OneWait()
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
            untimed = self._queue(Item(fact))
        if untimed:
            self._here().soon(self._linger)

    def record_param(
        self, trial: OpenTrial, name: str, value: float, distribution: BaseDistribution
    ) -> None:
        with self.lock:
            self.history.set_param(trial, name, value, distribution)
            untimed = self._queue(Item(ParamSet(trial.number, name, value, distribution)))
        if untimed:
            self._here().soon(self._linger)

    def _queue(self, item: Item) -> bool:
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
        refused = self._known.refused.pop(-1, None)  # an attribute of the study
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
        number: int = await self._ask(Start(at, self.leases is not None), True, Item(fact, end))
        return Succession(number, end.error)  # one exchange has brought both

    async def _check_end(self, fact: TrialFinished) -> None:
        # What nobody waited for and the storage could not take: here somebody does.
        refused = self._known.refused.pop(fact.number, None)
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
        if not self._known.own:
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
        self, what: Fact | Start | Create | Reap | None, read: bool = False, *first: Item
    ) -> Any:
        """Have something done and return the answer.

        Cancelled, it has not been done, or has been done as a whole, when the caller learns of it.

        :param first: what is to be done before it, in the same exchange
        """
        pending: Pending[Any] = Pending()
        items = (*first, Item(what, pending, read))
        try:
            if not self._do_in_place(items):
                self._wake(items)
            return await pending
        except GeneratorExit:
            raise
        except BaseException as error:
            # Who is cancelled learns of what was started, and who is interrupted may not.
            interrupted = not isinstance(error, asyncio.CancelledError)
            pending.wanted = not interrupted
            if not pending.done and not self._take_back(items) and what is not None:
                await pending.outlast()
            if isinstance(what, Start) and interrupted:
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

    def _wake(self, items: tuple[Item, ...]) -> None:
        thread = self._here()
        with self.lock:
            self._items += items
            wake = self._state < _WOKEN
            if wake:
                self._state = _WOKEN
        if wake:
            thread.soon(self._begin)

    def _take_back(self, items: tuple[Item, ...]) -> bool:
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
            while not self._hands.acquire(blocking=False):  # noqa: ASYNC110  (a thread releases it)
                await asyncio.sleep(_MOMENT)
            try:
                link, self._link = self._link, None
            finally:
                self._hands.release()
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
        self._linked, self._hands = asyncio.Lock(), threading.Lock()
        self._known.disown_all()

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

    async def _carry_out(self, items: list[Item]) -> bool:
        """Do one exchange on the storages' thread; return whether it came off."""
        steps = self._steps(items)
        try:
            request = next(steps)
            while True:
                try:
                    response = await self._exchange(request)
                except BaseException as error:
                    request = steps.throw(error)
                else:
                    request = steps.send(response)
        except StopIteration as end:
            if self._known.own and not self._closing:
                self._look_after()
            return bool(end.value)

    def _do_in_place(self, items: tuple[Item, ...]) -> bool:
        """Do one exchange in this thread if that is possible, and return whether it is."""
        if not may_be_in_place(self._link) or self._beat or self._closing or self.deleted:
            return False
        thread = self._here()
        with HeldSignals():
            with self.lock:
                link = self._link
                if self._state >= _WOKEN or link is None or not self._hands.acquire(blocking=False):
                    return False
                self._taken, self._items = [*self._items, *items], []
                self._state = _BUSY
            try:
                self._carry_out_in_place(link, self._taken)
            finally:
                self._hands.release()
                with self.lock:
                    self._taken = []
                    self._state = _WOKEN if self._items else _IDLE
                if self._items:
                    thread.soon(self._begin)
        return True

    def _carry_out_in_place(self, link: Link, items: list[Item]) -> None:
        steps = self._steps(items)
        try:
            request = next(steps)
            while True:
                try:
                    response = in_place(link, request)
                except (NotInPlace, StorageUnavailable) as error:
                    # The storages' thread can wait, and try again.
                    self._tried = isinstance(error, StorageUnavailable)
                    steps.close()
                    with self.lock:
                        self._items[:0] = items
                    return
                except BaseException as error:
                    if isinstance(error, KeyError):
                        self.storage.forget(self)
                    request = steps.throw(error)
                else:
                    request = steps.send(response)
        except StopIteration:
            self._wait.was_noticed_by_nobody()
            if self._known.own and (self._stop_keeper is None or link is not self._listening):
                self._here().soon(self._look_after)

    def _steps(self, items: list[Item]) -> Generator[Request, Response, bool]:
        """Give the requests of one exchange, and tell who waits; return whether it came off."""
        lost: list[int] = []
        results: Sequence[Result] = ()
        try:
            request = self._request(items)
            response = yield request
            while response.more:
                with self.lock:
                    changed = self._known.place(response, set(), lost)
                    self._known.record_again(recorded((*items, *self._items)), changed)
                request = request._replace(seen=self._known.seen())
                response = yield request
            with self.lock:
                assert self._link is not None  # it has just carried this out
                applied = self._known.apply(items, request, response, self._link, lost)
                self._abandoned += applied.unwanted
                self._known.record_again(recorded(self._items), applied.placed)
                results = applied.results
        except GeneratorExit:
            raise  # it is left to somebody else
        except BaseException as error:
            if all(item.pending is None for item in items):
                self._wait.was_noticed_by_nobody()
            with self.lock:  # what nobody waits for stays, for when the storage is there again
                self._items[:0] = [item for item in items if item.pending is None]
            resolve([(item.pending, None, error) for item in items if item.pending is not None])
            if not isinstance(error, Exception):
                raise
            return False
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
            self._items.append(Item(None, read=True))
        self._begin()

    def _request(self, items: list[Item]) -> Request:
        known = self._known
        while self._abandoned:
            known.disown(self._abandoned.pop())
        ops = [known.op(item.what) for item in items if item.what is not None]
        beat = tuple(known.own) if self._beat and not self._closing else ()
        self._beat = False
        return Request(
            ops,
            known.seen(),
            durable=any(isinstance(item.what, _DURABLE) for item in items),
            read=any(item.read for item in items),
            beat=beat,
            release=tuple(known.own) if self._closing else (),
        )

    async def _exchange(self, request: Request) -> Response:
        async def exchange(repeated: bool) -> Response:
            if self.deleted:
                raise KeyError(f"The study {self.history.study_name!r} has been deleted.")
            if self._link is None:
                self._link = await self.storage.relink(self.history.study_name)
            tried, self._tried = self._tried, False
            return await self._link.exchange(request._replace(repeated=repeated or tried))

        try:
            return await self._wait.patiently(exchange, self.storage.patience)
        except KeyError:
            self.storage.forget(self)
            raise


def _hear(store: weakref.ref[ReplicaStore]) -> None:
    kept = store()
    if kept is not None:
        kept._hear()
