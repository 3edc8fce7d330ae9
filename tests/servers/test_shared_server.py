"""Processes that are given the same folder share one server, which ends after the last of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.servers.places import make_home
from tests.servers.process import exists
from tests.servers.redis_server import RedisServer
from tests.servers.shared import shared_server
from tests.servers.waiting import until

ROOT = Path(__file__).parents[2]

PROGRAM = """
import sys; from pathlib import Path; from tests.servers.shared import shared_server
with shared_server("redis", Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def redis_is_there(redis_url: str) -> None:
    """Skip or fail these tests where others that need Redis are."""


def _process(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _pid(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return client.info("server")["process_id"]


def test_two_processes_share_one_server_until_both_have_ended(tmp_path: Path) -> None:
    with _process(tmp_path) as first, _process(tmp_path) as second:
        url = _said(first)
        assert _said(second) == url
        pid = _pid(url)
        first.kill()  # however it ends
        first.wait()
        assert _pid(url) == pid
    until(lambda: not exists(pid), "the end of the server")
    until(lambda: not list(tmp_path.glob("*.url")), "the end of its URL")


def test_a_server_is_started_again_after_it_has_ended(tmp_path: Path) -> None:
    with shared_server("redis", tmp_path) as url:
        first = _pid(url)
    until(lambda: not exists(first), "the end of the first server")
    with shared_server("redis", tmp_path) as url:
        second = _pid(url)
    assert second != first
    until(lambda: not exists(second), "the end of the second server")


def test_a_server_serves_whoever_comes_while_it_is_being_ended(tmp_path: Path) -> None:
    pids = set()
    for _ in range(5):
        with shared_server("redis", tmp_path) as url:
            pids.add(_pid(url))
    until(lambda: not any(map(exists, pids)), "the end of all servers")


@pytest.fixture
def programs() -> Iterator[Path]:
    folder = make_home()  # where the servers' user can run what is in it
    yield folder
    shutil.rmtree(folder)


def test_a_server_that_does_not_start_says_why(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = programs / RedisServer.program
    program.write_text("#!/bin/sh\necho 'this is what went wrong'; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv(RedisServer.variable, str(programs))
    with pytest.raises(RuntimeError, match="this is what went wrong"):
        with shared_server("redis", tmp_path):
            pass
    assert not list(tmp_path.glob("*.url"))
