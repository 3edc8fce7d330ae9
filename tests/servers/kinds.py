"""The servers by name."""

from __future__ import annotations

from tests.servers.mariadb import MariaDB
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgresql import Postgresql
from tests.servers.redis_server import RedisServer
from tests.servers.server import Server

__all__ = ("KINDS", "make_server")

KINDS: dict[str, type[Server]] = {
    kind.kind: kind for kind in (Postgresql, MariaDB, RedisServer, PgBouncer)
}


def make_server(kind: str, upstream: str | None = None) -> Server:
    """Return a server that is not started yet.

    :param upstream: the URL of the server that a PgBouncer is in front of
    """
    return KINDS[kind]() if upstream is None else PgBouncer(upstream)
