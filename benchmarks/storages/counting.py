"""How many statements and commits the drivers are given; of a journal, how many lines and syncs."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ("Counter",)

_BOUNDS = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA", "SET")


class Counter:
    """Count what goes through the drivers of this process while it is asked to.

    It must be made before the first connection is. A statement for many rows counts as one where
    the server gets it as one (PostgreSQL), and for each row where the database runs it for each.
    """

    def __init__(self, impl: str, storage: str, place: str) -> None:
        self.statements = self.commits = 0
        self._counts = False
        self._lock = threading.Lock()
        self._journal = place if storage == "journal" else None
        if self._journal is not None:
            self._count_syncs()
        elif impl == "optuna":
            self._listen()
        elif storage == "sqlite":
            self._trace_sqlite()
        elif storage == "postgresql":
            self._log_asyncpg()

    @contextmanager
    def on(self) -> Iterator[None]:
        """Count meanwhile."""
        before = self._lines()
        self._counts = True
        yield
        self._counts = False
        self.statements += self._lines() - before

    def per_trial(self, n_trials: int) -> dict[str, float]:
        """Return the figures."""
        n = max(n_trials, 1)
        return {"statements": self.statements / n, "commits": self.commits / n}

    def _see(self, sql: str, times: int = 1) -> None:
        word = sql.lstrip()[:8].upper()
        with self._lock:
            if word.startswith("COMMIT"):
                self.commits += 1
            elif not word.startswith(_BOUNDS):
                self.statements += times

    # -- the drivers ------------------------------------------------------------------------

    def _trace_sqlite(self) -> None:
        connect = sqlite3.connect

        def traced(*args: Any, **options: Any) -> sqlite3.Connection:
            connection = connect(*args, **options)
            connection.set_trace_callback(self._seen)
            return connection

        sqlite3.connect = traced  # type: ignore[assignment]

    def _log_asyncpg(self) -> None:
        import asyncpg

        connect = asyncpg.connect

        async def logged(*args: Any, **options: Any) -> Any:
            connection = await connect(*args, **options)
            begun = False

            def seen(record: Any) -> None:
                nonlocal begun
                statements = record.query.split("; ")
                for statement in statements:
                    self._seen(statement)
                if record.query.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
                    begun = record.query.startswith("BEGIN")
                elif not begun:  # what is sent by itself is a transaction
                    self._seen("COMMIT")

            connection.add_query_logger(seen)
            return connection

        asyncpg.connect = logged

    def _listen(self) -> None:
        from sqlalchemy import Engine, event

        def executed(_: Any, __: Any, sql: str, parameters: Any, ___: Any, many: bool) -> None:
            if self._counts:
                self._see(sql, len(parameters) if many else 1)

        event.listen(Engine, "before_cursor_execute", executed)
        event.listen(Engine, "commit", lambda _: self._seen("COMMIT"))

    def _seen(self, sql: str) -> None:
        if self._counts:
            self._see(sql)

    def _count_syncs(self) -> None:
        fsync = os.fsync

        def counted(fd: Any) -> None:
            self._seen("COMMIT")
            fsync(fd)

        os.fsync = counted

    def _lines(self) -> int:
        if self._journal is None or not os.path.exists(self._journal):
            return 0
        with open(self._journal, "rb") as file:
            return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))
