"""What a store knows of its study's place, and what each response makes of that. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from ahpo.distributions import BaseDistribution
from ahpo.exceptions import UpdateFinishedTrialError
from ahpo.history.facts import (
    Fact,
    ParamSet,
    StudySystemAttrSet,
    StudyUserAttrSet,
    TrialFinished,
)
from ahpo.history.history import History
from ahpo.history.placing import place_all
from ahpo.history.records import FinishedTrial
from ahpo.states import TrialState
from ahpo.storages.exchange import (
    Create,
    Link,
    Op,
    Reap,
    Request,
    Response,
    Seen,
    Start,
    Write,
)
from ahpo.storages.items import Item, Result

__all__ = ("Applied", "Known")

# As tuples, which unlike unions are made once.
_OF_STUDY = (StudyUserAttrSet, StudySystemAttrSet)
_PLACES = (Start, Create, Reap)


class Applied(NamedTuple):
    """Hold what those who wait are to be told, which of the trials that were started nobody wants,
    and which trials were placed in the history, by number.
    """

    results: list[Result]
    unwanted: list[int]
    placed: set[int]


class Known:
    """Keep what `Seen` says, and the history as it is in the storage.

    Of trials that have not finished it keeps the numbers by identifier: of those that this store
    runs (``own``), and of others that run or wait. Exchanges alone change it.

    :param history: what is brought up to date; its lock must be held
    """

    def __init__(self, history: History) -> None:
        self.history = history
        # What could not be written although nobody waited for it: the first error of each trial, by
        # number, and under -1 that of the study.
        self.refused: dict[int, Exception] = {}
        self.own: dict[int, int] = {}
        self._last_id = -1
        self._running: dict[int, int] = {}
        self._waiting: dict[int, int] = {}
        self._names: dict[str, BaseDistribution] = {}

    def seen(self) -> Seen:
        """Return what the next request is to say of it."""
        return Seen(
            self._last_id,
            self.history.n_trials,
            self.own,
            self._running,
            self._waiting,
            self._names,
        )

    def op(self, what: Fact | Start | Create | Reap) -> Op:
        """Return what is to be done as a part of a request."""
        if isinstance(what, _PLACES):
            return what
        if isinstance(what, _OF_STUDY):
            return Write(what, -1)
        return Write(what, self.history.trial_id(what.number))

    def disown(self, number: int) -> None:
        """Leave a trial that this store runs to its lease."""
        trial_id = self.history.trial_id(number)
        if self.own.pop(trial_id, None) is not None:
            self._running[trial_id] = number

    def disown_all(self) -> None:
        """Leave all of them to whoever else runs them."""
        self._running.update(self.own)
        self.own.clear()

    def apply(
        self,
        items: Sequence[Item],
        request: Request,
        response: Response,
        link: Link,
        lost: list[int],
    ) -> Applied:
        """Take notice of what an exchange has done.

        :param link: what has done it
        :param lost: where the numbers go of own trials that somebody else has finished
        """
        done = zip(request.ops, response.answers, strict=True)
        nothing: tuple[Op | None, Any] = (None, None)
        answered = [(item, *(nothing if item.what is None else next(done))) for item in items]
        ended = {
            item.what.number
            for item, _, answer in answered
            if isinstance(item.what, TrialFinished) and answer is None
        }
        placed = self.place(response, ended, lost)
        results: list[Result] = []
        unwanted: list[int] = []
        for item, op, answer in answered:
            error = answer if isinstance(answer, Exception) else None
            if op is not None and error is None:
                self.accept(op, answer, link)
            elif isinstance(op, Write) and error is not None and item.pending is None:
                self.refuse(op.fact, error)
            if isinstance(item.what, TrialFinished):
                self.refused.pop(item.what.number, None)  # whoever waits has been told
            if item.pending is not None:
                if isinstance(op, Start) and isinstance(answer, int) and not item.pending.wanted:
                    unwanted.append(answer)
                results.append((item.pending, None if error else answer, error))
        return Applied(results, unwanted, placed)

    def place(self, response: Response, ended: set[int], lost: list[int]) -> set[int]:
        """Bring the history up to date; return the numbers of the trials that were placed.

        :param ended: the numbers of those which the request has finished itself
        :param lost: where the numbers go of own trials that somebody else has finished
        """
        history, own = self.history, self.own
        news: list[FinishedTrial] = []
        for record in response.trials:
            trial_id, number, state = record.trial_id, record.number, record.state
            if trial_id in own:
                if not state.is_finished():
                    continue  # what is known here is newer
                if number not in ended:
                    lost.append(number)
            news.append(record)
            self._last_id = max(self._last_id, trial_id)
            for trials in (own, self._running, self._waiting):
                trials.pop(trial_id, None)
            if self.refused and state.is_finished():
                self.refused.pop(number, None)
            if not state.is_finished():
                known = self._waiting if state is TrialState.WAITING else self._running
                known[trial_id] = number
        place_all(history, news)
        if response.trials:
            self._names.update(_names(response.trials))
        if response.user_attrs is not None:
            history.user_attrs = response.user_attrs
        if response.system_attrs is not None:
            history.system_attrs = response.system_attrs
        return {record.number for record in news}

    def record_again(self, facts: Iterable[Fact], placed: set[int]) -> None:
        """Apply what is ahead of what has just been read of these trials, and of the study."""
        for fact in facts:
            number = getattr(fact, "number", None)
            if number is None or number in placed:
                with suppress(UpdateFinishedTrialError):
                    self.history.apply(fact)

    def refuse(self, what: Fact, error: Exception) -> None:
        """Take notice that a fact for which nobody waits could not be written."""
        if isinstance(error, UpdateFinishedTrialError):
            return  # who runs the trial learns of that otherwise
        self.refused.setdefault(getattr(what, "number", -1), error)
        if isinstance(what, ParamSet):
            # What others have made of it is what counts from now on.
            history, known = self.history, self._names.get(what.name)
            if known is None:
                history.known_distributions.pop(what.name, None)
            else:
                history.known_distributions[what.name] = known

    def accept(self, op: Op, answer: Any, link: Link) -> None:
        """Take notice that something was done.

        :param link: what has done it
        """
        history = self.history
        if isinstance(op, Start):
            trial_id = history.trial_id(answer)
            self._running.pop(trial_id, None)
            self.own[trial_id] = answer
        if not isinstance(op, Write):
            return
        fact, trial_id = op
        if isinstance(fact, ParamSet):
            self._names[fact.name] = fact.distribution
        elif isinstance(fact, TrialFinished):
            for trials in (self.own, self._running, self._waiting):
                trials.pop(trial_id, None)
            if not history.state(fact.number).is_finished():
                history.apply(fact._replace(at=link.kept(fact.at)))


def _names(records: Iterable[FinishedTrial]) -> dict[str, BaseDistribution]:
    names: dict[str, BaseDistribution] = {}
    last: dict[str, BaseDistribution] | None = None
    for record in records:
        if record.distributions != last:
            last = record.distributions
            names.update(last)
    return names
