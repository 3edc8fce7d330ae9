"""A TCP proxy in front of a server, which fails as networks do, at the test's command."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

__all__ = ("Proxy",)

T = TypeVar("T")
_NO_FAREWELL = struct.pack("ii", 1, 0)  # linger for no time
_COMMAND_SECONDS = 10.0


class Proxy:
    """Pass connections on to a server, or fail them; on a thread and loop of its own.

    A command returns when it has taken effect. All hold until `heal`, apart from `cut`, which is
    over at once, and the two `lose_...`, which happen once.

    :param url: the URL of the server, whose host and port are passed on to
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None and parts.port is not None, f"{url!r} names no port"
        self._target = (parts.hostname, parts.port)
        self._original = parts
        self.port = 0
        self.accepted = 0  # connections so far
        self._delay = 0.0
        self._lose_request: bytes | None = None
        self._lose_answer: bytes | None = None
        self._requests_pass = asyncio.Event()
        self._answers_pass = asyncio.Event()
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")

    @property
    def url(self) -> str:
        """Return the server's URL, through the proxy."""
        user, at, _ = self._original.netloc.rpartition("@")
        return urlunsplit(self._original._replace(netloc=f"{user}{at}127.0.0.1:{self.port}"))

    @property
    def open_connections(self) -> int:
        """Return how many connections are open."""
        return self._do(lambda: len(self._connections))

    def heal(self) -> None:
        """Pass everything on at once; what was held back by `go_deaf` arrives now."""
        self._delay = 0.0
        self._lose_request = self._lose_answer = None
        self._do(self._requests_pass.set)
        self._do(self._answers_pass.set)
        self._await(self._listen())

    def delay(self, seconds: float) -> None:
        """Hold each piece of data, to and from the server, for so long."""
        self._delay = seconds

    def cut(self) -> None:
        """Reset all open connections; new ones pass."""
        self._do(self._reset_all)

    def refuse(self) -> None:
        """Reset all open connections, and refuse new ones."""
        self._do(self._stop_listening)
        self._do(self._reset_all)

    def go_deaf(self, answers_only: bool = False) -> None:
        """Accept connections and data, and let nothing through, as a network that lost its route.

        :param answers_only: requests still arrive and are carried out
        """
        if not answers_only:
            self._do(self._requests_pass.clear)
        self._do(self._answers_pass.clear)

    def lose_request(self, containing: bytes = b"") -> None:
        """Reset the connection of the next such request, before the server sees it."""
        self._lose_request = containing

    def lose_answer(self, containing: bytes = b"") -> None:
        """Pass the next such request on, and reset the connection when the server answers it.

        What was asked for has happened, and the client cannot know.
        """
        self._lose_answer = containing

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.heal()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._await(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _reset_all(self) -> None:
        for connection in list(self._connections):
            connection.reset()

    async def _close(self) -> None:
        self._stop_listening()
        self._reset_all()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        connection = _Connection(reader, writer)
        self._connections.add(connection)
        try:
            await self._requests_pass.wait()  # a route that is lost opens no connection either
            await connection.open(*self._target)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_requests(connection))
                group.create_task(self._pass_answers(connection))
        except* OSError:
            pass  # one side is gone: so is the other
        finally:
            connection.reset()
            self._connections.discard(connection)

    async def _pass_requests(self, connection: _Connection) -> None:
        while data := await connection.client[0].read(65536):
            await self._hold(self._requests_pass)
            if self._lose_request is not None and self._lose_request in data:
                self._lose_request = None
                return connection.reset()
            if self._lose_answer is not None and self._lose_answer in data:
                self._lose_answer = None
                connection.answer_is_lost = True
            await connection.send(connection.server[1], data)
        connection.finish(connection.server[1])

    async def _pass_answers(self, connection: _Connection) -> None:
        while data := await connection.server[0].read(65536):
            await self._hold(self._answers_pass)
            if connection.answer_is_lost:
                return connection.reset()
            await connection.send(connection.client[1], data)
        connection.finish(connection.client[1])

    async def _hold(self, passing: asyncio.Event) -> None:
        await asyncio.sleep(self._delay)
        await passing.wait()

    def _do(self, command: Callable[[], T]) -> T:
        async def run() -> T:
            return command()

        return self._await(run())

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_COMMAND_SECONDS)


class _Connection:
    """Be a client's connection and the one to the server that belongs to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.client = (reader, writer)
        self.server: tuple[asyncio.StreamReader, asyncio.StreamWriter]
        self.answer_is_lost = False
        self._writers = [writer]

    async def open(self, host: str, port: int) -> None:
        self.server = await asyncio.open_connection(host, port)
        self._writers.append(self.server[1])

    async def send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    def finish(self, writer: asyncio.StreamWriter) -> None:
        """Tell one side that the other has ended, which may still read."""
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()

    def reset(self) -> None:
        """End both sides at once, with a reset instead of a farewell."""
        for writer in self._writers:
            if not writer.is_closing():
                socket_ = writer.get_extra_info("socket")
                socket_.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_FAREWELL)
            writer.transport.abort()
