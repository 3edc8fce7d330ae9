"""A storage that can not be used: one clear sentence, of the documented type, and soon."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import pytest

import ahpo
from ahpo.exceptions import StorageInternalError
from ahpo.storages import JournalFileBackend, JournalStorage, RDBStorage
from tests.servers.postgresql import WITH_PASSWORD

SECRET = "p@ss/w:rd%?#ü"


def with_user(url: str, user: str, password: str, scheme: str | None = None) -> str:
    parts = urlsplit(url)
    place = f"{user}:{quote(password, safe='')}@{parts.hostname}:{parts.port}"
    return urlunsplit(parts._replace(netloc=place, scheme=scheme or parts.scheme))


def refused(face: Any, storage: Any, error: type[Exception], message: str) -> None:
    """Assert that each way in says the same, in one sentence that shows no password."""
    for use in (
        lambda: face.create_study(storage=storage),
        lambda: face.load_study(storage=storage, study_name="study"),
        lambda: face.get_all_study_names(storage),
        lambda: face.delete_study(storage=storage, study_name="study"),
    ):
        with pytest.raises(error, match=message) as raised:
            use()
        shown = str(raised.value)
        assert "\n" not in shown and "secret" not in shown and SECRET not in shown


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("oracle://secret@host/db", "must start with 'sqlite://', .* but it starts with 'oracle'"),
        ("example.db", "must start with .* but it starts with 'example.db'"),
        ("sqlite://example.db", "three slashes before a relative path and four"),
        ("sqlite:///example.db?mode=ro", "'timeout' and 'uri', but it has 'mode'"),
        ("postgresql://user:secret@host:port/db", "must be like 'postgresql://user:password@host"),
        ("mysql://user@host/db?nonsense=1", "'nonsense' is among them"),
    ],
)
def test_urls_that_mean_nothing(url: str, message: str, face: Any) -> None:
    refused(face, url, ValueError, message)


@pytest.mark.parametrize("storage", [3, b"sqlite://", object])
def test_what_is_no_storage(storage: Any, face: Any) -> None:
    refused(face, storage, TypeError, "`storage` must be None, a URL or a storage, but it is ")


@pytest.mark.parametrize(("scheme", "driver"), [("mysql", "asyncmy")])
def test_a_driver_that_is_not_installed(
    scheme: str, driver: str, face: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, driver, None)
    monkeypatch.delitem(sys.modules, f"ahpo.storages.sql.{scheme}", raising=False)
    refused(face, f"{scheme}://user@host/db", ImportError, rf"`pip install 'ahpo\[{scheme}\]'`")


@pytest.fixture
def free_port() -> Iterator[int]:
    """Yield a port that is taken, and at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_wrong_address_is_an_error_at_once(scheme: str, face: Any, free_port: int) -> None:
    """Nobody who mistyped a port is to wait for a server to come back."""
    url = f"{scheme}://user:secret@127.0.0.1:{free_port}/db"
    message = rf"Nothing answers at {scheme}://user:\*\*\*@127.0.0.1:{free_port}/db: "
    refused(face, url, StorageInternalError, message)


