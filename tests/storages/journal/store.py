"""The part of a store that talks to a link: it knows what it was told, and says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ahpo.distributions import BaseDistribution
from ahpo.history.facts import Fact, TrialFact, trial_facts
from ahpo.history.history import History
from ahpo.history.records import FinishedTrial
from ahpo.states import StudyDirection, TrialState
from ahpo.storages.exchange import Create, Link, Op, Request, Response, Seen, Start, Write

NOW = 1_700_000_000_000_000
MINIMIZE = (StudyDirection.MINIMIZE,)
PLAIN = FinishedTrial(
    number=-1,
    trial_id=-1,
    state=TrialState.COMPLETE,
    values=(1.0,),
    params={},
    distributions={},
    intermediate_values={},
    user_attrs={},
    system_attrs={},
    started=NOW,
    completed=NOW + 10**6,
)
WAITING = PLAIN._replace(state=TrialState.WAITING, values=None, started=None, completed=None)


class TellingStore:
    """Keep what the responses of one link say."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.trials: dict[int, FinishedTrial] = {}
        self.own: set[int] = set()
        self.user_attrs: dict[str, Any] = {}
        self.system_attrs: dict[str, Any] = {}

    def seen(self) -> Seen:
        names: dict[str, BaseDistribution] = {}
        parts: dict[str, dict[int, int]] = {"own": {}, "RUNNING": {}, "WAITING": {}}
        for trial in self.trials.values():
            names.update(trial.distributions)
            if not trial.state.is_finished():
                part = "own" if trial.number in self.own else trial.state.name
                parts[part][trial.trial_id] = trial.number
        last_id = max((trial.trial_id for trial in self.trials.values()), default=-1)
        n_trials = len(self.trials)
        return Seen(
            last_id, n_trials, parts["own"], parts["RUNNING"], parts["WAITING"], names=names
        )

    def request(self, *ops: Op, **options: Any) -> Request:
        return Request(ops, self.seen(), **options)

    def learn(self, request: Request, response: Response) -> list[Any]:
        for op, answer in zip(request.ops, response.answers, strict=True):
            if isinstance(op, Start):
                self.own.add(answer)
            elif isinstance(op, Write) and answer is None:
                self._apply(op.fact)
        for trial in response.trials:
            self.trials[trial.number] = trial
        assert [trial.number for trial in response.trials] == sorted(
            trial.number for trial in response.trials
        )
        assert sorted(self.trials) == list(range(len(self.trials)))
        if response.user_attrs is not None:
            self.user_attrs = response.user_attrs
        if response.system_attrs is not None:
            self.system_attrs = response.system_attrs
        return list(response.answers)

    def _apply(self, fact: Fact) -> None:
        number = getattr(fact, "number", None)
        if number is None:
            attrs = self.user_attrs if "User" in type(fact).__name__ else self.system_attrs
            attrs[fact.key] = fact.value  # type: ignore[union-attr]
            return
        trial = self.trials[number]
        history = History("", self.link.directions)
        for known in trial_facts(trial._replace(number=0)):
            history.apply(known)
        history.apply(fact._replace(number=0))  # type: ignore[call-arg, arg-type]
        self.trials[number] = history.record(0)._replace(number=number)

    async def exchange(self, *ops: Op, **options: Any) -> list[Any]:
        request = self.request(*ops, **options)
        return self.learn(request, await self.link.exchange(request))

    async def one(self, op: Op, **options: Any) -> Any:
        (answer,) = await self.exchange(op, **options)
        return answer

    async def start(self, lease: bool = False) -> int:
        number = await self.one(Start(NOW, lease))
        assert isinstance(number, int)
        return number

    async def create(self, *trials: FinishedTrial) -> list[int]:
        numbers: list[int] = await self.one(Create(trials))
        return numbers

    def write(self, fact: TrialFact) -> Write:
        return Write(fact, self.trials[fact.number].trial_id)

    async def refresh(self) -> list[FinishedTrial]:
        await self.exchange()
        return [self.trials[number] for number in sorted(self.trials)]


def told(trials: Sequence[FinishedTrial]) -> list[tuple[Any, ...]]:
    """Return the trials as what compares equal where NaN stands."""
    return [tuple(repr(part) for part in trial) for trial in trials]
