"""Write to and read from a server through the asyncio driver that its storage uses."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

__all__ = ("CONNECT", "is_empty", "read", "write")


async def _postgresql(url: str) -> Any:
    import asyncpg

    # PgBouncer gives each transaction another connection, which knows no prepared statements.
    return await asyncpg.connect(url, statement_cache_size=0, timeout=20)


async def _mysql(url: str) -> Any:
    import asyncmy

    parts = urlsplit(url)
    return await asyncmy.connect(
        host=parts.hostname,
        port=parts.port,
        user=parts.username,
        db=parts.path.removeprefix("/"),
        autocommit=True,
    )


async def _redis(url: str) -> Any:
    import redis.asyncio

    return redis.asyncio.Redis.from_url(url, decode_responses=True)


CONNECT = {"postgresql": _postgresql, "mysql": _mysql, "redis": _redis}


async def write(url: str, text: str) -> None:
    """Keep a text in the database."""
    kind = urlsplit(url).scheme
    connection = await CONNECT[kind](url)
    if kind == "redis":
        await connection.set("kept", text)
        await connection.aclose()
    elif kind == "postgresql":
        await connection.execute("create table kept (t text)")
        await connection.execute("insert into kept values ($1)", text)
        await connection.close()
    else:
        async with connection.cursor() as cursor:
            await cursor.execute("create table kept (t text)")
            await cursor.execute("insert into kept values (%s)", (text,))
        await connection.ensure_closed()


async def read(url: str) -> str | None:
    """Return the text that `write` kept."""
    kind = urlsplit(url).scheme
    connection = await CONNECT[kind](url)
    if kind == "redis":
        text = await connection.get("kept")
        await connection.aclose()
    elif kind == "postgresql":
        text = await connection.fetchval("select t from kept")
        await connection.close()
    else:
        async with connection.cursor() as cursor:
            await cursor.execute("select t from kept")
            (text,) = await cursor.fetchone()
        await connection.ensure_closed()
    return text


async def is_empty(url: str) -> bool:
    """Tell whether the database holds nothing."""
    kind = urlsplit(url).scheme
    connection = await CONNECT[kind](url)
    if kind == "redis":
        count = await connection.dbsize()
        await connection.aclose()
    elif kind == "postgresql":
        count = await connection.fetchval(
            "select count(*) from pg_class join pg_namespace n on n.oid = relnamespace "
            "where nspname !~ '^pg_|^information_schema$'"
        )
        await connection.close()
    else:
        async with connection.cursor() as cursor:
            await cursor.execute(
                "select count(*) from information_schema.tables where table_schema = database()"
            )
            (count,) = await cursor.fetchone()
        await connection.ensure_closed()
    return count == 0
