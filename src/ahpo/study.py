"""The synchronous face: the API of Optuna, over the same engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ahpo.dataframe import DEFAULT_ATTRS, trials_dataframe
from ahpo.distributions import BaseDistribution
from ahpo.engine import faces, opening, operations
from ahpo.engine.drive import drive
from ahpo.engine.live_trial import LiveTrial
from ahpo.engine.max_trials import MaxTrialsCallback
from ahpo.engine.options import Options
from ahpo.engine.places import Inline
from ahpo.engine.plain import optimize_from_plain_code
from ahpo.engine.reader import StudyFace
from ahpo.engine.session import Session
from ahpo.engine.trial import Trial
from ahpo.history.history import History
from ahpo.pruners.base import BasePruner
from ahpo.samplers.base import BaseSampler
from ahpo.states import StudyDirection, TrialState
from ahpo.storages.protocol import Storage
from ahpo.study_summary import StudySummary
from ahpo.trials.frozen import FrozenTrial

if TYPE_CHECKING:
    import pandas as pd

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
Objective = Callable[[Any], Any]
Callback = Callable[[Any, FrozenTrial], Any]


class Study(StudyFace):
    """Be a study for plain code.

    :param study_name: the name of a study in the storage
    :param storage: where it is kept
    :param sampler: what chooses parameters; None for `TPESampler`
    :param pruner: what stops unpromising trials; None for `MedianPruner`
    :raises KeyError: if there is no study of that name
    """

    def __init__(
        self,
        study_name: str,
        storage: str | Storage,
        sampler: BaseSampler | None = None,
        pruner: BasePruner | None = None,
    ) -> None:
        self._enter(drive(opening.load_study(study_name, storage, sampler, pruner)))

    def _enter(self, session: Session) -> None:
        super().__init__(session)
        session.faces["sync"] = self

    @classmethod
    def _of(cls, session: Session) -> Study:
        study = cls.__new__(cls)
        study._enter(session)
        return study

    def __getstate__(self) -> Session:
        return self._session

    def __setstate__(self, session: Session) -> None:
        self._enter(session)

    def _read(self) -> History:
        store = self._session.store
        if store.waits:
            drive(store.refresh())
        return store.history

    def set_user_attr(self, key: str, value: Any) -> None:
        """Set a user attribute of the study.

        :raises TypeError: if ``key`` is no str
        """
        super().set_user_attr(key, value)
        drive(self._session.store.flush())

    def _fail_stale_trials(self) -> None:
        self._session.stale(drive(self._session.store.reap()))

    def optimize(
        self,
        func: Objective,
        n_trials: int | None = None,
        timeout: float | None = None,
        n_jobs: int = 1,
        catch: Iterable[type[Exception]] | type[Exception] = (),
        callbacks: Iterable[Callback] | None = None,
        gc_after_trial: bool = False,
        show_progress_bar: bool = False,
        *,
        trial_timeout: float | None = None,
        executor: str = "auto",
    ) -> None:
        """Run trials of an objective, ``n_jobs`` at a time.

        When this returns or raises, whatever the reason, no trial of it is running. With
        ``n_jobs=1`` a ``def`` objective runs in the calling thread.

        :param func: the objective. ``def`` gets a `Trial`; ``async def`` runs on an event loop of
            its own and gets an `AsyncTrial`
        :param n_trials: how many trials to start; None for any number
        :param timeout: seconds after which no new trial starts; None for never
        :param n_jobs: how many trials run at once, ``def`` objectives in threads; -1 for the
            number of CPUs
        :param catch: exceptions that fail their trial and let the study go on
        :param callbacks: called with the study and each finished trial
        :param gc_after_trial: collect garbage after each trial
        :param show_progress_bar: show a bar
        :param trial_timeout: seconds after which a trial fails: a coroutine is cancelled, a plain
            objective is told at its next call on the trial; None for never
        :param executor: ``"auto"``, or ``"thread"`` to run ``def`` objectives in threads
        :raises Exception: what the objective raised, unless it is in ``catch``
        :raises TypeError: for an argument of a wrong type
        :raises ValueError: for an argument out of its range
        :raises RuntimeError: if the study is being optimized already
        """
        options = Options(
            func,
            n_trials,
            timeout,
            n_jobs,
            catch,
            callbacks,
            gc_after_trial,
            show_progress_bar,
            trial_timeout,
            executor,
        )
        optimize_from_plain_code(self._session, options)

    def ask(self, fixed_distributions: dict[str, BaseDistribution] | None = None) -> Trial:
        """Start a trial that `tell` finishes.

        :param fixed_distributions: parameters to suggest at once, by name
        :raises TypeError: if ``fixed_distributions`` is no dict of distributions
        """
        return drive(operations.ask(self._session, Inline(), Trial, fixed_distributions))

    def tell(
        self,
        trial: LiveTrial | int,
        values: float | Sequence[float] | None = None,
        state: TrialState | None = None,
        skip_if_finished: bool = False,
    ) -> FrozenTrial:
        """Finish a trial, and return it.

        :param trial: what `ask` returned, or its number
        :param values: the value, or one for each objective
        :param state: COMPLETE, PRUNED or FAIL; None decides by the values
        :param skip_if_finished: leave a finished trial as it is, instead of raising
        :raises TypeError: if ``trial`` is neither a trial nor a number
        :raises ValueError: if there is no such trial, it does not run, or the values do not fit
        """
        return drive(
            operations.tell(self._session, Inline(), trial, values, state, skip_if_finished)
        )

    def enqueue_trial(
        self,
        params: dict[str, Any],
        user_attrs: dict[str, Any] | None = None,
        skip_if_exists: bool = False,
    ) -> None:
        """Let a later trial have these parameters.

        :param params: values by name; what is missing is sampled
        :param user_attrs: user attributes of that trial
        :param skip_if_exists: do nothing if a trial has exactly these parameters
        :raises TypeError: if ``params`` is no dict
        """
        drive(operations.enqueue_trial(self._session, params, user_attrs, skip_if_exists))

    def add_trial(self, trial: FrozenTrial) -> None:
        """Add a trial made elsewhere, by `create_trial` for example.

        :raises TypeError: if it is no FrozenTrial
        :raises ValueError: if it contradicts itself or does not fit the study
        """
        drive(operations.add_trials(self._session, [trial]))

    def add_trials(self, trials: Iterable[FrozenTrial]) -> None:
        """Add trials made elsewhere: all of them, or none.

        :raises TypeError: if one is no FrozenTrial
        :raises ValueError: if one contradicts itself or does not fit the study
        """
        drive(operations.add_trials(self._session, trials))

    def set_metric_names(self, metric_names: list[str]) -> None:
        """Name the objectives.

        :raises ValueError: if there is not one name for each objective
        """
        operations.set_metric_names(self._session, metric_names)
        drive(self._session.store.flush())

    def trials_dataframe(
        self, attrs: tuple[str, ...] = DEFAULT_ATTRS, multi_index: bool = False
    ) -> pd.DataFrame:
        """Return the trials as a pandas DataFrame, one row each.

        :param attrs: which attributes become columns
        :param multi_index: give nested attributes a second level of column names
        :raises ImportError: if pandas is missing
        """
        return trials_dataframe(
            self.get_trials(deepcopy=False), attrs, multi_index, self.directions, self.metric_names
        )


def create_study(
    *,
    storage: str | Storage | None = None,
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
    study_name: str | None = None,
    direction: Direction | None = None,
    load_if_exists: bool = False,
    directions: Sequence[Direction] | None = None,
) -> Study:
    """Create a study.

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
    return Study._of(
        drive(
            opening.create_study(
                storage, sampler, pruner, study_name, direction, load_if_exists, directions
            )
        )
    )


