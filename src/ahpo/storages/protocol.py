"""What a storage is: the contract that every one of them keeps, stated as conditions.

A *storage* holds studies. Opening one gives its *store*: the study's history in this process, and
the few coarse operations by which facts get from the history to the storage and back. Each
coroutine here may be cancelled at any await: it then either happened as a whole or not at all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Protocol

from ahpo.distributions import BaseDistribution
from ahpo.history.facts import Fact, ParamSet, TrialFinished
from ahpo.history.history import History
from ahpo.history.records import FinishedTrial, OpenTrial
from ahpo.states import StudyDirection

__all__ = ("Storage", "StudyStore", "Succession", "Watcher")


class Watcher(Protocol):
    """Want to know what others do to the trials of a study, and what is done about theirs.

    Both are called on a thread of the storages.
    """

    def lost(self, numbers: Sequence[int]) -> None:
        """Take notice that somebody else has finished trials that this process runs.

        It must be quick, and wait for nothing.
        """
        ...

    def stale(self, numbers: Sequence[int]) -> None:
        """Do what is to be done about trials that were failed because their leases had expired."""
        ...


class Succession(NamedTuple):
    """Hold the number of the trial that was started, and why the one before could not be finished.

    ``refused`` is None if it was finished.
    """

    number: int
    refused: BaseException | None


class StudyStore(ABC):
    """Keep one open study.

    ``history`` holds every fact that this process has recorded, and those of others up to the
    last `refresh`. Facts are applied to it under a lock, which is ``history.guard``.
    """

    history: History
    study_id: int
    # Whether its coroutines may suspend. Where none does, no cancellation can come between, and
    # the engine saves what guarding against one costs.
    waits: ClassVar[bool] = True

    @abstractmethod
    def record(self, fact: Fact) -> None:
        """Apply a fact to the history now, and have it written with the next flush.

        For facts of trials that this process runs, and for attributes of the study. Any thread
        may call it. A refused fact changes nothing.

        :raises UpdateFinishedTrialError: if the trial has finished
        :raises KeyError: if there is no such trial
        :raises ValueError: if a parameter's distribution does not fit the study's earlier ones
        """

    def record_param(
        self, trial: OpenTrial, name: str, value: float, distribution: BaseDistribution
    ) -> None:
        """Record a `ParamSet` of a trial whose record is at hand.

        The most frequent fact by far: a store that keeps no facts need not make one.

        :raises UpdateFinishedTrialError: if the trial has finished
        :raises ValueError: if the distribution does not fit the study's earlier ones
        """
        self.record(ParamSet(trial.number, name, value, distribution))

    @abstractmethod
    async def start(self, at: int) -> int:
        """Start the longest waiting trial, or else a new one, and return its number.

        The history is up to date when it returns.

        A waiting trial is started once, whoever asks; numbers are consecutive and unique under
        any number of processes and threads.

        :param at: the time, in microseconds since the epoch
        """

    @abstractmethod
    async def create(self, trials: Sequence[FinishedTrial]) -> list[int]:
        """Add trials of any state and return their numbers; the records' own numbers are ignored.

        Either all are added or none is.

        :raises ValueError: if a parameter's distribution does not fit the study's earlier ones
        """

    @abstractmethod
    async def flush(self) -> None:
        """Return when other processes can see everything that was recorded.

        What was recorded on a trial that somebody else has finished meanwhile is dropped, and gone
        from the history after the next refresh.
        """

    @abstractmethod
    async def finish(self, fact: TrialFinished) -> None:
        """Finish a trial; when it returns, this and all that was recorded before is durable.

        :raises UpdateFinishedTrialError: if it has finished already, here or elsewhere
        :raises KeyError: if there is no such trial
        """

    async def finish_and_start(self, fact: TrialFinished, at: int) -> Succession:
        """Do `finish` and then `start`, which a storage may be able to do in one go.

        A refusal of the end is told beside the number of the next trial where that one has started
        all the same. What else goes wrong is raised.
        """
        await self.finish(fact)
        return Succession(await self.start(at), None)

    @abstractmethod
    async def refresh(self) -> None:
        """Bring the history up to date with what others have written."""

    def watch(self, watcher: Watcher) -> None:  # noqa: B027  (there may be no others)
        """Tell a watcher what others do, for as long as it lives."""

    def abandon(self, number: int) -> None:  # noqa: B027  (where there is no lease to expire)
        """Let the lease of a trial expire whose end could not be written: so somebody fails it."""

    async def reap(self) -> list[int]:
        """Fail the running trials whose leases have expired, and return their numbers."""
        return []

    async def sync(self) -> None:
        """Flush and refresh, which a storage may be able to do in one go."""
        await self.flush()
        await self.refresh()


class Storage(ABC):
    """Hold studies by name."""

    @abstractmethod
    async def create_study(
        self, study_name: str | None, directions: Sequence[StudyDirection]
    ) -> StudyStore:
        """Create a study and open it; without a name it gets one of its own.

        :raises DuplicatedStudyError: if the name is taken
        """

    @abstractmethod
    async def open_study(self, study_name: str) -> StudyStore:
        """Open a study.

        :raises KeyError: if there is no study of that name
        """

    @abstractmethod
    async def delete_study(self, study_name: str) -> None:
        """Delete a study with its trials.

        :raises KeyError: if there is no study of that name
        """

    @abstractmethod
    async def study_names(self) -> list[str]:
        """Return the names of the studies, in the order of their creation."""

    async def aclose(self) -> None:  # noqa: B027  (most have nothing to release)
        """Release what the storage holds open. It may be called again, and does nothing then."""
