"""What must hold of a study whatever has happened to its storage."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ahpo import aio
from ahpo.aio import AsyncStudy
from ahpo.samplers import RandomSampler
from ahpo.states import TrialState
from ahpo.storages import JournalFileBackend, JournalRedisBackend, JournalStorage, RDBStorage
from ahpo.storages.patience import Patience
from ahpo.storages.replicated import ReplicatedStorage

__all__ = ("BRIEF", "Told", "assert_whole", "created", "files", "opened", "place_of")

# Tries again soon, and not for long.
BRIEF = Patience(total=20.0, first=0.02, longest=0.1)


def files(folder: Path, pattern: str = "*") -> list[Path]:
    """Return the files of a folder whose names match."""
    return sorted(folder.glob(pattern))


def place_of(url: str, **leases: Any) -> ReplicatedStorage:
    """Return a storage by its URL; ``journal:`` and a path is a journal in a file."""
    if url.startswith("journal:"):
        path = url.removeprefix("journal:")
        return JournalStorage(JournalFileBackend(str(Path(path))), **leases)
    if url.startswith("redis:"):
        return JournalStorage(JournalRedisBackend(url), **leases)
    return RDBStorage(url, **leases)


async def created(storage: ReplicatedStorage) -> AsyncStudy:
    """Create the study of these tests."""
    study: AsyncStudy = await aio.create_study(
        study_name="study", storage=storage, sampler=RandomSampler(seed=0)
    )
    return study


async def opened(storage: ReplicatedStorage) -> AsyncStudy:
    """Open the study of these tests."""
    study: AsyncStudy = await aio.load_study(
        study_name="study", storage=storage, sampler=RandomSampler(seed=0)
    )
    return study


class Told:
    """Run trials that wait, and note what the study said of each that had ended."""

    def __init__(self) -> None:
        self.values: dict[int, float] = {}
        self.started: set[int] = set()
        self.all_run = asyncio.Event()
        self.go_on = asyncio.Event()

    def objective(self, n_first: int) -> Any:
        """Return an objective of which the first ones wait for each other, and for `go_on`."""

        async def objective(trial: Any) -> float:
            x: float = trial.suggest_float("x", 0, 1)
            trial.set_user_attr("x", x)
            self.started.add(trial.number)
            if len(self.started) >= n_first:
                self.all_run.set()
            await self.go_on.wait()
            trial.report(x, 0)
            await trial.should_prune()
            return x

        return objective

    async def note(self, study: Any, trial: Any) -> None:
        """Be a callback that notes what has been acknowledged."""
        assert trial.number not in self.values
        self.values[trial.number] = trial.value


async def assert_whole(
    url: str, told: Mapping[int, float], running: Collection[int] = (), **leases: Any
) -> list[Any]:
    """Assert what must hold, as somebody sees it who opens the study now; return the trials.

    :param told: the values of the trials that were acknowledged
    :param running: the trials that may still run
    """
    storage = place_of(url, **leases)
    try:
        trials = (await opened(storage)).trials
    finally:
        await storage.aclose()
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert {number: trials[number].value for number in told} == dict(told)
    values = [trial.value for trial in trials if trial.state is TrialState.COMPLETE]
    assert len(set(values)) == len(values)
    left = {trial.number for trial in trials if trial.state is TrialState.RUNNING}
    assert left <= set(running)
    for number in told:
        assert trials[number].params == {"x": told[number]} == trials[number].user_attrs
    return trials
