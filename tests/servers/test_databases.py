"""Each test gets an empty database on a server that all workers share."""

from __future__ import annotations

from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.servers.databases import DATABASES, Databases
from tests.servers.queries import CONNECT, is_empty, read, write

URLS = ["postgresql_url", "mysql_url", "redis_url", "pgbouncer_url"]


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(request.param)


@pytest.fixture
def databases(request: pytest.FixtureRequest) -> Databases:
    return request.getfixturevalue(f"{request.param}_databases")


@pytest.mark.asyncio
@pytest.mark.parametrize("round", [1, 2])
@pytest.mark.parametrize("url", URLS, indirect=True)
async def test_a_database_is_empty_and_keeps_what_is_written(url: str, round: int) -> None:
    assert await is_empty(url)
    await write(url, f"text ö {round}")
    assert not await is_empty(url)
    assert await read(url) == f"text ö {round}"


@pytest.mark.asyncio
@pytest.mark.parametrize("databases", DATABASES, indirect=True)
async def test_databases_taken_at_once_do_not_see_each_other(databases: Databases) -> None:
    first, second = databases.take(), databases.take()
    await write(first, "mine")
    assert await is_empty(second)
    databases.give_back(first)
    databases.give_back(second)


@pytest.mark.asyncio
@pytest.mark.parametrize("databases", DATABASES, indirect=True)
async def test_a_database_is_taken_back_from_a_transaction_left_open(databases: Databases) -> None:
    url = databases.take()
    await write(url, "text")
    left = await CONNECT[urlsplit(url).scheme](url)
    if urlsplit(url).scheme == "postgresql":
        await left.execute("begin; insert into kept values ('more')")
    elif urlsplit(url).scheme == "mysql":
        async with left.cursor() as cursor:
            await cursor.execute("begin")
            await cursor.execute("insert into kept values ('more')")
    databases.give_back(url)
    again = databases.take()
    assert await is_empty(again)
    databases.give_back(again)
    await _let_go(left)


async def _let_go(connection: Any) -> None:
    if hasattr(connection, "terminate"):
        connection.terminate()
    elif hasattr(connection, "aclose"):
        await connection.aclose()
    else:
        connection.close()


@pytest.mark.asyncio
async def test_pgbouncer_gives_a_connection_for_one_transaction(pgbouncer_url: str) -> None:
    connections = [await CONNECT["postgresql"](pgbouncer_url) for _ in range(30)]
    # More clients than the 20 connections of a pool: none keeps its own between transactions.
    backends = {await c.fetchval("select pg_backend_pid()") for c in connections}
    assert len(backends) < len(connections)
    for connection in connections:
        await connection.close()


@pytest.mark.asyncio
async def test_a_database_of_an_emptied_postgresql_has_no_other_schema(
    postgresql_databases: Databases,
) -> None:
    with closing(DATABASES["postgresql"](postgresql_databases.admin_url)) as databases:
        url = databases.take()
        connection = await CONNECT["postgresql"](url)
        await connection.execute("create schema other; create table other.t (x int)")
        await connection.execute("create type kind as enum ('a'); create sequence s")
        await connection.close()
        databases.give_back(url)
        assert databases.take() == url, "the emptied database is handed out again"
        assert await is_empty(url)
        databases.give_back(url)
