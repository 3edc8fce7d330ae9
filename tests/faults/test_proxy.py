"""The proxy passes data on, and fails it in each way that it promises."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from tests.faults.proxy import Proxy

pytestmark = pytest.mark.asyncio


class Echo:
    """Answer each line with itself in capitals, and remember what arrived."""

    def __init__(self) -> None:
        self.arrived: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self.arrived.append(line)
                writer.write(line.upper())
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest_asyncio.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    yield echo
    server.close()


@pytest_asyncio.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    with Proxy(f"echo://127.0.0.1:{echo.port}") as proxy:
        yield proxy


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, line: bytes) -> bytes:
        self.writer.write(line)
        return await self.reader.readline()

    async def is_cut(self) -> bool:
        try:
            return await asyncio.wait_for(self.reader.read(), 10) == b""
        except ConnectionResetError:
            return True


@pytest_asyncio.fixture
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    client = await connect(proxy)
    yield client
    client.writer.close()


async def connect(proxy: Proxy) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", proxy.port))


async def heard(client: Client, line: bytes) -> bool:
    """Ask, and tell whether an answer comes soon."""
    try:
        await asyncio.wait_for(client.ask(line), 0.1)
    except TimeoutError:
        return False
    return True


async def test_data_passes_both_ways_and_so_does_its_end(proxy: Proxy, client: Client) -> None:
    assert await client.ask(b"a\n") == b"A\n"
    client.writer.write(b"b\n")
    client.writer.write_eof()
    assert await client.reader.read() == b"B\n"
    assert proxy.accepted == 1


async def test_a_delay_holds_both_ways(proxy: Proxy, client: Client) -> None:
    await client.ask(b"a\n")
    proxy.delay(0.05)
    start = time.monotonic()
    assert await client.ask(b"b\n") == b"B\n"
    assert time.monotonic() - start >= 0.1
    proxy.heal()
    assert await client.ask(b"c\n") == b"C\n"


async def test_a_cut_ends_connections_and_lets_new_ones_pass(proxy: Proxy, client: Client) -> None:
    await client.ask(b"a\n")
    assert proxy.open_connections == 1
    proxy.cut()
    assert await client.is_cut()
    again = await connect(proxy)
    assert await again.ask(b"b\n") == b"B\n"
    again.writer.close()


async def test_what_is_refused_cannot_connect_until_healed(proxy: Proxy, client: Client) -> None:
    await client.ask(b"a\n")
    proxy.refuse()
    assert await client.is_cut()
    with pytest.raises(ConnectionRefusedError):
        await connect(proxy)
    proxy.heal()
    again = await connect(proxy)
    assert await again.ask(b"b\n") == b"B\n"
    again.writer.close()


async def test_a_deaf_network_holds_everything_until_healed(
    proxy: Proxy, client: Client, echo: Echo
) -> None:
    await client.ask(b"a\n")
    proxy.go_deaf()
    assert not await heard(client, b"b\n")
    assert echo.arrived == [b"a\n"]
    other = await connect(proxy)
    assert not await heard(other, b"c\n")
    proxy.heal()
    assert await client.reader.readline() == b"B\n"
    assert await other.reader.readline() == b"C\n"
    other.writer.close()


async def test_requests_arrive_when_only_answers_are_held(
    proxy: Proxy, client: Client, echo: Echo
) -> None:
    proxy.go_deaf(answers_only=True)
    assert not await heard(client, b"a\n")
    assert echo.arrived == [b"a\n"]


async def test_a_lost_request_never_arrives_and_happens_once(
    proxy: Proxy, client: Client, echo: Echo
) -> None:
    proxy.lose_request(containing=b"commit")
    assert await client.ask(b"begin\n") == b"BEGIN\n"
    client.writer.write(b"commit\n")
    assert await client.is_cut()
    assert echo.arrived == [b"begin\n"]
    again = await connect(proxy)
    assert await again.ask(b"commit\n") == b"COMMIT\n"
    again.writer.close()


async def test_a_lost_answer_leaves_what_was_asked_for_done(
    proxy: Proxy, client: Client, echo: Echo
) -> None:
    proxy.lose_answer(containing=b"commit")
    assert await client.ask(b"begin\n") == b"BEGIN\n"
    client.writer.write(b"commit\n")
    assert await client.is_cut()
    assert echo.arrived == [b"begin\n", b"commit\n"]
    again = await connect(proxy)
    assert await again.ask(b"commit\n") == b"COMMIT\n"
    again.writer.close()


async def test_a_real_commit_whose_answer_is_lost_has_happened(postgresql_url: str) -> None:
    with Proxy(postgresql_url) as proxy:
        assert proxy.url.startswith("postgresql://postgres@127.0.0.1:")
        connection = await asyncpg.connect(proxy.url)
        await connection.execute("create table t (x int); begin; insert into t values (7)")
        proxy.lose_answer(containing=b"commit")
        with pytest.raises((asyncpg.PostgresConnectionError, ConnectionError)):
            await connection.execute("commit")
        connection.terminate()
        again = await asyncpg.connect(proxy.url)
        assert await again.fetchval("select x from t") == 7
        await again.close()
