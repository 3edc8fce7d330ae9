"""One open study at work: ask, decide, tell. What a trial does, whoever runs it and wherever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from ahpo.engine.cancelled import is_cancelled
from ahpo.engine.clock import Clock, SystemClock
from ahpo.engine.faces import face
from ahpo.engine.outcome import Outcome
from ahpo.engine.places import Place
from ahpo.engine.safe_repr import safe_repr
from ahpo.engine.spaces import AskedSpaces
from ahpo.history.facts import SystemAttrSet, TrialFinished
from ahpo.history.view import View
from ahpo.pruners.base import ArrayPruner, BasePruner
from ahpo.samplers.array_sampler import ArraySampler
from ahpo.samplers.base import BaseSampler
from ahpo.states import TrialState
from ahpo.storages.protocol import Storage, StudyStore

if TYPE_CHECKING:
    import asyncio

    from ahpo.engine.budget import Budget

__all__ = ("FAIL_REASON", "CurrentRun", "Session")

FAIL_REASON = "fail_reason"


class CurrentRun(Protocol):
    """Be an `optimize` under way, as far as others may act on it."""

    budget: Budget
    ended_by: str
    unfinished: set[int]


def _has_own(sampler: ArraySampler, *hooks: str) -> bool:
    """Tell whether a sampler does anything in one of the hooks."""
    return any(getattr(type(sampler), hook) is not getattr(ArraySampler, hook) for hook in hooks)


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
        self._sampler = sampler
        self._pruner = pruner
        self.clock: Clock = SystemClock() if clock is None else clock
        self._begin()
        if self.array_sampler is not None and self.array_sampler.stream.seed is None:
            # Draws belong to trial numbers: unseeded, a sampler that several studies share would
            # give all of them the same trials.
            self.array_sampler.reseed_rng()

    def _begin(self) -> None:
        self.sampler = self._sampler
        self.pruner = self._pruner
        self.spaces = AskedSpaces(self.store.history)
        # The `optimize`s under way: as a rule one, but several threads or tasks may each run one.
        self.runs: set[CurrentRun] = set()
        self.faces: dict[str, Any] = {}
        # Where the engine works on each event loop.
        self.places: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        # Streams that were left before their end, and whose trials are being cancelled.
        self.leaving: set[asyncio.Task[None]] = set()

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
        self._sampler = sampler
        # What kind it is, and which hooks it has, is asked for many times in each trial.
        arrays = self.array_sampler = sampler if isinstance(sampler, ArraySampler) else None
        self._learns = arrays is None or _has_own(arrays, "observe", "after_trial")
        self._prepares = arrays is not None and _has_own(arrays, "prepare")
        self._proposes = arrays is None or _has_own(arrays, "propose", "relative_space")
        self._may_be_exhausted = arrays is not None and _has_own(arrays, "exhausted")
        self.warms_up = arrays.warm_up if arrays and _has_own(arrays, "warm_up") else None

    @property
    def pruner(self) -> BasePruner:
        """The pruner; it may be replaced between trials."""
        return self._pruner

    @pruner.setter
    def pruner(self, pruner: BasePruner) -> None:
        self._pruner = pruner
        self._array_pruner = pruner if isinstance(pruner, ArrayPruner) else None

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for passing in (
            "array_sampler",
            "_array_pruner",
            "_learns",
            "_prepares",
            "_may_be_exhausted",
            "_proposes",
            "warms_up",
            "spaces",
            "runs",
            "faces",
            "places",
            "leaving",
        ):
            del state[passing]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    # -- ask --------------------------------------------------------------------------------

    async def ask(self, place: Place) -> tuple[int, View]:
        """Start a trial and sample what is sampled jointly; return its number and its view.

        Whatever the sampler raises fails the trial and is raised.
        """
        await self.store.refresh()
        number = await place.final(self.store.start(self.clock.now()), self._give_up)
        try:
            if self._proposes:
                view = await place.compute(self._prepare, number)
            else:
                view = self._prepare(number)
        except BaseException as error:
            reason = "cancelled" if is_cancelled(error) else safe_repr(error)
            await place.final(self.end(number, Outcome(TrialState.FAIL, None, reason)))
            raise
        return number, view

    async def _give_up(self, number: int) -> None:
        await self.end(number, Outcome(TrialState.FAIL, None, "cancelled"))

    def _prepare(self, number: int) -> View:
        history = self.store.history
        view = View(history)
        if self._array_pruner is not None:
            view = self._array_pruner.visible(view, number)
        opened = history.open_trial(number)
        if self.array_sampler is not None:
            if self._prepares:
                attributes = self.array_sampler.prepare(view, number)
                self._keep(number, attributes or {}, {})
            opened.proposal = self.array_sampler.propose(view, number)
            return view
        sampler = self._sampler
        frozen = history.frozen(number)
        known = dict(frozen.system_attrs)
        sampler.before_trial(self.reader, frozen)
        space = sampler.infer_relative_search_space(self.reader, frozen)
        params = sampler.sample_relative(self.reader, frozen, space)
        for name in params:
            if name not in space:
                raise ValueError(
                    f"`sample_relative` returned the parameter {name!r}, which is not in its "
                    f"search space {sorted(space)}."
                )
        self._keep(number, frozen.system_attrs, known)
        opened.proposal = {n: space[n].to_internal_repr(value) for n, value in params.items()}
        return view

    def _keep(self, number: int, attributes: dict[str, Any], known: dict[str, Any]) -> None:
        """Record the system attributes that a sampler or a pruner has put on a trial."""
        for key, value in attributes.items():
            if key not in known:
                self.store.record(SystemAttrSet(number, key, value))

    # -- decide -----------------------------------------------------------------------------

    async def checkpoint(self, number: int) -> bool:
        """Show others what the trial has reported, learn what they have, and decide on it."""
        await self.store.flush()
        await self.store.refresh()
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

    async def finish(self, number: int, view: View, outcome: Outcome) -> None:
        """Finish a trial: let the sampler learn of it, then record its state for good.

        The state is recorded even if the sampler raises.

        :raises UpdateFinishedTrialError: if it has finished already
        """
        try:
            self._teach(number, view, outcome)
        finally:
            await self.end(number, outcome)

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

    async def end(self, number: int, outcome: Outcome) -> None:
        """Record the final state of a trial, and the reason if it failed.

        :raises UpdateFinishedTrialError: if it has finished already
        """
        if outcome.reason is not None:
            self.store.record(SystemAttrSet(number, FAIL_REASON, outcome.reason))
        now = self.clock.now()
        await self.store.finish(TrialFinished(number, outcome.state, outcome.values, now))

    def exhausted(self) -> bool:
        """Tell whether the sampler has nothing left to try."""
        if not self._may_be_exhausted or self.array_sampler is None:
            return False
        return self.array_sampler.exhausted(View(self.store.history))
