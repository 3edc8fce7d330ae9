"""Making and finding studies, under the names of `ahpo.study`, for coroutines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from types import TracebackType
from typing import Any, Literal

from ahpo.aio.async_study import AsyncStudy as Study
from ahpo.engine import faces, opening
from ahpo.engine.max_trials import MaxTrialsCallback
from ahpo.engine.session import Session
from ahpo.pruners.base import BasePruner
from ahpo.samplers.base import BaseSampler
from ahpo.states import StudyDirection
from ahpo.storages.protocol import Storage
from ahpo.study_summary import StudySummary

__all__ = (
    "MaxTrialsCallback",
    "Study",
    "StudyDirection",
    "StudySummary",
    "copy_study",
    "create_study",
    "delete_study",
    "get_all_study_names",
    "get_all_study_summaries",
    "load_study",
)

Direction = Literal["minimize", "maximize"] | StudyDirection


class _Opening(Awaitable[Study]):
    """Be a study that is about to be opened: await it, or enter it by ``async with``."""

    def __init__(self, open_session: Callable[[], Awaitable[Session]]) -> None:
        self._open_session = open_session
        self._study: Study | None = None

    async def _open(self) -> Study:
        study: Study = faces.face(await self._open_session(), "async")
        return study

    def __await__(self) -> Generator[Any, Any, Study]:
        return self._open().__await__()

    async def __aenter__(self) -> Study:
        self._study = await self._open()
        return self._study

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._study is not None
        await self._study.aclose()


def create_study(
    *,
    storage: str | Storage | None = None,
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
    study_name: str | None = None,
    direction: Direction | None = None,
    load_if_exists: bool = False,
    directions: Sequence[Direction] | None = None,
) -> _Opening:
    """Create a study: ``study = await create_study()``, or ``async with create_study() as study``.

    :param storage: where to keep it; None for memory
    :param sampler: what chooses parameters; None for `TPESampler`
    :param pruner: what stops unpromising trials; None for `MedianPruner`
    :param study_name: its name in the storage; None for a new one
    :param direction: ``"minimize"`` (the default) or ``"maximize"``
    :param load_if_exists: load the study if the storage has one of that name
    :param directions: the direction of each objective, if there are several
    :raises DuplicatedStudyError: if the name is taken and ``load_if_exists`` is False
    :raises ValueError: if a direction is none
    """
    return _Opening(
        lambda: opening.create_study(
            storage, sampler, pruner, study_name, direction, load_if_exists, directions
        )
    )


def load_study(
    *,
    study_name: str | None,
    storage: str | Storage,
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
) -> _Opening:
    """Load a study: ``await`` it, or enter it by ``async with``.

    :param study_name: its name; None for the only one in the storage
    :raises KeyError: if there is no study of that name
    :raises ValueError: if ``study_name`` is None and the storage has not exactly one study
    """
    return _Opening(lambda: opening.load_study(study_name, storage, sampler, pruner))


async def delete_study(*, study_name: str, storage: str | Storage) -> None:
    """Delete a study with its trials.

    :raises KeyError: if there is no study of that name
    """
    await opening.delete_study(study_name, storage)


async def copy_study(
    *,
    from_study_name: str,
    from_storage: str | Storage,
    to_storage: str | Storage,
    to_study_name: str | None = None,
) -> None:
    """Copy a study, with its attributes and trials, within a storage or to another.

    :param to_study_name: the name of the copy; None for the same
    :raises KeyError: if there is no study to copy
    :raises DuplicatedStudyError: if the name of the copy is taken
    """
    await opening.copy_study(from_study_name, from_storage, to_storage, to_study_name)


async def get_all_study_names(storage: str | Storage) -> list[str]:
    """Return the names of all studies in a storage."""
    return await opening.get_all_study_names(storage)


async def get_all_study_summaries(
    storage: str | Storage, include_best_trial: bool = True
) -> list[StudySummary]:
    """Return a summary of each study in a storage.

    :param include_best_trial: whether to find each study's best trial
    """
    return await opening.get_all_study_summaries(storage, include_best_trial)
