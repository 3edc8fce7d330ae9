"""Places where studies are kept durably, and other processes that use the same ones."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import ahpo
from ahpo.storages import JournalFileBackend, JournalStorage, RDBStorage
from ahpo.storages.replicated import ReplicatedStorage

__all__ = ("KINDS", "Others", "Place", "others_at_work", "seen")

KINDS = ("sqlite", "postgresql", "mysql", "journal")

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """Be one place: the URL of a database, or the path of a journal."""

    kind: str
    address: str

    def storage(self, **options: Any) -> ReplicatedStorage:
        """Return one more storage for it, which shares nothing with others."""
        if self.kind == "journal":
            return JournalStorage(JournalFileBackend(self.address), **options)
        return RDBStorage(self.address, **options)

    def named(self) -> Any:
        """Return it as a script gives it: as a URL, where there is one."""
        return self.storage() if self.kind == "journal" else self.address

    def load(self, name: str = "study", **parts: Any) -> ahpo.Study:
        """Load a study from it, with a storage of its own."""
        return ahpo.load_study(study_name=name, storage=self.storage(), **parts)


class Others:
    """Run functions in other processes, which know nothing of this one."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def start(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Start a function in one of them; it must be one of a module."""
        return self._pool.submit(_alone, function, *arguments)

    def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return what a function returns in one of them."""
        return self.start(function, *arguments).result(30.0)


def _quiet() -> None:
    ahpo.logging.set_verbosity(ahpo.logging.ERROR)


def _alone(function: Callable[..., T], *arguments: Any) -> T:
    try:
        return function(*arguments)
    finally:
        gc.collect()  # the next one finds no storage open


@contextmanager
def others_at_work() -> Iterator[Others]:
    """Give two other processes."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context, initializer=_quiet) as pool:
        others = Others(pool)
        for process in [others.start(gc.collect) for _ in range(2)]:
            process.result(60.0)
        yield others


_FIELDS = (
    *("number", "state", "values", "params", "distributions"),
    *("user_attrs", "system_attrs", "intermediate_values"),
)


def seen(study: Any) -> list[dict[str, Any]]:
    """Return what can be seen of a study's trials, but for their times."""
    return [{name: getattr(trial, name) for name in _FIELDS} for trial in study.trials]
