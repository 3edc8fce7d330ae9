"""Studies by name: create, load, copy, delete and list them, for both faces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ahpo.engine.creating import checked_directions, make_session, summary
from ahpo.engine.lines import say_created, say_found, say_using_existing
from ahpo.engine.session import Session
from ahpo.exceptions import DuplicatedStudyError
from ahpo.history.facts import StudySystemAttrSet, StudyUserAttrSet
from ahpo.history.history import History
from ahpo.history.records import FinishedTrial
from ahpo.pruners.base import BasePruner
from ahpo.samplers.base import BaseSampler
from ahpo.storages.named import get_storage
from ahpo.storages.protocol import Storage
from ahpo.study_summary import StudySummary

__all__ = (
    "copy_study",
    "create_study",
    "delete_study",
    "get_all_study_names",
    "get_all_study_summaries",
    "load_study",
)


async def create_study(
    storage: Any,
    sampler: BaseSampler | None,
    pruner: BasePruner | None,
    study_name: str | None,
    direction: Any,
    load_if_exists: bool,
    directions: Any,
) -> Session:
    """Create a study, or load it if it exists and that is wanted."""
    wanted = checked_directions(direction, directions)
    if study_name is not None and not isinstance(study_name, str):
        raise TypeError(f"`study_name` must be a str or None, but it is {study_name!r}.")
    async with _opened(storage, keep=True) as place:
        try:
            store = await place.create_study(study_name, wanted)
        except DuplicatedStudyError:
            if not load_if_exists:
                raise
            assert study_name is not None
            store = await place.open_study(study_name)
            say_using_existing(study_name)
        else:
            say_created(store.history.study_name, _where(place))
        return make_session(place, store, sampler, pruner)


@asynccontextmanager
async def _opened(storage: Any, keep: bool = False) -> AsyncIterator[Storage]:
    """Give a storage, and close it again if it was named by its URL.

    :param keep: whether to close it only if there is an error
    """
    place = get_storage(storage)
    done = False
    try:
        yield place
        done = True
    finally:
        if place is not storage and not (keep and done):
            await place.aclose()


def _where(storage: Storage) -> str:
    return {"InMemoryStorage": "memory", "RDBStorage": "RDB", "JournalStorage": "journal"}.get(
        type(storage).__name__, type(storage).__name__
    )


async def load_study(
    study_name: str | None,
    storage: Any,
    sampler: BaseSampler | None,
    pruner: BasePruner | None,
) -> Session:
    """Load a study; without a name, the only one in the storage."""
    async with _opened(storage, keep=True) as place:
        if study_name is None:
            names = await place.study_names()
            if len(names) != 1:
                raise ValueError(
                    "`study_name` may be None only if the storage has exactly one study, "
                    f"but it has {names}."
                )
            study_name = names[0]
            say_found(study_name)
        return make_session(place, await place.open_study(study_name), sampler, pruner)


async def delete_study(study_name: str, storage: Any) -> None:
    """Delete a study."""
    async with _opened(storage) as place:
        await place.delete_study(study_name)


async def copy_study(
    from_study_name: str, from_storage: Any, to_storage: Any, to_study_name: str | None
) -> None:
    """Copy a study with its attributes and trials."""
    async with _opened(from_storage) as source_place, _opened(to_storage) as place:
        source = await source_place.open_study(from_study_name)
        await source.refresh()
        history = source.history
        target = await place.create_study(
            from_study_name if to_study_name is None else to_study_name, history.directions
        )
        say_created(target.history.study_name, _where(place))
        for key, value in history.user_attrs.items():
            target.record(StudyUserAttrSet(key, value))
        for key, value in history.system_attrs.items():
            target.record(StudySystemAttrSet(key, value))
        await target.create(_records(history))
        await target.flush()


def _records(history: History) -> list[FinishedTrial]:
    return [history.record(number) for number in history.numbers()]


async def get_all_study_names(storage: Any) -> list[str]:
    """Return the names of all studies in a storage."""
    async with _opened(storage) as place:
        return await place.study_names()


async def get_all_study_summaries(storage: Any, include_best_trial: bool) -> list[StudySummary]:
    """Return a summary of each study in a storage."""
    async with _opened(storage) as place:
        summaries = []
        for name in await place.study_names():
            store = await place.open_study(name)  # one at a time: each may be large
            summaries.append(summary(store.history, store.study_id, include_best_trial))
        return summaries