def load_study(
    *,
    study_name: str | None,
    storage: str | Storage,
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
) -> Study:
    """Load a study.

    :param study_name: its name; None for the only one in the storage
    :raises KeyError: if there is no study of that name
    :raises ValueError: if ``study_name`` is None and the storage has not exactly one study
    """
    return Study._of(drive(opening.load_study(study_name, storage, sampler, pruner)))


def delete_study(*, study_name: str, storage: str | Storage) -> None:
    """Delete a study with its trials.

    :raises KeyError: if there is no study of that name
    """
    drive(opening.delete_study(study_name, storage))


def copy_study(
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
    drive(opening.copy_study(from_study_name, from_storage, to_storage, to_study_name))


def get_all_study_names(storage: str | Storage) -> list[str]:
    """Return the names of all studies in a storage."""
    return drive(opening.get_all_study_names(storage))


def get_all_study_summaries(
    storage: str | Storage, include_best_trial: bool = True
) -> list[StudySummary]:
    """Return a summary of each study in a storage.

    :param include_best_trial: whether to find each study's best trial
    """
    return drive(opening.get_all_study_summaries(storage, include_best_trial))


def _async_face(session: Session) -> Any:
    # Imported when needed: plain code does without asyncio, which takes its time.
    from ahpo.aio import AsyncStudy

    return AsyncStudy(session)


faces.register("sync", Study._of)
faces.register("async", _async_face)
