"""What every face of a study shares, and the one that a user's sampler or pruner sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ahpo.engine.faces import register
from ahpo.history.base_study import BaseStudy
from ahpo.history.facts import StudySystemAttrSet, StudyUserAttrSet
from ahpo.history.frozen import copied
from ahpo.history.history import History
from ahpo.pruners.base import BasePruner
from ahpo.samplers.base import BaseSampler
from ahpo.trials.checks import check_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from ahpo.engine.session import Session
    from ahpo.history.view import View

__all__ = ("StudyFace", "StudyReader", "checked_pruner", "checked_sampler")


def checked_sampler(sampler: Any) -> BaseSampler:
    """Return a sampler.

    :raises TypeError: if it is none
    """
    if not isinstance(sampler, BaseSampler):
        raise TypeError(f"`sampler` must be a BaseSampler, but it is {sampler!r}.")
    return sampler


def checked_pruner(pruner: Any) -> BasePruner:
    """Return a pruner.

    :raises TypeError: if it is none
    """
    if not isinstance(pruner, BasePruner):
        raise TypeError(f"`pruner` must be a BasePruner, but it is {pruner!r}.")
    return pruner


class StudyFace(BaseStudy):
    """Read an open study, and stop it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def _history(self) -> History:
        return self._session.store.history

    @property
    def sampler(self) -> BaseSampler:
        """The sampler of the study; it may be replaced between trials."""
        return self._session.sampler

    @sampler.setter
    def sampler(self, sampler: BaseSampler) -> None:
        self._session.sampler = checked_sampler(sampler)

    @property
    def pruner(self) -> BasePruner:
        """The pruner of the study; it may be replaced between trials."""
        return self._session.pruner

    @pruner.setter
    def pruner(self, pruner: BasePruner) -> None:
        self._session.pruner = checked_pruner(pruner)

    @property
    def _study_id(self) -> int:
        return self._session.store.study_id

    @property
    def _storage(self) -> Any:
        return self._session.storage

    def set_user_attr(self, key: str, value: Any) -> None:
        """Set a user attribute of the study.

        :raises TypeError: if ``key`` is no str
        """
        self._session.store.record(StudyUserAttrSet(check_key(key, "key"), copied(value)))

    def stop(self) -> None:
        """Let no further trial start; those that run go on to their end.

        For objectives and callbacks.

        :raises RuntimeError: if the study is not being optimized
        """
        runs = tuple(self._session.runs)
        if not runs:
            raise RuntimeError(
                "`Study.stop` is supposed to be invoked inside an objective function or a callback."
            )
        for run in runs:
            run.budget.stop()

    def _stop_if(self, exhausted: Callable[[View], bool], number: int) -> None:
        self._session.stop_if(exhausted, number)

    def _keep_system_attr(self, key: str, value: Any) -> None:
        self._session.store.record(StudySystemAttrSet(key, value))

    def __repr__(self) -> str:
        history = self._history()
        n_running, n_waiting = len(history.running), len(history.waiting)
        return (
            f"<{type(self).__name__} {history.study_name!r}: {history.n_trials} trials, "
            f"{history.table.n} finished, {n_running} running, {n_waiting} waiting>"
        )


class StudyReader(StudyFace):
    """Be the study for a sampler or a pruner that a user wrote, in either face: nothing waits.

    :param view: what our own samplers see of it when they are asked with this study; None for all
        that there is at the time
    """

    def __init__(self, session: Session, view: View | None = None) -> None:
        super().__init__(session)
        self._view = view

    def view(self) -> View:
        """Return what a sampler may learn from."""
        return super().view() if self._view is None else self._view

    def at(self, view: View) -> StudyReader:
        """Return the study as the sampler of one trial sees it."""
        return StudyReader(self._session, view)


register("reader", StudyReader)
