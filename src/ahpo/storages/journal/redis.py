"""A journal in Redis, under the keys that Optuna uses.

``<prefix>:log_number`` is the number of the last log, ``<prefix>:log:<n>`` the n-th one. What
Optuna keeps under ``<prefix>:snapshot`` is a pickle; it is neither read nor written.
"""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from ahpo.exceptions import StorageInternalError
from ahpo.storages.exchange import StorageUnavailable, StorageUnreachable
from ahpo.storages.journal.base import BaseJournalBackend, Place, Transaction, acquire
from ahpo.storages.journal.records import dumps

__all__ = ("JournalRedisBackend", "JournalRedisStorage", "RedisPlace")

# All logs are there or none is; with an expected last number, only if it is that.
_APPEND = """
local name = ARGV[1] .. ':log_number'
local number = tonumber(redis.call('get', name) or '-1')
if ARGV[2] ~= '' and number ~= tonumber(ARGV[2]) then
    return false
end
for i = 3, #ARGV do
    number = number + 1
    redis.call('set', ARGV[1] .. string.format(':log:%d', number), ARGV[i])
end
redis.call('set', name, string.format('%d', number))
return 1
"""
_BATCH = 2000  # logs in one request
# If others are quicker so often, logs are appended whatever has come in between.
_ATTEMPTS = 5
_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_SECONDS_TO_CONNECT = 10.0
_SECONDS_TO_ANSWER = 30.0


def _imported() -> Any:
    try:
        import_module("redis.asyncio")
        return import_module("redis")
    except ImportError as error:
        raise ImportError(
            "JournalRedisBackend needs the package redis: install it with `pip install "
            "ahpo[redis]`."
        ) from error


class JournalRedisBackend(BaseJournalBackend):
    """Keep a journal in Redis.

    What is durable is for the server to say (``appendfsync``).

    :param url: the URL of the server, such as ``redis://localhost:6379``; a password and the
        number of a database may be in it
    :param use_cluster: whether the server is a cluster, whose nodes can not append several keys at
        once: should a process die while it appends, readers wait for what it did not write
    :param prefix: what the keys begin with
    :raises ImportError: if the package redis is not installed
    """

    def __init__(self, url: str, use_cluster: bool = False, prefix: str = "") -> None:
        _imported()
        self._url = url
        self._use_cluster = use_cluster
        self._prefix = prefix
        self._client: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_client": None}

    def _options(self, retry: Any) -> dict[str, Any]:
        # It is for us to try again: redis does not know whether a log is there already.
        from redis.backoff import NoBackoff

        return {
            "retry": retry(NoBackoff(), 0),
            "socket_connect_timeout": _SECONDS_TO_CONNECT,
            "socket_timeout": _SECONDS_TO_ANSWER,
        }

    def _connected(self) -> Any:
        if self._client is None:
            redis = _imported()
            from redis.retry import Retry

            self._client = redis.Redis.from_url(self._url, **self._options(Retry))
        return self._client

    def _log(self, number: int) -> str:
        return f"{self._prefix}:log:{number}"

    @property
    def _last(self) -> str:
        return f"{self._prefix}:log_number"

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        client = self._connected()
        last = client.get(self._last)
        end = 0 if last is None else int(last) + 1
        for start in range(log_number_from, end, _BATCH):
            pipeline = client.pipeline(transaction=False)
            for number in range(start, min(start + _BATCH, end)):
                pipeline.get(self._log(number))
            for log in pipeline.execute():
                if log is None:
                    return  # somebody is about to write it
                yield json.loads(log)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        client, lines = self._connected(), [dumps(log) for log in logs]
        if self._use_cluster:
            client.setnx(self._last, -1)
            for line in lines:
                client.set(self._log(client.incr(self._last)), line)
        elif lines:
            client.eval(_APPEND, 0, self._prefix, "", *lines)

    def _place(self) -> Place:
        return super()._place() if self._is_changed(JournalRedisBackend) else RedisPlace(self)

    def __repr__(self) -> str:
        # Without the URL, in which there may be a password.
        return f"{type(self).__name__}(prefix={self._prefix!r})"


