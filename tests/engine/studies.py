"""Studies for these tests, and what must hold of them whatever happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ahpo.aio import AsyncStudy
from ahpo.engine.clock import Clock
from ahpo.engine.drive import drive
from ahpo.engine.faces import face
from ahpo.engine.session import Session
from ahpo.history.base_study import BaseStudy
from ahpo.pruners.base import BasePruner
from ahpo.pruners.nop import NopPruner
from ahpo.samplers.base import BaseSampler
from ahpo.samplers.random import RandomSampler
from ahpo.states import StudyDirection, TrialState
from ahpo.storages.memory import InMemoryStorage
from ahpo.storages.protocol import Storage
from ahpo.study import Study

__all__ = ("assert_clean", "async_study", "new_session", "reasons", "states", "sync_study")

C, P, F = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def new_session(
    storage: Storage | None = None,
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
    clock: Clock | None = None,
    directions: Sequence[StudyDirection] = (StudyDirection.MINIMIZE,),
) -> Session:
    """Return a session over a new study; its faces are made from it."""
    place = InMemoryStorage() if storage is None else storage
    store = drive(place.create_study(None, directions))
    return Session(place, store, sampler or RandomSampler(seed=0), pruner or NopPruner(), clock)


def sync_study(session: Session | None = None, **parts: Any) -> Study:
    """Return the synchronous face of a session, or of a new one with these parts."""
    study: Study = face(session or new_session(**parts), "sync")
    return study


def async_study(session: Session | None = None, **parts: Any) -> AsyncStudy:
    """Return the asynchronous face of a session, or of a new one with these parts."""
    study: AsyncStudy = face(session or new_session(**parts), "async")
    return study


def states(study: BaseStudy) -> list[TrialState]:
    """Return the states of the trials, by number."""
    return [trial.state for trial in study.get_trials(deepcopy=False)]


def reasons(study: BaseStudy) -> list[str]:
    """Return why trials failed, by number; those that did not fail are left out."""
    trials = study.get_trials(deepcopy=False)
    return [t.system_attrs.get("fail_reason", "") for t in trials if t.state is TrialState.FAIL]


def assert_clean(study: BaseStudy, running: Sequence[int] = ()) -> None:
    """Assert that numbers are consecutive and that nothing runs; failures say why they are."""
    trials = study.get_trials(deepcopy=False)
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert [t.number for t in trials if t.state is TrialState.RUNNING] == list(running)
    assert [
        t.number for t in trials if t.state is F and not t.system_attrs.get("fail_reason")
    ] == []
    assert study._read().n_trials == len(trials)
