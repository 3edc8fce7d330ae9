"""A state machine for storages: any sequence of operations, on several handles, beside a model."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ahpo.distributions import IntDistribution
from ahpo.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from ahpo.history.facts import (
    ConstraintSet,
    Fact,
    ParamSet,
    StudySystemAttrSet,
    StudyUserAttrSet,
    SystemAttrSet,
    TrialFinished,
    UserAttrSet,
    ValueReported,
)
from ahpo.history.records import FinishedTrial
from ahpo.states import StudyDirection, TrialState
from ahpo.storages.protocol import Storage, StudyStore
from ahpo.testing.cancelling import attempt
from ahpo.testing.drawn import (
    attributes,
    keys,
    params,
    records,
    reported,
    seconds,
    told,
    told_values,
)
from ahpo.testing.plain_study import PlainStudy, Written
from ahpo.testing.storage_handles import Connect, opened, waiting

__all__ = ("StorageMachine",)

T = TypeVar("T")

_HANDLES = 3
_OBSERVER = -1  # a handle that writes nothing
_handles = st.integers(0, _HANDLES - 1)
_picks = st.integers(0, 50)  # which study or trial, counted modulo those that there are
_directions = st.lists(
    st.sampled_from([StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE]), min_size=1, max_size=2
)
_final = st.sampled_from([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])
_things: st.SearchStrategy[Any] = st.one_of(
    st.tuples(st.just(ParamSet), params),
    st.tuples(st.just(ValueReported), st.tuples(st.integers(0, 9), reported)),
    st.tuples(st.just(UserAttrSet), st.tuples(keys, attributes)),
    st.tuples(st.just(SystemAttrSet), st.tuples(keys, attributes)),
    st.tuples(st.just(ConstraintSet), st.tuples(keys, told)),
)


def _written(kind: type, what: Any) -> Written:
    if kind is ParamSet:
        return "params", what[0], what[1:]
    if kind is ValueReported:
        return "intermediate_values", *what
    if kind is ConstraintSet:
        return "system_attrs", f"constraints:{what[0]}", what[1]
    return "user_attrs" if kind is UserAttrSet else "system_attrs", *what


class StorageMachine(RuleBasedStateMachine):
    """Drive a storage through several handles, and compare it with plain dicts after each step.

    Subclass it, implement ``new_storage``, and take its ``TestCase``::

        class MyMachine(StorageMachine):
            def new_storage(self):
                path = make_a_new_path()
                return lambda: MyStorage(path)

        TestMyStorage = MyMachine.TestCase

    After each step it must hold, as a handle sees it that did not take part: studies are listed in
    order; numbers are consecutive; identifiers ascend and are unique; what was acknowledged is
    there, and nothing that nobody wrote; finished trials are as they were.
    """

    def new_storage(self) -> Connect:
        """Return a function that gives handles on a storage that is new, empty and always the same.

        It is called once for each sequence of operations; `forget_storage` is called at its end.
        """
        raise NotImplementedError

    def forget_storage(self) -> None:
        """Clean up after one sequence of operations."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.studies: dict[str, PlainStudy] = {}
        self.handles: dict[int, Storage] = {}
        self.stores: dict[tuple[int, str], StudyStore] = {}

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the event loop of the machine."""
        return self.runner.get_loop().run_until_complete(coroutine)

    def teardown(self) -> None:
        """Close all handles and the event loop."""
        for handle in self.handles.values():
            self.wait(handle.aclose())
        self.runner.close()
        self.forget_storage()

    # -- studies ----------------------------------------------------------------------------

    @initialize(directions=_directions)
    def begin(self, directions: list[StudyDirection]) -> None:
        """Connect, and create a first study: without one, there is little to do."""
        self.connect = self.new_storage()
        for handle in (_OBSERVER, *range(_HANDLES)):
            self.handles[handle] = self.wait(opened(self.connect))
        self.create_study(0, "a", directions)
        for handle in range(_HANDLES):
            self._start(0, 10**15, [handle])

    @rule(handle=_handles, name=st.sampled_from(["a", "b", None]), directions=_directions)
    def create_study(self, handle: int, name: str | None, directions: list[StudyDirection]) -> None:
        """Create a study; a name that is taken is refused."""
        creation = self.handles[handle].create_study(name, directions)
        if name in self.studies:
            with _refused(DuplicatedStudyError):
                self.wait(creation)
            return
        store = self.wait(creation)
        name = store.history.study_name
        assert name not in self.studies, f"the name {name!r} is taken"
        self.studies[name] = PlainStudy(directions)
        self.stores[handle, name] = store

    @precondition(lambda self: len(self.studies) > 1)
    @rule(handle=_handles, pick=_picks)
    def delete_study(self, handle: int, pick: int) -> None:
        """Delete a study; other handles that have it open do not use it any more."""
        name = list(self.studies)[pick % len(self.studies)]
        self.wait(self.handles[handle].delete_study(name))
        del self.studies[name]
        self.stores = {key: store for key, store in self.stores.items() if key[1] != name}
        for operation in (self.handles[handle].open_study, self.handles[handle].delete_study):
            with _refused(KeyError):
                self.wait(operation(name))

    @rule(handle=_handles)
    def reconnect(self, handle: int) -> None:
        """Close a handle after flushing, and open another one in its place."""
        for (owner, name), store in list(self.stores.items()):
            if owner == handle:
                self.wait(store.flush())
                self.studies[name].acknowledge(handle)
                del self.stores[owner, name]
        self.wait(self.handles[handle].aclose())
        self.handles[handle] = self.wait(opened(self.connect))

    @rule(handle=_handles, pick=_picks, user=st.booleans(), key=keys, value=attributes)
    def set_study_attribute(self, handle: int, pick: int, user: bool, key: str, value: Any) -> None:
        """Set an attribute of a study, and flush."""
        name, store = self._store(handle, pick)
        store.record((StudyUserAttrSet if user else StudySystemAttrSet)(key, value))
        self._flush(handle, name)
        study = self.studies[name]
        (study.user_attrs if user else study.system_attrs)[key] = value

    # -- trials -----------------------------------------------------------------------------

    @rule(handle=_handles, pick=_picks, at=seconds)
    def start(self, handle: int, pick: int, at: int) -> None:
        """Start one trial."""
        self._start(pick, at, [handle])

    @rule(
        pick=_picks,
        at=seconds,
        n_waiting=st.integers(0, 3),
        handles=st.lists(_handles, min_size=2, max_size=2 * _HANDLES),
    )
    def start_at_once(self, pick: int, at: int, n_waiting: int, handles: list[int]) -> None:
        """Start several trials at the same time: some that wait, and new ones."""
        self._create(handles[0], pick, [waiting()] * n_waiting)
        self._start(pick, at, handles)

    def _start(self, pick: int, at: int, handles: list[int]) -> None:
        stores = [self._store(handle, pick) for handle in handles]
        name = stores[0][0]
        study = self.studies[name]

        async def start() -> list[int]:
            return await asyncio.gather(*(store.start(at) for _, store in stores))

        numbers = self.wait(start())
        new = range(len(study.trials), len(study.trials) + len(handles))
        expected = [*study.waiting(), *new][: len(handles)]
        assert sorted(numbers) == expected, f"started {numbers} instead of {expected}"
        for number, handle in sorted(zip(numbers, handles, strict=True)):
            study.start(number, at, handle)
            opened_trial = self.stores[handle, name].history.open_trial(number)
            assert opened_trial.state is TrialState.RUNNING

    @rule(handle=_handles, pick=_picks, data=st.data())
    def create(self, handle: int, pick: int, data: st.DataObject) -> None:
        """Add some trials."""
        drawn = records(len(self.studies[self._store(handle, pick)[0]].directions))
        self._create(handle, pick, data.draw(st.lists(drawn, max_size=3)))

    def _create(self, handle: int, pick: int, batch: list[FinishedTrial]) -> None:
        name, store = self._store(handle, pick)
        study = self.studies[name]
        numbers = self.wait(store.create(batch))
        first = len(study.trials)
        assert numbers == list(range(first, first + len(batch)))
        for record in batch:
            study.add(record)

    @rule(handle=_handles, pick=_picks, data=st.data())
    def create_what_does_not_fit(self, handle: int, pick: int, data: st.DataObject) -> None:
        """Add some trials two of which contradict each other; none is added."""
        name, store = self._store(handle, pick)
        good = data.draw(records(len(self.studies[name].directions)))
        kinds = [IntDistribution(0, 1), IntDistribution(1, 2, log=True)]
        bad = [good._replace(params={"odd": 1.0}, distributions={"odd": kind}) for kind in kinds]
        with _refused(ValueError):
            self.wait(store.create([good, *bad]))

    def _running(self, handle: int, pick: int) -> tuple[str, int] | None:
        """Return the study and the number of a trial that the handle runs, if there is one."""
        runs = [
            (name, number)
            for name, study in self.studies.items()
            for number, owner in study.owners.items()
            if owner == handle and study.trials[number].state is TrialState.RUNNING
            and (handle, name) in self.stores
        ]  # fmt: skip
        return runs[pick % len(runs)] if runs else None

    @rule(
        handle=_handles,
        pick=_picks,
        things=st.lists(_things, min_size=1, max_size=4),
        then=st.sampled_from(["go on", "go on", "flush", "finish", "be cancelled", "be overtaken"]),
        n=st.integers(1, 6),
        data=st.data(),
    )
    def work(
        self,
        handle: int,
        pick: int,
        things: list[tuple[type, Any]],
        then: str,
        n: int,
        data: st.DataObject,
    ) -> None:
        """Record things on a trial that the handle runs, and go on in one of several ways."""
        if (running := self._running(handle, pick)) is None:
            return
        name, number = running
        self._record(handle, name, number, things)
        store = self.stores[handle, name]
        if then == "flush":
            self._flush(handle, name)
        elif then == "finish":
            self._finish([handle], name, self._end(name, number, data))
        elif then == "be overtaken":
            other = (handle + 1) % _HANDLES
            self._store(other, list(self.studies).index(name))
            self._finish([other], name, self._end(name, number, data))
            self._flush(handle, name)
            self._refresh(handle, name)
        elif then == "be cancelled":
            end = self._end(name, number, data)
            self.wait(attempt(store.finish(end), n))
            if self._observed(name).history.state(number).is_finished():
                self._ended([handle], name, end)
            self._flush(handle, name)

    def _record(self, handle: int, name: str, number: int, things: list[tuple[type, Any]]) -> None:
        trial, store = self.studies[name].trials[number], self.stores[handle, name]
        for kind, what in things:
            written = _written(kind, what)
            if kind is ParamSet and what[0] in store.history.record(number).params:
                continue  # a parameter is suggested once
            store.record(kind(number, *what))
            trial.pending.setdefault(handle, []).append(written)
        wrong = trial.difference(store.history.record(number), handle)
        assert wrong is None, f"own history: trial {number} has {wrong}"

    @rule(handle=_handles, pick=_picks, which=_picks, thing=_things)
    def record_too_late(self, handle: int, pick: int, which: int, thing: tuple[type, Any]) -> None:
        """Record something on a trial that has finished, as the handle may know or not."""
        name, store = self._store(handle, pick)
        study = self.studies[name]
        finished = [n for n, trial in enumerate(study.trials) if trial.state.is_finished()]
        if not finished:
            return
        number = finished[which % len(finished)]
        fact: Fact = thing[0](number, *thing[1])
        history = store.history
        if number < history.n_trials and history.state(number).is_finished():
            with _refused(UpdateFinishedTrialError):
                store.record(fact)
        else:
            with suppress(KeyError):  # it may never have heard of the trial
                store.record(fact)
        self._flush(handle, name)

    @rule(handle=_handles, pick=_picks)
    def record_on_an_unknown_trial(self, handle: int, pick: int) -> None:
        """Record something on a trial that there is not."""
        name, store = self._store(handle, pick)
        unknown = len(self.studies[name].trials)
        with _refused(KeyError):
            store.record(UserAttrSet(unknown, "k", 1))
        with _refused(KeyError):
            self.wait(store.finish(TrialFinished(unknown, TrialState.FAIL, None, 0)))

    # -- ends -------------------------------------------------------------------------------

    @rule(
        handles=st.lists(_handles, min_size=1, max_size=_HANDLES),
        pick=_picks,
        which=_picks,
        data=st.data(),
    )
    def finish(self, handles: list[int], pick: int, which: int, data: st.DataObject) -> None:
        """Finish a trial, whoever runs it, or several at once: one of them wins."""
        name = self._store(handles[0], pick)[0]
        study = self.studies[name]
        if study.trials:
            for handle in handles:
                self._store(handle, pick)
            self._finish(handles, name, self._end(name, which % len(study.trials), data))

    def _end(self, name: str, number: int, data: st.DataObject) -> TrialFinished:
        state, values = data.draw(_final), None
        if state is TrialState.COMPLETE:
            values = data.draw(told_values(len(self.studies[name].directions)))
        return TrialFinished(number, state, values, data.draw(seconds))

    def _finish(self, handles: list[int], name: str, end: TrialFinished) -> None:
        stores = [self.stores[handle, name] for handle in handles]
        for store in stores:
            if store.history.n_trials <= end.number:  # it has not heard of the trial
                self.wait(store.refresh())

        async def finish() -> list[BaseException | None]:
            finishing = (store.finish(end) for store in stores)
            return await asyncio.gather(*finishing, return_exceptions=True)

        results = self.wait(finish())
        for result in results:
            assert result is None or isinstance(result, UpdateFinishedTrialError), repr(result)
        winners = [h for h, result in zip(handles, results, strict=True) if result is None]
        if self.studies[name].trials[end.number].state.is_finished():
            assert not winners, f"trial {end.number} was finished once more"
        else:
            assert len(winners) == 1, f"trial {end.number} was finished by {winners}"
            self._ended(winners, name, end)

    def _ended(self, handles: list[int], name: str, end: TrialFinished) -> None:
        study = self.studies[name]
        trial = study.trials[end.number]
        for handle in handles:
            study.acknowledge(handle)
        trial.state, trial.values, trial.completed = end[1:]
        if trial.pending:  # of others: it may have come in time, or too late
            record = self._observed(name).history.record(end.number)
            wrong = trial.difference(record, None)
            assert wrong is None, f"trial {end.number} has {wrong}"
            trial.adopt(record)

    @rule(handle=_handles, pick=_picks)
    def flush(self, handle: int, pick: int) -> None:
        """Flush."""
        name, _ = self._store(handle, pick)
        self._flush(handle, name)

    def _flush(self, handle: int, name: str) -> None:
        self.wait(self.stores[handle, name].flush())
        self.studies[name].acknowledge(handle)

    @rule(handle=_handles, pick=_picks)
    def refresh(self, handle: int, pick: int) -> None:
        """Bring the history of a handle up to date, and compare it."""
        self._refresh(handle, self._store(handle, pick)[0])

    def _refresh(self, handle: int, name: str) -> None:
        store = self.stores[handle, name]
        self.wait(store.refresh())
        self._compare(name, store, handle)

    # -- cancellation -----------------------------------------------------------------------

    @rule(handle=_handles, pick=_picks, n=st.integers(1, 6), at=seconds)
    def cancel_start(self, handle: int, pick: int, n: int, at: int) -> None:
        """Cancel the start of a trial somewhere: it starts one trial, or none."""
        name, store = self._store(handle, pick)
        study = self.studies[name]
        number = [*study.waiting(), len(study.trials)][0]
        cancelled = self.wait(attempt(store.start(at), n)).cancelled
        history = self._observed(name).history
        started = number < history.n_trials and history.state(number) is TrialState.RUNNING
        assert started or cancelled
        if started:
            study.start(number, at, handle)
            self.wait(store.refresh())

    @rule(handle=_handles, pick=_picks, things=st.lists(_things, min_size=1, max_size=4))
    def cancel_flush(self, handle: int, pick: int, things: list[tuple[type, Any]]) -> None:
        """Record one thing after the other, cancelling a flush each time: none of them is lost."""
        if (running := self._running(handle, pick)) is None:
            return
        name, number = running
        for n, thing in enumerate(things, 1):
            self._record(handle, name, number, [thing])
            self.wait(attempt(self.stores[handle, name].flush(), n))
        self._flush(handle, name)

    @rule(handle=_handles, pick=_picks, n=st.integers(1, 6), data=st.data())
    def cancel_create(self, handle: int, pick: int, n: int, data: st.DataObject) -> None:
        """Cancel the adding of trials somewhere: all are added, or none."""
        name, store = self._store(handle, pick)
        study = self.studies[name]
        drawn = records(len(study.directions))
        batch: list[FinishedTrial] = data.draw(st.lists(drawn, min_size=2, max_size=3))
        cancelled = self.wait(attempt(store.create(batch), n)).cancelled
        if not cancelled or self._observed(name).history.n_trials > len(study.trials):
            for trial in batch:
                study.add(trial)

    @rule(handle=_handles, pick=_picks, n=st.integers(1, 6))
    def cancel_refresh(self, handle: int, pick: int, n: int) -> None:
        """Cancel a refresh somewhere: the next one makes up for it."""
        name, store = self._store(handle, pick)
        self.wait(attempt(store.refresh(), n))
        self._refresh(handle, name)

    # -- what must hold ---------------------------------------------------------------------

    @invariant()
    def storage_equals_the_model(self) -> None:
        """Compare all studies as a handle sees them that did not take part."""
        if not self.handles:
            return
        assert self.wait(self.handles[_OBSERVER].study_names()) == list(self.studies)
        identifiers: set[int] = set()
        for name, study in self.studies.items():
            store = self._observed(name)
            history = store.history
            self._compare(name, store, None)
            found = [history.record(number) for number in range(history.n_trials)]
            assert [record.number for record in found] == list(range(len(found)))
            trial_ids = [record.trial_id for record in found]
            assert trial_ids == sorted(set(trial_ids))
            assert identifiers.isdisjoint(trial_ids)
            identifiers.update(trial_ids)
            for trial, trial_id in zip(study.trials, trial_ids, strict=True):
                trial.trial_id = trial_id

    def _observed(self, name: str) -> StudyStore:
        _, store = self._store(_OBSERVER, list(self.studies).index(name))
        self.wait(store.refresh())
        return store

    def _compare(self, name: str, store: StudyStore, handle: int | None) -> None:
        wrong = list(self.studies[name].differences(store.history, handle))
        assert not wrong, f"{name}: " + "; ".join(wrong)

    def _store(self, handle: int, pick: int) -> tuple[str, StudyStore]:
        """Return the name of a study and its store in a handle, which opens it if need be."""
        name = list(self.studies)[pick % len(self.studies)]
        if (handle, name) not in self.stores:
            self.stores[handle, name] = self.wait(self.handles[handle].open_study(name))
        return name, self.stores[handle, name]


class _refused:
    """Check that what is done inside raises an error of a type."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: Any) -> bool:
        assert kind is not None, f"{self.error.__name__} was not raised"
        return issubclass(kind, self.error)
