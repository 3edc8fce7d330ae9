"""A server of its own is the test's to stop, kill, pause and restart; its data stays."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.fixtures import demanded, own_database
from tests.servers.kinds import KINDS
from tests.servers.process import descendants, exists
from tests.servers.queries import CONNECT, is_empty, read, write
from tests.servers.server import Server
from tests.servers.waiting import until

OWN = ["own_postgresql", "own_mysql", "own_redis"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(request.param)


@pytest.mark.asyncio
@pytest.mark.parametrize("server", OWN, indirect=True)
async def test_what_was_written_outlives_a_restart(server: Server) -> None:
    assert await is_empty(server.url)
    await write(server.url, "before")
    url = server.url
    server.restart()
    assert server.url == url
    assert await read(url) == "before"


@pytest.mark.asyncio
@pytest.mark.parametrize("server", OWN, indirect=True)
async def test_what_was_acknowledged_outlives_a_kill(server: Server) -> None:
    await write(server.url, "acknowledged")
    assert server.process is not None
    family = [server.process.pid, *descendants(server.process.pid)]
    server.kill()
    assert not any(map(exists, family))
    with pytest.raises(Exception, match=r"(?i)connect"):
        await read(server.url)
    server.start()
    assert await read(server.url) == "acknowledged"


@pytest.mark.asyncio
@pytest.mark.parametrize("server", ["own_redis"], indirect=True)
async def test_a_paused_server_answers_after_it(server: Server) -> None:
    await write(server.url, "text")
    server.pause()
    assert server.running
    server.resume()
    assert await read(server.url) == "text"


@pytest.mark.parametrize("left", ["stopped", "killed", "paused"])
def test_the_next_test_finds_the_server_running(own_redis_of_worker: Server, left: str) -> None:
    with own_database(own_redis_of_worker) as server:
        {"stopped": server.stop, "killed": server.kill, "paused": server.pause}[left]()
    with own_database(own_redis_of_worker) as server:
        assert server.answers()


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["postgresql", "redis"])
async def test_a_durable_server_is_closed_without_a_trace(kind: str) -> None:
    with demanded():
        durable = KINDS[kind](durable=True)
    with durable as server:
        home = server.home
        await write(server.admin_url, "text")
        connection = await CONNECT[kind](server.admin_url)
        if kind == "postgresql":
            assert await connection.fetchval("show fsync") == "on"
            await connection.close()
        else:
            assert (await connection.config_get("appendfsync"))["appendfsync"] == "always"
            await connection.aclose()
        assert server.process is not None
        pid = server.process.pid
    assert not home.exists()
    assert not exists(pid)


@pytest.mark.usefixtures("redis_url")  # skips or fails where there is no Redis
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_ends_when_its_owner_is_killed(number: signal.Signals) -> None:
    program = (
        "from tests.servers.redis_server import RedisServer; import time\n"
        "with RedisServer() as server:\n"
        "    print(server.process.pid, server.home, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        pid, home = owner.stdout.readline().split()
        assert exists(int(pid))
        owner.send_signal(number)
    until(lambda: not exists(int(pid)), "the end of the server")
    until(lambda: not Path(home).exists(), "the removal of its folder")


@pytest.mark.asyncio
async def test_temporary_tables_of_a_mariadb_are_out_of_reach_of_others(own_mysql: Server) -> None:
    connection = await CONNECT["mysql"](own_mysql.url)
    async with connection.cursor() as cursor:
        await cursor.execute("select @@tmpdir")
        (folder,) = await cursor.fetchone()
    await connection.ensure_closed()
    assert Path(folder) == own_mysql.home
