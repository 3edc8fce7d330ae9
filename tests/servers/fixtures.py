"""Fixtures that give a test an empty database on a real server, or a server of its own.

One server of a kind serves all workers of a run; it starts with the first test that asks. Where the
machine does not have it, the test is skipped, or fails if CI=true is set.

- ``postgresql_url``, ``mysql_url``, ``redis_url``: an empty database
- ``pgbouncer_url``: an empty database of PostgreSQL, behind PgBouncer in transaction mode
- ``own_postgresql``, ``own_mysql``, ``own_redis``: a running server with an empty database (its
  ``url``), which the test may restart, kill and pause as it likes
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.servers.databases import DATABASES, Databases, PostgresqlDatabases
from tests.servers.kinds import KINDS
from tests.servers.pgbouncer import in_front_of
from tests.servers.places import MissingServer
from tests.servers.server import Server
from tests.servers.shared import shared_server


@contextmanager
def demanded() -> Iterator[None]:
    """Skip a test for which a server is missing, but fail it where all servers are promised."""
    try:
        yield
    except MissingServer as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{error} (CI=true promises that it is there)", pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def servers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each worker has a folder of its own in that of the run
    folder = base / "servers"
    folder.mkdir(exist_ok=True)
    return folder


@contextmanager
def _server(kind: str, folder: Path, *upstream: str) -> Iterator[str]:
    given = os.environ.get(KINDS[kind].variable, "")
    if "://" in given:
        yield given
        return
    with demanded(), shared_server(kind, folder, *upstream) as url:
        yield url


@contextmanager
def _databases(kind: str, folder: Path) -> Iterator[Databases]:
    with _server(kind, folder) as admin_url, closing(DATABASES[kind](admin_url)) as databases:
        yield databases


@contextmanager
def _database(databases: Databases) -> Iterator[str]:
    url = databases.take()
    yield url
    databases.give_back(url)


@pytest.fixture(scope="session")
def postgresql_databases(servers_folder: Path) -> Iterator[Databases]:
    """Yield what hands out databases of the run's PostgreSQL."""
    with _databases("postgresql", servers_folder) as databases:
        yield databases


@pytest.fixture(scope="session")
def mysql_databases(servers_folder: Path) -> Iterator[Databases]:
    """Yield what hands out databases of the run's MariaDB."""
    with _databases("mysql", servers_folder) as databases:
        yield databases


@pytest.fixture(scope="session")
def redis_databases(servers_folder: Path) -> Iterator[Databases]:
    """Yield what hands out databases of the run's Redis."""
    with _databases("redis", servers_folder) as databases:
        yield databases


@pytest.fixture
def postgresql_url(postgresql_databases: Databases) -> Iterator[str]:
    """Yield the URL of an empty database of PostgreSQL."""
    with _database(postgresql_databases) as url:
        yield url


@pytest.fixture
def mysql_url(mysql_databases: Databases) -> Iterator[str]:
    """Yield the URL of an empty database of MariaDB."""
    with _database(mysql_databases) as url:
        yield url


@pytest.fixture
def redis_url(redis_databases: Databases) -> Iterator[str]:
    """Yield the URL of an empty database of Redis."""
    with _database(redis_databases) as url:
        yield url


@pytest.fixture(scope="session")
def pgbouncer_admin_url(
    servers_folder: Path, postgresql_databases: PostgresqlDatabases
) -> Iterator[str]:
    """Yield the URL of the run's PgBouncer, without a database of a test."""
    with _server("pgbouncer", servers_folder, postgresql_databases.admin_url) as url:
        yield url


@pytest.fixture
def pgbouncer_url(
    pgbouncer_admin_url: str, postgresql_databases: PostgresqlDatabases
) -> Iterator[str]:
    """Yield the URL of an empty database of PostgreSQL, through PgBouncer."""
    # One that no test had before: PgBouncer keeps connections to those it has seen.
    url = postgresql_databases.create()
    yield in_front_of(pgbouncer_admin_url, url)
    postgresql_databases.drop(url)


@contextmanager
def _own(kind: str) -> Iterator[Server]:
    with demanded():
        server = KINDS[kind]()
    with server:
        yield server


@contextmanager
def own_database(server: Server) -> Iterator[Server]:
    """Give the server an empty database, and leave the server as the next test needs it."""
    server.start()
    with closing(DATABASES[server.kind](server.admin_url)) as databases:
        url = databases.take()
    server.database = urlsplit(url).path.removeprefix("/")
    yield server
    if server.running:
        server.resume()
    server.start()
    with closing(DATABASES[server.kind](server.admin_url)) as databases:
        databases.give_back(url)


@pytest.fixture(scope="session")
def own_postgresql_of_worker() -> Iterator[Server]:
    """Yield the PostgreSQL that this worker shares with nobody."""
    with _own("postgresql") as server:
        yield server


@pytest.fixture(scope="session")
def own_mysql_of_worker() -> Iterator[Server]:
    """Yield the MariaDB that this worker shares with nobody."""
    with _own("mysql") as server:
        yield server


@pytest.fixture(scope="session")
def own_redis_of_worker() -> Iterator[Server]:
    """Yield the Redis that this worker shares with nobody."""
    with _own("redis") as server:
        yield server


@pytest.fixture
def own_postgresql(own_postgresql_of_worker: Server) -> Iterator[Server]:
    """Yield a PostgreSQL that the test may stop, kill, pause and restart."""
    with own_database(own_postgresql_of_worker) as server:
        yield server


@pytest.fixture
def own_mysql(own_mysql_of_worker: Server) -> Iterator[Server]:
    """Yield a MariaDB that the test may stop, kill, pause and restart."""
    with own_database(own_mysql_of_worker) as server:
        yield server


@pytest.fixture
def own_redis(own_redis_of_worker: Server) -> Iterator[Server]:
    """Yield a Redis that the test may stop, kill, pause and restart."""
    with own_database(own_redis_of_worker) as server:
        yield server
