"""URLs of databases, taken apart."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

__all__ = ("DatabaseURL", "parse_url")

_PATTERN = re.compile(
    r"(?P<kind>[a-zA-Z0-9_]+)(?:\+(?P<driver>[a-zA-Z0-9_]+))?://"
    r"(?:(?P<user>[^:/@]*)(?::(?P<password>[^@]*))?@)?"
    r"(?:(?:\[(?P<host6>[^/?\]]+)\]|(?P<host>[^/:?]+))?(?::(?P<port>\d*))?)?"
    r"(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_KINDS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
}


class DatabaseURL(NamedTuple):
    """Hold the parts of a URL, with escapes undone; ``kind`` is sqlite, postgresql or mysql."""

    kind: str
    user: str | None
    password: str | None
    host: str | None
    port: int | None
    database: str
    query: dict[str, str]

    def shown(self) -> str:
        """Return the URL without its password."""
        user = "" if self.user is None else self.user + (":***" if self.password else "") + "@"
        host = f"[{self.host}]" if self.host and ":" in self.host else self.host or ""
        port = "" if self.port is None else f":{self.port}"
        return f"{self.kind}://{user}{host}{port}/{self.database}"


def parse_url(url: str) -> DatabaseURL:
    """Take a URL apart, such as ``postgresql+psycopg2://user:p%40ss@host:5432/name?key=value``.

    The driver that it may name is of no account.

    :raises ValueError: if it is none of a database that is known
    """
    found = _PATTERN.fullmatch(url)
    kind = found and _KINDS.get(found["kind"].lower())
    if not found or not kind:
        if "://" in url and re.split(r"[+:]", url)[0].lower() in _KINDS:
            raise ValueError(
                "The URL of a storage must be like 'postgresql://user:password@host:port/name', "
                "with %40 for @ and %2F for / in a password, but it is not."
            )
        start = url.split("://")[0] if "://" in url else url  # the rest may hold a password
        raise ValueError(
            "The URL of a storage must start with 'sqlite://', 'postgresql://' or 'mysql://', "
            f"but it starts with {start!r}."
        )
    user, password = found["user"], found["password"]
    return DatabaseURL(
        kind,
        None if user is None else unquote(user),
        None if password is None else unquote(password),
        found["host6"] or found["host"],
        int(found["port"]) if found["port"] else None,
        found["database"] or "",
        dict(parse_qsl(found["query"] or "", keep_blank_values=True)),
    )
