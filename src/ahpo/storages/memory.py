"""The storage that keeps studies in this process: a history each, and a lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from ahpo.distributions import BaseDistribution
from ahpo.exceptions import DuplicatedStudyError
from ahpo.history.facts import Fact, TrialCreated, TrialFinished, TrialStarted, trial_facts
from ahpo.history.history import History
from ahpo.history.records import FinishedTrial, OpenTrial
from ahpo.states import StudyDirection, TrialState
from ahpo.storages.protocol import Storage, StudyStore

__all__ = ("InMemoryStorage",)


class _MemoryStore(StudyStore):
    # No coroutine here ever suspends: the facade drives them by hand, in the caller's thread.
    waits = False

    def __init__(self, study_id: int, history: History, next_trial_id: Callable[[], int]) -> None:
        self.study_id = study_id
        self.history = history
        self._next_trial_id = next_trial_id
        self._lock = history.guard = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_lock"]
        with self._lock:
            # Whole and consistent; who pickles it takes their time, and trials go on.
            state["history"] = self.history.snapshot()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self._lock = self.history.guard = threading.Lock()

    def record(self, fact: Fact) -> None:
        with self._lock:
            self.history.apply(fact)

    def record_param(
        self, trial: OpenTrial, name: str, value: float, distribution: BaseDistribution
    ) -> None:
        with self._lock:
            self.history.set_param(trial, name, value, distribution)

    async def start(self, at: int) -> int:
        with self._lock:
            history = self.history
            if history.waiting:
                number = next(iter(history.waiting))  # they came by number
                history.apply(TrialStarted(number, at))
            else:
                number = history.n_trials
                trial_id = self._next_trial_id()
                history.apply(TrialCreated(number, trial_id, TrialState.RUNNING, at))
            return number

    async def create(self, trials: Sequence[FinishedTrial]) -> list[int]:
        with self._lock:
            history = self.history
            history.check_new(trials)
            first = history.n_trials
            for number, trial in enumerate(trials, first):
                placed = trial._replace(number=number, trial_id=self._next_trial_id())
                for fact in trial_facts(placed):
                    history.apply(fact)
            return list(range(first, first + len(trials)))

    async def flush(self) -> None:
        pass  # what is recorded is in the history, and there is nobody else

    async def finish(self, fact: TrialFinished) -> None:
        with self._lock:
            self.history.apply(fact)

    async def refresh(self) -> None:
        pass  # the history is the storage

    async def sync(self) -> None:
        pass


class InMemoryStorage(Storage):
    """Keep studies in the memory of this process.

    It is what a study gets when it names no storage. It may be shared by several studies and
    threads, and pickles with all its studies.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stores: dict[str, _MemoryStore] = {}
        self._n_studies = 0
        self._n_trials = 0

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = self.__dict__.copy()
            state["_stores"] = dict(self._stores)
        del state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self._lock = threading.Lock()

    def _next_trial_id(self) -> int:
        with self._lock:
            self._n_trials += 1
            return self._n_trials - 1

    async def create_study(
        self, study_name: str | None, directions: Sequence[StudyDirection]
    ) -> StudyStore:
        with self._lock:
            name = _new_name() if study_name is None else study_name
            if name in self._stores:
                raise DuplicatedStudyError(
                    f"The storage has a study with the name '{name}' already: choose another name, "
                    "or set `load_if_exists=True` to go on with that study."
                )
            store = _MemoryStore(self._n_studies, History(name, directions), self._next_trial_id)
            self._n_studies += 1
            self._stores[name] = store
            return store

    def _store(self, study_name: str) -> _MemoryStore:
        store = self._stores.get(study_name)
        if store is None:
            raise KeyError(f"The storage has no study of the name {study_name!r}.")
        return store

    async def open_study(self, study_name: str) -> StudyStore:
        with self._lock:
            return self._store(study_name)

    async def delete_study(self, study_name: str) -> None:
        with self._lock:
            self._store(study_name)
            del self._stores[study_name]

    async def study_names(self) -> list[str]:
        with self._lock:
            return list(self._stores)


def _new_name() -> str:
    import uuid  # only the nameless need it

    return f"no-name-{uuid.uuid4()}"
