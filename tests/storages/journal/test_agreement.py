"""Whatever several stores do to a study, what they were told adds up to what is there."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ahpo.distributions import FloatDistribution, IntDistribution
from ahpo.exceptions import UpdateFinishedTrialError
from ahpo.history.facts import Fact, ParamSet, TrialFinished, UserAttrSet, ValueReported
from ahpo.history.records import FinishedTrial
from ahpo.states import TrialState
from ahpo.storages.exchange import Create, Op, Reap, Response, Start, Write
from ahpo.storages.journal import JournalBackend
from ahpo.testing.drawn import records
from tests.storages.journal.conftest import HandClock, ListBackend
from tests.storages.journal.store import MINIMIZE, NOW, TellingStore, told

_GRACE = 10.0
_which = st.integers(0, 2)
_picks = st.integers(0, 30)
_kinds = st.sampled_from([FloatDistribution(0.0, 1.0), IntDistribution(0, 1)])


class Agreement(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()

    def teardown(self) -> None:
        self.runner.close()

    @initialize()
    def create(self) -> None:
        self.logs: list[str] = []
        self.clock = HandClock()
        self.acknowledged: dict[int, str] = {}
        self.wait(self.backend().create_study("study", MINIMIZE))
        self.stores = [self.store() for _ in range(3)]

    def backend(self) -> JournalBackend:
        return JournalBackend(ListBackend(self.logs), self.clock)

    def store(self) -> TellingStore:
        return TellingStore(self.wait(self.backend().open_study("study")))

    def wait(self, coroutine: Any) -> Any:
        return self.runner.get_loop().run_until_complete(coroutine)

    def exchange(self, which: int, *ops: Op, lost: bool = False, **options: Any) -> list[Any]:
        store = self.stores[which]
        request = store.request(*ops, **options)
        if lost:
            self.wait(store.link.exchange(request))
            request = request._replace(repeated=True)
        response: Response = self.wait(store.link.exchange(request))
        return store.learn(request, response)

    def trial(self, which: int, pick: int, among_own: bool) -> FinishedTrial | None:
        store = self.stores[which]
        there = [
            trial
            for trial in store.trials.values()
            if not trial.state.is_finished()
            and (trial.number in store.own if among_own else self.is_nobodys(trial))
        ]
        return there[pick % len(there)] if there else None

    def is_nobodys(self, trial: FinishedTrial) -> bool:
        return not any(trial.number in store.own for store in self.stores)

    @rule(which=_which, lease=st.booleans(), count=st.integers(1, 3), lost=st.booleans())
    def start(self, which: int, lease: bool, count: int, lost: bool) -> None:
        before = len(set(self.stores[which].own))
        self.exchange(which, *[Start(NOW, lease)] * count, lost=lost)
        assert len(self.stores[which].own) == before + count
        owners = [number for store in self.stores for number in store.own]
        assert len(owners) == len(set(owners))

    @rule(which=_which, trials=st.lists(records(1), max_size=3), lost=st.booleans())
    def add(self, which: int, trials: list[FinishedTrial], lost: bool) -> None:
        self.exchange(which, Create(tuple(trials)), lost=lost)

    @rule(
        which=_which,
        pick=_picks,
        own=st.booleans(),
        value=st.integers(0, 1),
        kind=_kinds,
        lost=st.booleans(),
    )
    def write(self, which: int, pick: int, own: bool, value: int, kind: Any, lost: bool) -> None:
        trial = self.trial(which, pick, own)
        if trial is None:
            return
        number = trial.number
        facts: list[Fact] = [
            ParamSet(number, "p", float(value), kind),
            ValueReported(number, value, float(value)),
            UserAttrSet(number, "k", value),
        ]
        ops = [Write(fact, trial.trial_id) for fact in facts]
        self.exchange(which, *ops, lost=lost, durable=False)

    @rule(
        which=_which,
        pick=_picks,
        own=st.booleans(),
        then_start=st.booleans(),
        lost=st.booleans(),
    )
    def finish(self, which: int, pick: int, own: bool, then_start: bool, lost: bool) -> None:
        trial = self.trial(which, pick, own)
        if trial is None:
            return
        end = TrialFinished(trial.number, TrialState.COMPLETE, (float(which),), NOW + pick)
        ops: list[Op] = [Write(end, trial.trial_id)]
        if then_start:
            ops.append(Start(NOW, False))
        answer = self.exchange(which, *ops, lost=lost)[0]
        assert answer is None or isinstance(answer, UpdateFinishedTrialError)
        there = self.stores[which].trials[trial.number]
        if answer is None:
            assert (there.values, there.completed) == ((float(which),), NOW + pick)
            self.acknowledged[trial.number] = repr(there)

    @rule(which=_which, pick=_picks)
    def finish_what_another_runs(self, which: int, pick: int) -> None:
        store = self.stores[which]
        there = [
            trial
            for trial in store.trials.values()
            if not trial.state.is_finished() and trial.number not in store.own
        ]
        if there:
            trial = there[pick % len(there)]
            end = TrialFinished(trial.number, TrialState.FAIL, None, NOW)
            self.exchange(which, Write(end, trial.trial_id))

    @rule(which=_which, seconds=st.sampled_from([1.0, 11.0]), lost=st.booleans())
    def reap(self, which: int, seconds: float, lost: bool) -> None:
        self.clock.now += seconds
        self.exchange(which, Reap(_GRACE, NOW, "r"), lost=lost)

    @rule(which=_which)
    def beat(self, which: int) -> None:
        store = self.stores[which]
        own = [store.trials[number].trial_id for number in store.own]
        self.exchange(which, beat=own)

    @rule(which=_which)
    def refresh(self, which: int) -> None:
        self.exchange(which)

    @invariant()
    def all_agree(self) -> None:
        if not hasattr(self, "stores"):
            return
        fresh = self.store()
        expected = told(self.wait(fresh.refresh()))
        for which in range(3):
            self.exchange(which)
            assert told([t for _, t in sorted(self.stores[which].trials.items())]) == expected
        for number, shown in self.acknowledged.items():
            assert repr(fresh.trials[number]) == shown


TestAgreement = Agreement.TestCase
TestAgreement.settings = settings(max_examples=settings().max_examples // 2, stateful_step_count=20)