class JournalRedisStorage(JournalRedisBackend):
    """Keep a journal in Redis: deprecated, use `JournalRedisBackend`.

    :param url: the URL of the server
    :param use_cluster: whether the server is a cluster
    :param prefix: what the keys begin with
    """

    def __init__(self, url: str, use_cluster: bool = False, prefix: str = "") -> None:
        warnings.warn(
            "JournalRedisStorage is deprecated: use JournalRedisBackend.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__(url, use_cluster, prefix)


class RedisPlace(Place):
    """Run transactions on a journal in Redis.

    Nothing is locked: logs are appended if none has come since the transaction has read.
    """

    def __init__(self, backend: JournalRedisBackend) -> None:
        self._backend = backend
        self._client: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def _connected(self) -> Any:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            redis = _imported()
            from redis.asyncio.retry import Retry

            options = self._backend._options(Retry)
            self._client = redis.asyncio.Redis.from_url(self._backend._url, **options)
            self._loop = loop
        return self._client

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()

    async def run(self, transaction: Transaction) -> bool:
        await acquire(transaction.guard)
        try:
            async with _translated():
                return await self._run(self._connected(), transaction)
        finally:
            transaction.guard.release()

    async def _run(self, client: Any, transaction: Transaction) -> bool:
        if not await self._read(client, transaction, stoppable=True):
            return False
        attempts = 0
        while transaction.may_write and (lines := transaction.plan()):
            attempts += 1
            expected = "" if attempts > _ATTEMPTS else transaction.cursor - 1
            if self._backend._use_cluster:
                await self._append_singly(client, lines)
            elif (
                await client.eval(_APPEND, 0, self._backend._prefix, expected, *lines)
                and expected != ""
            ):
                transaction.absorb_lines(lines, transaction.cursor + len(lines))
                continue
            await self._read(client, transaction)
        return True

    async def _append_singly(self, client: Any, lines: list[str]) -> None:
        backend = self._backend
        await client.setnx(backend._last, -1)
        for line in lines:
            number = await client.incr(backend._last)
            await client.set(backend._log(number), line)

    async def _read(self, client: Any, transaction: Transaction, stoppable: bool = False) -> bool:
        """Let a transaction read what is new; return False if it was full before the end."""
        last = await client.get(self._backend._last)
        end = 0 if last is None else int(last) + 1
        if end < transaction.cursor:
            raise StorageInternalError(
                f"The journal in Redis has become shorter: {transaction.cursor} logs had been read "
                f"of it, and there are {end}."
            )
        pauses = iter(_PAUSES)
        while transaction.cursor < end:
            if stoppable and transaction.full:
                return False
            start = transaction.cursor
            logs = await self._logs(client, start, min(start + _BATCH, end))
            if logs:
                text = "\n".join([*logs, ""])
                transaction.absorb(text, start + len(logs))
                continue
            # Its number has been taken, and the log itself is to follow.
            pause = next(pauses, None)
            if pause is None:
                raise StorageUnavailable(
                    f"The journal in Redis has {end} logs, but {self._backend._log(start)!r} is "
                    "not there."
                )
            await asyncio.sleep(pause)
        return True

    async def _logs(self, client: Any, start: int, end: int) -> list[str]:
        """Return the logs up to the first one that is missing."""
        keys = [self._backend._log(number) for number in range(start, end)]
        if self._backend._use_cluster:
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.get(key)
            found = await pipeline.execute()
        else:
            found = await client.mget(keys)
        if None in found:
            found = found[: found.index(None)]
        return [log.decode() if isinstance(log, bytes) else log for log in found]


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    from redis import exceptions

    try:
        yield
    except exceptions.AuthenticationError as error:
        raise StorageInternalError(f"Redis does not let us in: {error}") from error
    except (
        OSError,
        exceptions.ConnectionError,
        exceptions.TimeoutError,
        exceptions.ReadOnlyError,
        exceptions.ClusterError,
    ) as error:
        # Its kinds, such as that Redis is still loading, come from a Redis that answers.
        silence = type(error) in (exceptions.ConnectionError, exceptions.TimeoutError)
        unavailable = StorageUnreachable if silence else StorageUnavailable
        raise unavailable(f"Redis is out of reach: {error}") from error
    except exceptions.RedisError as error:
        raise StorageInternalError(f"Redis refuses: {error}") from error
