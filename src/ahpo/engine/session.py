"""One open study at work: ask, decide, tell. What a trial does, whoever runs it and wherever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from ahpo.engine.cancelled import is_cancelled
from ahpo.engine.clock import Clock, SystemClock
from ahpo.engine.ended_elsewhere import LOST, Interruptible
from ahpo.engine.faces import face
from ahpo.engine.lines import say_stale
from ahpo.engine.outcome import Outcome
from ahpo.engine.places import Place
from ahpo.engine.safe_repr import safe_repr
from ahpo.engine.spaces import AskedSpaces
from ahpo.exceptions import UpdateFinishedTrialError
from ahpo.history.facts import FAIL_REASON, SystemAttrSet, TrialFinished
from ahpo.history.records import Relative
from ahpo.history.view import View
from ahpo.pruners.base import ArrayPruner, BasePruner
from ahpo.pruners.base import is_pure as is_pure_pruner
from ahpo.samplers.array_sampler import ArraySampler, is_pure
from ahpo.samplers.base import BaseSampler
from ahpo.states import TrialState
from ahpo.storages.protocol import Storage, StudyStore
from ahpo.streams import Stream

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ahpo.engine.budget import Budget
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("CurrentRun", "Session", "Successor")


class CurrentRun(Protocol):
    """Be an `optimize` under way, as far as others may act on it."""

    budget: Budget
    ended_by: str
    unfinished: set[int]


class Successor(Protocol):
    """Start a trial at the moment at which another one ends."""

    def wanted(self) -> bool:
        """Tell, when the sampler has learned of the end, whether the trial is to start."""
        ...

    def begin(self, number: int) -> None:
        """Take over the trial, which has started."""
        ...


def _internal(relative: Relative) -> dict[str, float]:
    """Return the internal values of what is inside of its distribution.

    What is not will be refused when the objective asks for it, and not before.
    """
    values: dict[str, float] = {}
    for name, external in relative.params.items():
        if name in relative.space:
            distribution = relative.space[name]
            try:
                value = distribution.to_internal_repr(external)
            except (TypeError, ValueError):
                continue
            if distribution._contains(value):
                values[name] = value
    return values


class Session:
    """Hold one open study with its sampler and pruner.

    :param storage: where the study is kept
    :param store: the study, opened in that storage
    :param clock: what tells the time
    """

    def __init__(
        self,
        storage: Storage,
        store: StudyStore,
        sampler: BaseSampler,
        pruner: BasePruner,
        clock: Clock | None = None,
    ) -> None:
        self.storage = storage
        self.store = store
        self.clock: Clock = SystemClock() if clock is None else clock
        self.sampler = sampler
        self.pruner = pruner
        self._begin()

    def _begin(self) -> None:
        self.spaces = AskedSpaces(self.store.history)
        # The `optimize`s under way: as a rule one, but several threads or tasks may each run one.
        self.runs: set[CurrentRun] = set()
        self.faces: dict[str, Any] = {}
        # Where the engine works on each event loop.
        self.places: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        # Streams that were left before their end, and whose trials are being cancelled.
        self.leaving: set[asyncio.Task[None]] = set()
        # With the end of which trials the study may have to stop, and what to ask then.
        self._stops: dict[int, Callable[[View], bool]] = {}
        # The trials that run here and must be told when somebody else finishes them.
        self.live: dict[int, Interruptible] = {}
        self.reaped = False
        self.store.watch(self)

    # -- what others do, on a thread of the storages ----------------------------------------

    def begin(self, trial: Interruptible) -> None:
        """Have a trial told when somebody else finishes it."""
        self.live[trial.number] = trial
        if self.store.history.state(trial.number).is_finished():
            trial.interrupt(LOST)

    def lost(self, numbers: Sequence[int]) -> None:
        """Tell trials that somebody else has finished them."""
        for number in numbers:
            trial = self.live.get(number)
            if trial is not None:
                trial.interrupt(LOST)

    def stale(self, numbers: Sequence[int]) -> None:
        """Call back for the trials that were failed because their leases had expired."""
        call_back = getattr(self.storage, "on_stale_trial", None)
        with ExitStack() as calls:  # all of them are called for, also if one raises
            for number in reversed(numbers):
                if call_back is not None:
                    frozen = self.store.history.frozen(number)
                    calls.callback(call_back, face(self, "sync"), frozen)
                calls.callback(say_stale, number)

    @property
    def reader(self) -> Any:
        """The study as a user's sampler or pruner sees it."""
        return face(self, "reader")

    @property
    def sampler(self) -> BaseSampler:
        """The sampler; it may be replaced between trials."""
        return self._sampler

    @sampler.setter
    def sampler(self, sampler: BaseSampler) -> None:
        if sampler is not self.__dict__.get("_sampler"):
            stream = getattr(sampler, "stream", None)
            if isinstance(stream, Stream) and stream.seed is None:
                # Draws belong to trial numbers: unseeded, a sampler that several studies share
                # would give all of them the same trials.
                sampler.reseed_rng()
            self._sampler = sampler
        self._examine_sampler()

    def _examine_sampler(self) -> None:
        # What kind it is, and which hooks it has, is asked for many times in each trial.
        sampler = self._sampler
        self._n_of_sampler = len(vars(sampler))
        arrays = self.array_sampler = sampler if is_pure(sampler) else None
        self._learns = arrays is None or arrays.uses("observe")
        self._prepares = arrays is not None and arrays.uses("prepare")
        self._proposes = arrays is None or arrays.uses("propose") or arrays.uses("relative_space")
        self.may_run_out = arrays is not None and arrays.uses("exhausted")
        self._takes_long = isinstance(sampler, ArraySampler) and sampler.takes_long
        self.warms_up: Callable[[], None] | None = None
        if isinstance(sampler, ArraySampler) and sampler.uses("warm_up"):
            self.warms_up = sampler.warm_up

    @property
    def pruner(self) -> BasePruner:
        """The pruner; it may be replaced between trials."""
        return self._pruner

    @pruner.setter
    def pruner(self, pruner: BasePruner) -> None:
        self._pruner = pruner
        self._examine_pruner()

    def _examine_pruner(self) -> None:
        pruner = self._pruner
        self._n_of_pruner = len(vars(pruner))
        self._array_pruner = pruner if is_pure_pruner(pruner) else None
        self._visible = pruner.visible if isinstance(pruner, ArrayPruner) else None

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for passing in (
            "array_sampler",
            "_n_of_sampler",
            "_array_pruner",
            "_n_of_pruner",
            "_visible",
            "_stops",
            "_learns",
            "_prepares",
            "may_run_out",
            "_proposes",
            "_takes_long",
            "warms_up",
            "spaces",
            "runs",
            "faces",
            "places",
            "leaving",
            "live",
            "reaped",
        ):
            del state[passing]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._examine_sampler()
        self._examine_pruner()
        self._begin()

    # -- ask --------------------------------------------------------------------------------

    async def ask(self, place: Place, number: int | None = None) -> tuple[int, View]:
        """Start a trial and sample what is sampled jointly; return its number and its view.

        Whatever the sampler raises fails the trial and is raised.

        :param number: that of a trial which has been started already, None to start one
        """
        # Somebody may have put a documented method of his own on the objects since.
        if len(vars(self._sampler)) != self._n_of_sampler:
            self._examine_sampler()
        if len(vars(self._pruner)) != self._n_of_pruner:
            self._examine_pruner()
        if self.store.waits and not self.reaped:
            self.reaped = True  # from now on the store does so by itself, time and again
            await place.compute(self.stale, await self.store.reap())
        if number is None:
            number = await place.final(self.store.start(self.clock.now()), self._give_up)
        try:
            if self._proposes:
                view = await place.compute(self._prepare, number, long=self._takes_long)
            else:
                view = self._prepare(number)
        except BaseException as error:
            reason = "cancelled" if is_cancelled(error) else safe_repr(error)
            await place.final(self.end_for_good(number, Outcome(TrialState.FAIL, None, reason)))
            raise
        return number, view

    async def _give_up(self, number: int) -> None:
        await self.end_for_good(number, Outcome(TrialState.FAIL, None, "cancelled"))

    def _prepare(self, number: int) -> View:
        history = self.store.history
        view = View(history)
        if self._visible is not None:
            view = self._visible(view, number)
        opened = history.open_trial(number)
        if self.array_sampler is not None:
            if self._prepares:
                attributes = self.array_sampler.prepare(view, number)
                self._keep(number, attributes or {}, {})
            opened.proposal = self.array_sampler.propose(view, number)
        else:
            opened.relative = self._ask_sampler(number, view)
            opened.proposal = _internal(opened.relative)
        return view

    def _ask_sampler(self, number: int, view: View) -> Relative:
        """Let a sampler prepare and sample jointly by its documented methods."""
        sampler, reader = self._sampler, self.reader.at(view)
        frozen: FrozenTrial = self.store.history.frozen(number)
        known = dict(frozen.system_attrs)
        sampler.before_trial(reader, frozen)
        self._keep(number, frozen.system_attrs, known)
        known = dict(frozen.system_attrs)
        space = sampler.infer_relative_search_space(reader, frozen)
        params = sampler.sample_relative(reader, frozen, space)
        if not isinstance(params, Mapping):
            raise TypeError(f"`sample_relative` must return a dict, but it returned {params!r}.")
        self._keep(number, frozen.system_attrs, known)
        return Relative(dict(space or {}), dict(params))

    def _keep(self, number: int, attributes: dict[str, Any], known: dict[str, Any]) -> None:
        """Record the system attributes that a sampler or a pruner has put on a trial."""
        for key, value in attributes.items():
            if key not in known:
                self.store.record(SystemAttrSet(number, key, value))

    # -- decide -----------------------------------------------------------------------------

    async def checkpoint(self, number: int) -> bool:
        """Show others what the trial has reported, learn what they have, and decide on it."""
        await self.store.sync()
        return self.decide(number)

    def decide(self, number: int) -> bool:
        """Tell whether the pruner would prune the trial now, and record what it wants to keep."""
        history = self.store.history
        opened = history.running.get(number)
        if opened is None:
            return False
        if self._array_pruner is None:
            frozen = history.frozen(number)
            known = dict(frozen.system_attrs)
            prune = bool(self._pruner.prune(self.reader, frozen))
            self._keep(number, frozen.system_attrs, known)
            return prune
        decision = self._array_pruner.decide(View(history), opened)
        for key, value in decision.system_attrs.items():
            self.store.record(SystemAttrSet(number, key, value))
        return decision.prune

    # -- tell -------------------------------------------------------------------------------

    async def finish(
        self, number: int, view: View, outcome: Outcome, successor: Successor | None = None
    ) -> None:
        """Finish a trial: let the sampler learn of it, then record its state for good.

        The state is recorded even if the sampler raises.

        :param successor: starts the next trial at the same time, if it wants to
        :raises UpdateFinishedTrialError: if it has finished already
        """
        try:
            self._teach(number, view, outcome)
        except BaseException:
            await self.end(number, outcome)
            raise
        await self.end(number, outcome, successor)

    def _teach(self, number: int, view: View, outcome: Outcome) -> None:
        sampler = self._sampler
        if not self._learns:
            return
        if number not in self.store.history.running:
            return  # it has been ended from elsewhere: recording the end will say so
        frozen = self.store.history.frozen(number)
        known = dict(frozen.system_attrs)
        values = None if outcome.values is None else list(outcome.values)
        try:
            sampler.after_trial(self.reader, frozen, outcome.state, values)
        finally:
            self._keep(number, frozen.system_attrs, known)

    async def end(self, number: int, outcome: Outcome, successor: Successor | None = None) -> None:
        """Record the final state of a trial, and the reason if it failed.

        :param successor: starts the next trial at the same time, if it wants to
        :raises UpdateFinishedTrialError: if it has finished already
        """
        self.live.pop(number, None)
        if outcome.reason is not None:
            self.store.record(SystemAttrSet(number, FAIL_REASON, outcome.reason))
        now = self.clock.now()
        end = TrialFinished(number, outcome.state, outcome.values, now)
        exhausted = self._stops.pop(number, None) if self._stops else None
        if successor is not None and exhausted is None and successor.wanted():
            begun, refused = await self.store.finish_and_start(end, now)
            successor.begin(begun)
            if refused is not None:
                raise refused
            return
        await self.store.finish(end)
        if exhausted is not None and exhausted(View(self.store.history)):
            for run in tuple(self.runs):
                run.budget.stop()

    async def end_for_good(self, number: int, outcome: Outcome) -> None:
        """Record the end of a trial that nobody would end later, or leave it to its lease.

        :raises UpdateFinishedTrialError: if it has finished already
        """
        try:
            await self.end(number, outcome)
        except UpdateFinishedTrialError:
            raise
        except BaseException:
            self.store.abandon(number)
            raise

    def stop_if(self, exhausted: Callable[[View], bool], number: int) -> None:
        """Stop the study if a sampler says, when a trial has ended, that nothing is left to try.

        :param exhausted: tells it by the view with the trial in it
        """
        if number in self.store.history.running:
            self._stops[number] = exhausted

    def all_taken(self) -> bool:
        """Tell whether the sampler will have nothing left to try when what runs has ended."""
        history = self.store.history
        if not self.may_run_out or self.array_sampler is None:
            return False
        if history.waiting or not history.running:
            return False
        return self.array_sampler.all_taken(View(history))

    def exhausted(self) -> bool:
        """Tell whether the sampler has nothing left to try."""
        if not self.may_run_out or self.array_sampler is None:
            return False
        return self.array_sampler.exhausted(View(self.store.history))
