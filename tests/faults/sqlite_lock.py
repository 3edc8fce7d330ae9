"""Another process that holds a lock on a SQLite file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from tests.faults.program import Program

__all__ = ("SqliteLock",)

_HOLD = """
import select, sqlite3, sys
path, kind, seconds = sys.argv[1:]
connection = sqlite3.connect(path, isolation_level=None, timeout=30)
connection.execute("begin " + kind)
if kind == "deferred":
    connection.execute("select count(*) from sqlite_master").fetchone()
print("locked")
select.select([], [], [], float(seconds))
connection.execute("rollback")
"""


class SqliteLock:
    """Hold a lock on a SQLite file from another process, until `release` or for a while.

    :param kind: immediate keeps writers out, exclusive also readers (not in WAL mode); deferred is
        a reader, which keeps a checkpoint from ending
    :param seconds: after these it lets go by itself
    """

    def __init__(
        self,
        path: Path,
        kind: Literal["deferred", "immediate", "exclusive"] = "immediate",
        seconds: float = 600.0,
    ) -> None:
        self._holder = Program(_HOLD, path, kind, seconds)

    def release(self) -> None:
        """Let go."""
        self._holder.kill()

    def __enter__(self) -> Self:
        try:
            assert self._holder.line() == "locked"
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._holder.__exit__()
