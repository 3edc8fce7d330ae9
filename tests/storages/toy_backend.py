"""A place for studies that is plain data in this process, behind coroutines that really wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ahpo.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from ahpo.history.facts import (
    ParamSet,
    SystemAttrSet,
    TrialCreated,
    TrialFinished,
    TrialStarted,
    trial_facts,
)
from ahpo.history.history import History
from ahpo.states import StudyDirection, TrialState
from ahpo.storages.exchange import (
    Backend,
    Create,
    Link,
    Op,
    Reap,
    Request,
    Response,
    Write,
    is_success,
)


@dataclass
class ToyStudy:
    """What the server holds of one study."""

    study_id: int
    history: History
    leases: dict[int, float] = field(default_factory=dict)


@dataclass
class ToyServer:
    """Hold all studies; `time` is what the server's clock says."""

    studies: dict[str, ToyStudy] = field(default_factory=dict)
    n_studies: int = 0
    n_trials: int = 0
    time: float = 0.0
    requests: list[Request] = field(default_factory=list)
    # What the next exchanges raise, before or after they are carried out.
    fail_before: list[Exception] = field(default_factory=list)
    fail_after: list[Exception] = field(default_factory=list)

    def backend(self) -> ToyBackend:
        return ToyBackend(self)


async def turn() -> None:
    await asyncio.sleep(0)


def _first_refusal(trial_id: int, ops: Sequence[Op], answers: list[Any]) -> Exception | None:
    for op, answer in zip(ops, answers, strict=False):
        if isinstance(op, Write) and op.trial_id == trial_id and isinstance(answer, Exception):
            return answer
    return None


class ToyLink(Link):
    def __init__(self, server: ToyServer, study: ToyStudy) -> None:
        self._server, self._study = server, study
        self.study_id, self.study_name = study.study_id, study.history.study_name
        self.directions = study.history.directions
        self.closed = False

    async def exchange(self, request: Request) -> Response:
        await turn()
        server = self._server
        server.requests.append(request)
        if server.fail_before:
            raise server.fail_before.pop(0)
        if server.studies.get(self.study_name) is not self._study:
            raise KeyError(f"The study {self.study_name!r} has been deleted.")
        leases, history = self._study.leases, self._study.history
        for trial_id in request.release:
            leases.pop(trial_id, None)
        for trial_id in request.beat:
            leases[trial_id] = server.time
        refused: set[int] = set()
        answers: list[Any] = []
        for op in request.ops:
            first = None
            if isinstance(op, Write) and is_success(op.fact):
                first = _first_refusal(op.trial_id, request.ops, answers)
            answers.append(first or self._answer(op, refused, request.repeated))
        if server.fail_after:
            raise server.fail_after.pop(0)
        await turn()
        seen = request.seen
        known = {*seen.running.values(), *seen.waiting.values(), *refused}
        known.update(n for n in seen.own.values() if history.state(n).is_finished())
        known.update(range(seen.n_trials, history.n_trials))
        return Response(
            answers,
            [_copied(history.record(number)) for number in sorted(known)],
            dict(history.user_attrs),
            dict(history.system_attrs),
        )

    def _answer(self, op: Op, refused: set[int], repeated: bool) -> Any:
        history, server = self._study.history, self._server
        if isinstance(op, Write):
            return self._write(op, refused, repeated)
        if isinstance(op, Create):
            try:
                history.check_new(op.trials)
            except ValueError as error:
                return error
            first = history.n_trials
            for number, trial in enumerate(op.trials, first):
                placed = trial._replace(number=number, trial_id=server.n_trials)
                server.n_trials += 1
                for fact in trial_facts(placed):
                    history.apply(fact)
            return list(range(first, history.n_trials))
        if isinstance(op, Reap):
            return self._reap(op)
        if history.waiting:
            number = min(history.waiting)
            history.apply(TrialStarted(number, op.at))
        else:
            number = history.n_trials
            history.apply(TrialCreated(number, server.n_trials, TrialState.RUNNING, op.at))
            server.n_trials += 1
        if op.lease:
            self._study.leases[history.trial_id(number)] = server.time
        return number

    def _write(self, op: Write, refused: set[int], repeated: bool) -> Any:
        fact, history = op.fact, self._study.history
        try:
            if isinstance(fact, ParamSet):
                history.check_param(fact.name, fact.distribution)
            history.apply(fact)
        except UpdateFinishedTrialError as error:
            number: int = getattr(fact, "number")  # noqa: B009
            if repeated and isinstance(fact, TrialFinished):
                record = history.record(number)
                if (record.state, record.values) == (fact.state, fact.values):
                    return None
            refused.add(number)
            return error
        except (KeyError, ValueError) as error:
            return error
        return None

    def _reap(self, op: Reap) -> list[int]:
        history, leases = self._study.history, self._study.leases
        stale = [
            number
            for number, trial in history.running.items()
            if self._server.time - leases.get(trial.trial_id, self._server.time) > op.grace
        ]
        for number in stale:
            history.apply(SystemAttrSet(number, "fail_reason", op.reason))
            history.apply(TrialFinished(number, TrialState.FAIL, None, op.at))
        return stale

    async def aclose(self) -> None:
        self.closed = True
        await turn()


def _copied(record: Any) -> Any:
    return record._replace(
        params=dict(record.params),
        distributions=dict(record.distributions),
        intermediate_values=dict(record.intermediate_values),
        user_attrs=dict(record.user_attrs),
        system_attrs=dict(record.system_attrs),
    )


class ToyBackend(Backend):
    def __init__(self, server: ToyServer) -> None:
        self._server = server

    async def create_study(self, study_name: str, directions: Sequence[StudyDirection]) -> Link:
        await turn()
        server = self._server
        if study_name in server.studies:
            raise DuplicatedStudyError(f"The name {study_name!r} is taken.")
        study = ToyStudy(server.n_studies, History(study_name, directions))
        server.studies[study_name] = study
        server.n_studies += 1
        return ToyLink(server, study)

    async def open_study(self, study_name: str) -> Link:
        await turn()
        if study_name not in self._server.studies:
            raise KeyError(f"There is no study {study_name!r}.")
        return ToyLink(self._server, self._server.studies[study_name])

    async def delete_study(self, study_name: str) -> None:
        await turn()
        if self._server.studies.pop(study_name, None) is None:
            raise KeyError(f"There is no study {study_name!r}.")

    async def study_names(self) -> list[str]:
        await turn()
        return list(self._server.studies)

    async def aclose(self) -> None:
        await turn()


__all__ = ("ToyBackend", "ToyServer")
