"""URLs are taken apart as SQLAlchemy takes them apart."""

from __future__ import annotations

import os
from typing import Any

import pytest
from sqlalchemy import make_url

from ahpo.storages.sql.address import parse_url
from ahpo.storages.sql.sqlite import SQLiteBackend
from ahpo.storages.sql.url import backend_of


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://localhost/db",
        "postgresql+psycopg2://user:p%40ss%2Fw%25rd@host.example:6543/db?sslmode=require",
        "postgresql://user@/db?host=/var/run/postgresql&application_name=a%20b",
        "postgresql://u%40x:@[::1]:5432/db",
        "mysql+pymysql://root:a:b@127.0.0.1:3306/db?charset=utf8mb4",
        "mysql://host",
        "sqlite:///relative.db",
        "sqlite:////absolute/with@sign.db",
        "sqlite:///C:\\folder\\file.db",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_parts_are_those_that_sqlalchemy_finds(url: str) -> None:
    expected, found = make_url(url), parse_url(url)
    assert found.kind == expected.get_backend_name()
    assert found.user == expected.username
    assert found.password == expected.password
    assert found.host == expected.host
    assert found.port == expected.port
    assert found.database == (expected.database or "")
    assert found.query == dict(expected.query)


@pytest.mark.parametrize("url", ["redis://u:secret@host", "study.db", "oracle://secret@host/db"])
def test_unknown_url_is_refused_without_telling_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="must start with 'sqlite://', 'postgresql://'") as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)


def test_shown_url_has_no_password() -> None:
    shown = parse_url("postgresql+psycopg2://user:secret@[::1]:1/db?password=secret").shown()
    assert shown == "postgresql://user:***@[::1]:1/db"


@pytest.mark.parametrize(
    ("url", "path", "arguments"),
    [
        ("sqlite:///a.db", f"{os.getcwd()}/a.db", {}),
        ("sqlite:////a/b.db?timeout=2.5", "/a/b.db", {"timeout": 2.5}),
        ("sqlite+pysqlite://", ":memory:", {}),
        ("sqlite:///:memory:", ":memory:", {}),
        ("sqlite:///file:a.db?mode=ro&uri=true", "file:a.db?mode=ro", {"uri": True}),
    ],
)
def test_url_of_sqlite_leads_to_its_file(url: str, path: str, arguments: dict[str, Any]) -> None:
    backend = backend_of(url)
    assert isinstance(backend, SQLiteBackend)
    assert (backend.path, backend._arguments) == (path, arguments)


def test_arguments_of_an_engine_are_heeded_let_pass_or_refused() -> None:
    kwargs = {"connect_args": {"timeout": 9}, "pool_pre_ping": True, "echo": True, "pool_size": 1}
    backend = backend_of("sqlite:///a.db", kwargs)
    assert isinstance(backend, SQLiteBackend)
    assert backend._arguments == {"timeout": 9}
    with pytest.raises(ValueError, match="but it holds 'pool_sizes'"):
        backend_of("sqlite:///a.db", {"pool_sizes": 1})


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"pool_size": None}, "`pool_size` must be an integer, but it is None"),
        ({"max_overflow": "1"}, "`max_overflow` must be an integer, but it is '1'"),
        ({"connect_args": {"timeout": "20"}}, "`timeout` must be a number of seconds, but it is '"),
    ],
)
def test_argument_of_an_engine_of_a_wrong_type_is_named(
    kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        backend_of("sqlite:///a.db", kwargs)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://a.db", "three slashes before a relative path"),
        ("sqlite:///a.db?mode=ro", "but it has 'mode'"),
    ],
)
def test_wrong_url_of_sqlite_is_refused(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        backend_of(url)
