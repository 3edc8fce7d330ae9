"""What a backend sends to its server: one entry for each round trip."""

from __future__ import annotations

from typing import Any

import pytest

from ahpo.storages.exchange import Backend
from ahpo.storages.sql.mysql import MySQLBackend, _Cursor
from ahpo.storages.sql.server import ServerBackend


def trips_of(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list to which they will be added; one of PostgreSQL soon after its answer."""
    trips: list[str] = []
    if isinstance(backend, MySQLBackend):
        execute = _Cursor.execute

        async def noted(cursor: Any, sql: str) -> Any:
            trips.append(sql)
            return await execute(cursor, sql)

        monkeypatch.setattr(_Cursor, "execute", noted)
    else:
        assert isinstance(backend, ServerBackend)
        (connection,) = backend._idle
        connection.add_query_logger(lambda record: trips.append(record.query))
    return trips
