"""Places that ahpo and Optuna share: an empty one of each kind for each test."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from ahpo.engine.drive import drive
from ahpo.storages.protocol import Storage
from tests.interop.places import our_storage, their_storage


class Place:
    """Be an address, and whatever was opened there, to be closed with the test."""

    def __init__(self, kind: str, address: str) -> None:
        self.kind = kind
        self.address = address
        self._ours: list[Storage] = []
        self._theirs: list[Any] = []

    def ours(self, **options: Any) -> Storage:
        """Return one more storage of ours."""
        self._ours.append(our_storage(self.address, **options))
        return self._ours[-1]

    def theirs(self, **options: Any) -> Any:
        """Return one more storage of Optuna's."""
        with warnings.catch_warnings():
            # Heartbeats are experimental there.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._theirs.append(their_storage(self.address, **options))
        return self._theirs[-1]

    def close(self) -> None:
        for storage in self._ours:
            drive(storage.aclose())
        for storage in self._theirs:
            if hasattr(storage, "engine"):
                storage.scoped_session.remove()
                storage.engine.dispose()


def address_of(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder}/study.db"
    if kind == "journal":
        return str(folder / "study.journal")
    url: str = request.getfixturevalue(f"{kind}_url")
    return url


DATABASES = ("sqlite", "postgresql", "mysql")


@pytest.fixture(params=[*DATABASES, "journal", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty place of any kind."""
    place = Place(request.param, address_of(request.param, request, tmp_path))
    yield place
    place.close()


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty database of any kind."""
    place = Place(request.param, address_of(request.param, request, tmp_path))
    yield place
    place.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Place]:
    """An empty database of SQLite."""
    place = Place("sqlite", f"sqlite:///{tmp_path}/study.db")
    yield place
    place.close()


@pytest.fixture(autouse=True)
def quiet(quiet_optuna: None) -> None:
    """Let Optuna say nothing of trials."""