def test_a_wrong_address_of_redis_is_an_error_at_once(face: Any, free_port: int) -> None:
    url = f"redis://:secret@127.0.0.1:{free_port}/0"
    message = f"Redis is out of reach: .*127.0.0.1:{free_port}"
    refused(face, url, StorageInternalError, message)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_no_such_database(kind: str, face: Any, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(f"{kind}_url") + "_none"
    refused(face, url, StorageInternalError, "can not be used: .*_none")


def _make_user(url: str) -> str:
    """Make a user with a password, who may do everything; return the name."""
    parts = urlsplit(url)
    if parts.scheme == "mysql":
        import pymysql

        server: Any = pymysql.connect(host=parts.hostname, port=parts.port, user=parts.username)
        with closing(server), server.cursor() as cursor:
            cursor.execute("create or replace user ahpo@'%%' identified by %s", (SECRET,))
            cursor.execute("grant all on *.* to ahpo@'%'")
        return "ahpo"
    import psycopg2

    server = psycopg2.connect(url)
    with closing(server), server, server.cursor() as cursor:
        cursor.execute("select 1 from pg_roles where rolname = %s", (WITH_PASSWORD,))
        if cursor.fetchone() is None:
            cursor.execute(f"create role {WITH_PASSWORD} superuser login password %s", (SECRET,))
    return WITH_PASSWORD


@pytest.mark.parametrize(
    ("kind", "schemes"),
    [
        ("postgresql", ("postgresql", "postgresql+psycopg2", "postgres")),
        ("mysql", ("mysql", "mysql+pymysql", "mariadb")),
    ],
)
def test_a_password_with_escaped_characters_and_a_wrong_one(
    kind: str, schemes: tuple[str, ...], face: Any, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(f"{kind}_url")
    user = _make_user(url)
    for scheme in schemes:
        face.create_study(storage=with_user(url, user, SECRET, scheme))
    assert len(face.get_all_study_names(url)) == 3
    wrong = with_user(url, user, "secret")
    refused(face, wrong, StorageInternalError, rf"can not be used: .*{user}")
    assert len(face.get_all_study_names(url)) == 3


# -- files ------------------------------------------------------------------------------------


def test_a_folder_that_does_not_exist(tmp_path: Path, face: Any) -> None:
    path = tmp_path / "none" / "example.db"
    message = f"The folder '{path.parent}' of the database '{path}' does not exist"
    refused(face, f"sqlite:///{path}", StorageInternalError, message)
    with pytest.raises(FileNotFoundError, match=str(path)):
        JournalFileBackend(str(path))
    assert not path.parent.exists()


def test_a_file_that_is_no_database(tmp_path: Path, face: Any) -> None:
    path, content = tmp_path / "example.db", b"no database at all, but text of some length\n" * 50
    path.write_bytes(content)
    refused(face, f"sqlite:///{path}", StorageInternalError, "its file is no database of SQLite")
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["example.db"]


def test_a_folder_in_place_of_a_file(tmp_path: Path, face: Any) -> None:
    refused(face, f"sqlite:///{tmp_path}", StorageInternalError, "its file can not be opened")


def test_a_database_that_can_only_be_read(tmp_path: Path, face: Any) -> None:
    """What is there can be looked at; what would change it is refused."""
    path = tmp_path / "example.db"
    writable = RDBStorage(f"sqlite:///{path}")
    ahpo.create_study(study_name="study", storage=writable).enqueue_trial({"x": 1})
    asyncio.run(writable.aclose())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    before = path.read_bytes()
    storage = RDBStorage(f"sqlite:///file:{path}?mode=ro&uri=true")

    loaded = face.load_study(study_name="study", storage=storage)
    assert len(loaded.trials) == 1
    for write in (
        loaded.ask,
        lambda: loaded.enqueue_trial({}),
        lambda: loaded.optimize(lambda trial: 1.0, n_trials=1),
        lambda: face.create_study(storage=storage),
        lambda: face.delete_study(study_name="study", storage=storage),
    ):
        with pytest.raises(StorageInternalError, match="can not be used: it is read-only"):
            write()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"x", b"one line of notes\n", b"[1, 2]\n", b"a,b\n1,2\n", bytes(range(256))]
)
def test_a_file_that_is_no_journal(tmp_path: Path, face: Any, content: bytes) -> None:
    """A path that was given by mistake is not cut like the torn end of a journal."""
    path = tmp_path / "journal"
    path.write_bytes(content)
    storage = JournalStorage(JournalFileBackend(str(path)))
    with pytest.raises(StorageInternalError, match="none of a journal"):
        face.create_study(storage=storage)
    with pytest.raises((StorageInternalError, KeyError), match="none of a journal|no study"):
        face.load_study(storage=storage, study_name="study")
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "content", [b"x", b"a: 1\n", b"x" * 511, b"x" * 512, b"x" * 4095, b"x" * 9999]
)
def test_a_file_that_is_no_database_stays_as_it_is(
    content: bytes, face: Any, tmp_path: Path
) -> None:
    path = tmp_path / "notes.db"
    path.write_bytes(content)
    refused(face, f"sqlite:///{path}", StorageInternalError, "its file is no database of SQLite")
    assert path.read_bytes() == content
    path.write_bytes(b"")
    face.create_study(storage=f"sqlite:///{path}", study_name="study")
    assert list(face.get_all_study_names(f"sqlite:///{path}")) == ["study"]


@pytest.mark.parametrize(
    ("scheme", "connect_args", "message"),
    [
        ("sqlite", 5, "`connect_args` must be a dict, but it is 5"),
        ("postgresql", {"server_settings": "x"}, "`server_settings` must be a dict, but it is 'x'"),
    ],
)
def test_connect_args_of_the_wrong_kind(scheme: str, connect_args: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RDBStorage(f"{scheme}:///example", engine_kwargs={"connect_args": connect_args})
