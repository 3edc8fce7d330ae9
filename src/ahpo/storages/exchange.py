"""What a store and the place where its study is kept say to each other: a request, a response.

An exchange happens as a whole or not at all. It writes what has been recorded, starts and creates
trials, and reads what others have written, in one transaction: so a trial's end and the start of
the next one share a commit, and numbers are known as soon as they exist.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from ahpo.distributions import BaseDistribution
from ahpo.history.facts import Fact, TrialFinished
from ahpo.history.records import FinishedTrial
from ahpo.states import StudyDirection, TrialState

__all__ = (
    "Backend",
    "Create",
    "Link",
    "NotInPlace",
    "Op",
    "Reap",
    "Request",
    "Response",
    "Seen",
    "Start",
    "StorageUnavailable",
    "StorageUnreachable",
    "Write",
    "is_success",
)


class StorageUnavailable(Exception):
    """Tell that an exchange failed for a reason that may pass, and that it may be tried again."""


class StorageUnreachable(StorageUnavailable):
    """Tell that nothing answers at the address of the storage, which may be a wrong one."""


class NotInPlace(Exception):
    """Tell that an exchange takes an event loop, or would take long, and that nothing happened."""


class Write(NamedTuple):
    """Write one fact.

    Answered by None; or by an `UpdateFinishedTrialError` if the trial has finished (what is to be
    written on it is dropped), a KeyError if there is no such trial, a ValueError if the
    distribution of a parameter does not fit that of an earlier trial. To finish a trial again in
    just the way in which it has finished is no error if the request is a repeated one. If something
    else of a trial is refused, its end is answered by the same error and not written, in the same
    request, unless it is to fail.

    ``trial_id`` is that of the fact's trial, -1 for facts of the study.
    """

    fact: Fact
    trial_id: int


def is_success(fact: Fact) -> bool:
    """Tell whether a fact is an end of a trial that all of it must have been written for."""
    return isinstance(fact, TrialFinished) and fact.state is not TrialState.FAIL


class Start(NamedTuple):
    """Start the waiting trial with the smallest number, or else a new one; answered by its number.

    ``at`` is the time, in microseconds since the epoch. ``lease`` is whether the trial is to have
    a lease from the start, which `Request.beat` renews.
    """

    at: int
    lease: bool


class Create(NamedTuple):
    """Add trials of any state, all or none; answered by their numbers, or by a ValueError.

    The numbers and identifiers of the records are ignored.
    """

    trials: tuple[FinishedTrial, ...]


class Reap(NamedTuple):
    """Fail the running trials whose lease has not been renewed for ``grace`` seconds.

    Answered by their numbers. ``reason`` becomes their system attribute ``fail_reason``, ``at`` the
    time of their end. Trials without a lease are left alone.
    """

    grace: float
    at: int
    reason: str


Op: TypeAlias = Write | Start | Create | Reap


class Seen(NamedTuple):
    """What the store knows of its study: the response is to bring it up to date.

    ``last_id`` is the largest identifier among its trials, -1 if there are none; it has seen all up
    to there. The unfinished trials by identifier, with their numbers: ``own`` are those that this
    store has started, of which only an end made elsewhere is news; ``running`` and ``waiting`` are
    those of others, of which anything may be. ``names`` are the parameters that the study is known
    to have, whose distributions were checked when they were recorded. ``n_trials`` is how many
    trials the store knows.
    """

    last_id: int
    n_trials: int
    own: Mapping[int, int]
    running: Mapping[int, int]
    waiting: Mapping[int, int]
    names: Mapping[str, BaseDistribution]


class Request(NamedTuple):
    """Ask for one exchange.

    ``ops`` are done in order, and answered one by one; ``Write`` ops of a trial that it starts
    itself do not occur. ``durable`` is whether what is written must survive a failure of the power
    when the response comes; else, of the process. ``read`` is whether news are wanted: without it
    the response has at least the trials that were started or created, and those before them.
    ``beat`` are the identifiers of trials whose leases are to be renewed, ``release`` those whose
    leases are to be given up. ``repeated`` is whether the same request was sent before, and may
    have been carried out without its response having arrived.
    """

    ops: Sequence[Op]
    seen: Seen
    durable: bool = True
    read: bool = True
    beat: Sequence[int] = ()
    release: Sequence[int] = ()
    repeated: bool = False


class Response(NamedTuple):
    """Answer a request.

    ``answers`` has one answer for each op: a result, or an exception to be raised where the op came
    from. ``trials`` are whole trials as they are after the ops, by ascending number: all that are
    new since ``seen.last_id`` (those started or created by the ops among them), all others of which
    the store may not know everything, and all whose writes were refused. ``user_attrs`` and
    ``system_attrs`` are those of the study, or None if they have not changed.

    ``more`` is whether there is so much news that this is only the first of it: nothing else of the
    request has been done, there are no answers, and it is to be sent again with what is seen now.
    """

    answers: Sequence[Any]
    trials: Sequence[FinishedTrial] = ()
    user_attrs: dict[str, Any] | None = None
    system_attrs: dict[str, Any] | None = None
    more: bool = False


class Link(ABC):
    """Connect one store to its study. One exchange at a time, on the event loop of the storages."""

    study_id: int
    study_name: str
    directions: tuple[StudyDirection, ...]
    # Whether plain code may carry out exchanges in its own thread.
    in_place = False

    @abstractmethod
    async def exchange(self, request: Request) -> Response:
        """Carry out a request, as a whole or not at all.

        Where ``in_place`` holds, it may be called where no event loop runs; then it suspends
        nowhere, and raises `NotInPlace` if it had to.

        Of one that breaks off, trials may have started and nothing else have happened: the
        repeated request finds them.

        :raises StorageUnavailable: if it may be tried again
        :raises StorageInternalError: if it can not be carried out
        :raises KeyError: if the study has been deleted
        """

    def listen(self, heard: Callable[[], object] | None) -> bool:
        """Call ``heard`` whenever others may have finished trials of `Seen.own`; None: no longer.

        It begins with the next exchange, and goes on with the next one where it was interrupted;
        that others do not always tell is why a store asks from time to time as well.

        :returns: whether the link can do so at all
        """
        return False

    def kept(self, at: int | None) -> int | None:
        """Return what is left of a time when it has been written and read again."""
        return at

    async def aclose(self) -> None:  # noqa: B027  (most have nothing to release)
        """Release what the link holds open. It may be called again, and does nothing then."""


class Backend(ABC):
    """Reach one place where studies are kept. Its coroutines run on the storages' event loop."""

    # Whether the studies are gone when it is closed, so that only who has it no longer closes it.
    lives_while_open = False

    @abstractmethod
    async def create_study(self, study_name: str, directions: Sequence[StudyDirection]) -> Link:
        """Create a study and return a link to it.

        :raises DuplicatedStudyError: if the name is taken
        """

    @abstractmethod
    async def open_study(self, study_name: str) -> Link:
        """Return a link to a study.

        :raises KeyError: if there is no study of that name
        """

    @abstractmethod
    async def delete_study(self, study_name: str) -> None:
        """Delete a study with its trials.

        :raises KeyError: if there is no study of that name
        """

    async def sweep(self) -> None:  # noqa: B027  (most leave nothing)
        """Remove what may be left of deleted studies, which nobody can see any more."""

    @abstractmethod
    async def study_names(self) -> list[str]:
        """Return the names of the studies, in the order of their creation."""

    @abstractmethod
    async def aclose(self) -> None:
        """Release what is held open. It may be called again; after use it may be used again."""
