"""The backend that a URL leads to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ahpo.storages.exchange import Backend
from ahpo.storages.sql.address import DatabaseURL, parse_url

__all__ = ("backend_of",)

# Arguments of SQLAlchemy's engine that steer what is done otherwise here: they are let pass.
_WITHOUT_MEANING = frozenset(
    "echo echo_pool future hide_parameters isolation_level logging_name pool_logging_name "
    "pool_pre_ping pool_recycle pool_reset_on_return pool_timeout pool_use_lifo poolclass "
    "query_cache_size".split()
)
_POOL_SIZE, _MAX_OVERFLOW = 5, 10


def backend_of(
    url: str,
    engine_kwargs: Mapping[str, Any] | None = None,
    skip_compatibility_check: bool = False,
    skip_table_creation: bool = False,
    folder: str = "",
) -> Backend:
    """Return the backend for a URL, which connects when it is first used.

    :param engine_kwargs: of the arguments of SQLAlchemy's engine, ``connect_args`` (above all
        ``timeout``), ``pool_size`` and ``max_overflow`` (their sum is the largest number of
        connections) are heeded; others that steer its pool or its logs are let pass
    :param folder: where the relative path of a file begins; "" for the working directory
    :raises ValueError: if the URL or an argument is none that is known
    :raises ImportError: if the driver is not installed
    """
    parts = parse_url(url)
    engine = dict(engine_kwargs or {})
    connect_args = engine.pop("connect_args", None) or {}
    if not isinstance(connect_args, Mapping):
        raise ValueError(f"`connect_args` must be a dict, but it is {connect_args!r}.")
    connect_args = dict(connect_args)
    # As in SQLAlchemy: -1 sets no bound to the overflow, 0 none to the pool.
    size, overflow = engine.pop("pool_size", _POOL_SIZE), engine.pop("max_overflow", _MAX_OVERFLOW)
    for name, number in (("pool_size", size), ("max_overflow", overflow)):
        if not isinstance(number, int):
            raise ValueError(f"`{name}` must be an integer, but it is {number!r}.")
    limit = None if size == 0 or overflow < 0 else size + overflow
    unknown = sorted(engine.keys() - _WITHOUT_MEANING)
    if unknown:
        raise ValueError(
            "`engine_kwargs` may hold 'connect_args', 'pool_size' and 'max_overflow', "
            f"but it holds {unknown[0]!r}."
        )
    skips = {
        "skip_compatibility_check": skip_compatibility_check,
        "skip_table_creation": skip_table_creation,
    }
    if parts.kind == "sqlite":
        return _sqlite(parts, connect_args, skips, folder)
    if parts.kind == "postgresql":
        from ahpo.storages.sql.postgresql import PostgreSQLBackend

        return PostgreSQLBackend(parts, connect_args, limit, **skips)
    from ahpo.storages.sql.mysql import MySQLBackend

    return MySQLBackend(parts, connect_args, limit, **skips)


def _sqlite(
    parts: DatabaseURL, connect_args: dict[str, Any], skips: dict[str, bool], folder: str
) -> Backend:
    from ahpo.storages.sql.sqlite import SQLiteBackend

    if parts.host is not None or parts.user is not None:
        raise ValueError(
            "The URL of an SQLite file must have three slashes before a relative path and four "
            f"before an absolute one, but it is {parts.shown()!r}."
        )
    path, query = parts.database or ":memory:", dict(parts.query)
    if "timeout" in query:
        connect_args.setdefault("timeout", float(query.pop("timeout")))
    if query.pop("uri", "").lower() in ("true", "1", "yes"):
        connect_args["uri"] = True
        path += "?" + "&".join(f"{key}={value}" for key, value in query.items()) if query else ""
    elif query:
        raise ValueError(
            "The URL of an SQLite file may have the arguments 'timeout' and 'uri', "
            f"but it has {sorted(query)[0]!r}."
        )
    return SQLiteBackend(path, connect_args, **skips, folder=folder)
