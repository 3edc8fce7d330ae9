"""Where measurements keep their studies: empty files, and empty databases of real servers."""

from __future__ import annotations

import itertools
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from tests.servers.databases import MysqlDatabases, PostgresqlDatabases
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import Postgresql

__all__ = ("STORAGES", "Places", "storage_of")

STORAGES = ("sqlite", "postgresql", "mariadb", "journal")

# The drivers that Optuna is given; the default ones of SQLAlchemy move from version to version.
_OPTUNA_DRIVERS = {"postgresql": "postgresql+psycopg2", "mysql": "mysql+pymysql"}
_PATIENCE = 100.0  # seconds that a peer's connection waits for others, so that it gets through


class Places:
    """Hand out empty places; servers start when first needed, and sync what they acknowledge."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._databases: dict[str, PostgresqlDatabases | MysqlDatabases] = {}
        self._numbers = itertools.count()

    def __enter__(self) -> Self:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ahpo-benchmark-"))
        self._folder = Path(folder)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def take(self, storage: str) -> str:
        """Return the path or URL of a place with nothing in it."""
        if storage in ("sqlite", "journal"):
            return str(self._folder / f"{next(self._numbers)}.{storage}")
        if storage not in self._databases:
            self._databases[storage] = self._start(storage)
        return self._databases[storage].take()

    def give_back(self, storage: str, place: str) -> None:
        """Remove what a measurement has left there."""
        if storage in self._databases:
            self._databases[storage].give_back(place)
            return
        for path in self._folder.glob(f"{Path(place).name}*"):
            path.unlink()

    def _start(self, storage: str) -> PostgresqlDatabases | MysqlDatabases:
        if storage == "postgresql":
            postgresql = self._stack.enter_context(Postgresql(durable=True))
            return PostgresqlDatabases(postgresql.admin_url)
        mariadb = self._stack.enter_context(MariaDB(durable=True))
        return MysqlDatabases(mariadb.admin_url)


def storage_of(module: Any, storage: str, place: str, *, threads: int = 1) -> Any:
    """Return a storage of `ahpo` or `optuna` at a place that was handed out.

    Optuna gets as many connections as it has threads, and time enough to wait for locks.
    """
    storages = module.storages
    if storage == "journal":
        return storages.JournalStorage(storages.journal.JournalFileBackend(place))
    url = f"sqlite:///{place}" if storage == "sqlite" else place
    if module.__name__ == "ahpo":
        return storages.RDBStorage(url)
    kind, rest = url.split("://", 1)
    engine: dict[str, Any] = {"pool_size": threads, "pool_timeout": _PATIENCE}
    if storage == "sqlite":
        engine["connect_args"] = {"timeout": _PATIENCE}
    return storages.RDBStorage(f"{_OPTUNA_DRIVERS.get(kind, kind)}://{rest}", engine)
