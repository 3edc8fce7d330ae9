"""Databases for the tests of the SQL storages: one empty database a test, of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from ahpo.storages.exchange import Backend
from ahpo.storages.sql.url import backend_of

Another = Callable[[], Backend]


@pytest.fixture(params=["sqlite", "postgresql", "pgbouncer", "mysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/study.db"
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
def optuna_url(url: str) -> str:
    """The URL of the same database for Optuna, with the driver that it needs."""
    drivers = {"postgresql://": "postgresql+psycopg2://", "mysql://": "mysql+pymysql://"}
    for ours, theirs in drivers.items():
        url = url.replace(ours, theirs)
    return url


@pytest_asyncio.fixture
async def another(url: str) -> AsyncIterator[Another]:
    """Give one more backend, with connections of its own, for the same database."""
    backends: list[Backend] = []

    def another() -> Backend:
        backends.append(backend_of(url))
        return backends[-1]

    yield another
    for backend in backends:
        await backend.aclose()


@pytest_asyncio.fixture
async def backend(another: Another) -> Backend:
    return another()
