"""A plain store: it knows of its study what responses tell it, and asks as a store does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ahpo.distributions import BaseDistribution, FloatDistribution
from ahpo.history.facts import (
    Fact,
    ParamSet,
    StudySystemAttrSet,
    StudyUserAttrSet,
    TrialFinished,
)
from ahpo.history.records import FinishedTrial
from ahpo.states import StudyDirection, TrialState
from ahpo.storages.exchange import (
    Backend,
    Create,
    Link,
    Op,
    Reap,
    Request,
    Response,
    Seen,
    Start,
    Write,
)

NOW = 1_700_000_000_000_000
MINIMIZE, MAXIMIZE = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE
UNIT = FloatDistribution(0.0, 1.0)


class Peer:
    def __init__(self, link: Link) -> None:
        self.link = link
        self.trials: dict[int, FinishedTrial] = {}
        self.names: dict[str, BaseDistribution] = {}
        self.own: set[int] = set()  # numbers
        self.user_attrs: dict[str, Any] = {}
        self.system_attrs: dict[str, Any] = {}
        self.last: Response | None = None

    @property
    def seen(self) -> Seen:
        states: dict[str, dict[int, int]] = {"own": {}, "running": {}, "waiting": {}}
        for trial in self.trials.values():
            if trial.state is TrialState.WAITING:
                states["waiting"][trial.trial_id] = trial.number
            elif trial.state is TrialState.RUNNING:
                whose = "own" if trial.number in self.own else "running"
                states[whose][trial.trial_id] = trial.number
        last_id = max((trial.trial_id for trial in self.trials.values()), default=-1)
        return Seen(last_id, len(self.trials), **states, names=self.names)

    async def ask(self, *ops: Op, **rest: Any) -> list[Any]:
        response = await self.link.exchange(Request(ops, self.seen, **rest))
        self.take(ops, response)
        return list(response.answers)

    def take(self, ops: Sequence[Op], response: Response) -> None:
        self.last = response
        assert len(response.answers) == len(ops)
        numbers = [trial.number for trial in response.trials]
        assert numbers == sorted(set(numbers))
        for op, answer in zip(ops, response.answers, strict=True):
            if isinstance(op, Start):
                self.own.add(answer)
            elif isinstance(op, Write) and isinstance(op.fact, TrialFinished) and answer is None:
                end = op.fact
                trial = self.trials[end.number]
                self.trials[end.number] = trial._replace(
                    state=end.state, values=end.values, completed=end.at
                )
        for trial in response.trials:
            self.trials[trial.number] = trial
            for name, distribution in trial.distributions.items():
                self.names.setdefault(name, distribution)
        assert sorted(self.trials) == list(range(len(self.trials)))
        if response.user_attrs is not None:
            self.user_attrs = response.user_attrs
        if response.system_attrs is not None:
            self.system_attrs = response.system_attrs

    async def start(self, lease: bool = False) -> int:
        (number,) = await self.ask(Start(NOW, lease))
        return number

    async def create(self, *trials: FinishedTrial) -> list[int]:
        (numbers,) = await self.ask(Create(trials))
        if isinstance(numbers, Exception):
            raise numbers
        return numbers

    def writes(self, facts: Iterable[Fact]) -> list[Write]:
        return [Write(fact, self.id_of(fact)) for fact in facts]

    def id_of(self, fact: Fact) -> int:
        if isinstance(fact, StudyUserAttrSet | StudySystemAttrSet):
            return -1
        return self.trials[fact.number].trial_id

    async def write(self, *facts: Fact, **rest: Any) -> None:
        for answer in await self.ask(*self.writes(facts), **rest):
            if answer is not None:
                raise answer
        for fact in facts:
            if isinstance(fact, ParamSet):
                self.names.setdefault(fact.name, fact.distribution)

    async def finish(self, number: int, value: float = 1.0, **rest: Any) -> None:
        await self.write(completed(number, value), **rest)

    async def reap(self, grace: float) -> list[int]:
        (numbers,) = await self.ask(Reap(grace, NOW + 10**6, "gone"))
        return numbers


def completed(number: int, value: float = 1.0) -> TrialFinished:
    return TrialFinished(number, TrialState.COMPLETE, (value,), NOW + 10**6)


async def created(backend: Backend, name: str = "study") -> Peer:
    peer = Peer(await backend.create_study(name, [MINIMIZE]))
    await peer.ask()
    return peer


async def opened(backend: Backend, name: str = "study") -> Peer:
    peer = Peer(await backend.open_study(name))
    await peer.ask()
    return peer


async def observed(backend: Backend, name: str = "study") -> list[FinishedTrial]:
    """Return all trials of a study as somebody finds them who opens it now."""
    peer = await opened(backend, name)
    return [peer.trials[number] for number in sorted(peer.trials)]
