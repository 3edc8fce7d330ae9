"""How the databases word what is the same in all of them.

Statements are written once, with ``?`` for arguments, ``#`` before columns of an enum type where
they are read, and double quotes round the one name that needs them; each dialect translates.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

from ahpo.storages.sql.rows import datetime_of
from ahpo.storages.sql.statements import Plan, Statement, Table

__all__ = ("Dialect", "SQLiteDialect", "conflict")


_PORTIONS = (100, 10, 1)  # how many rows SQLite is given at once; it takes 999 values at least


class Dialect:
    """Word the statements of one kind of database.

    :param for_update: what makes a SELECT lock the rows that it finds
    :param is_remote: whether each statement is a round trip to a server
    :param max_key: how many characters a name or key may have, None: any number
    :param max_text: how many bytes an attribute may have as JSON, None: any number
    :param max_step: the largest step, None: any
    """

    for_update = ""
    no_time = "NULL"  # where a query has times in other rows
    is_remote = True
    max_key: int | None = 512
    max_text: int | None = None
    max_step: int = 2**31 - 1
    now = "CURRENT_TIMESTAMP"  # by the clock of the server, as heartbeats have it

    def __init__(self) -> None:
        self._translated: dict[str, str] = {}

    def translate(self, sql: str) -> str:
        """Return a statement in the words of this database."""
        return sql.replace("#", "")

    def text(self, sql: str) -> str:
        """Return a statement in the words of this database; the same one is translated once."""
        found = self._translated.get(sql)
        if found is None:
            found = self._translated[sql] = self.translate(sql)
        return found

    def fetch(self, sql: str, *args: Any) -> Statement:
        """Return a statement that gives rows."""
        return Statement(self.text(sql), args)

    def run(self, sql: str, *args: Any) -> Statement:
        """Return a statement of which nobody wants to know anything but that it was run."""
        return Statement(self.text(sql), args, rows=False, heard=False)

    def within(self, ids: Sequence[int]) -> tuple[str, tuple[Any, ...]]:
        """Return the condition that a column is one of ``ids`` (not empty), and its arguments."""
        raise NotImplementedError

    def write(self, table: Table, rows: Sequence[Sequence[Any]]) -> Plan[None]:
        """Run the statements that insert rows (not none of them), or update them, by their key."""
        raise NotImplementedError

    def update(self, sets: Sequence[tuple[int, str, Any]], column: str) -> Plan[None]:
        """Run the statements that set the states of trials, and one of the two times.

        :param sets: identifier, state and time of each trial
        :param column: which of the two times
        """
        raise NotImplementedError

    def insert_study(self, study_name: str) -> Plan[int]:
        """Add a study, or no row if there is one of that name; return how many rows."""
        n_rows: int = yield self.run(
            "INSERT INTO studies (study_name) VALUES (?) ON CONFLICT (study_name) DO NOTHING",
            study_name,
        )._replace(heard=True)
        return n_rows

    def beat(self, ids: Sequence[int]) -> Statement:
        """Return the statement that renews the leases of those of the trials that are running."""
        within, args = self.within(ids)
        return self.run(
            f"INSERT INTO trial_heartbeats (trial_id, heartbeat) SELECT trial_id, {self.now} "
            f"FROM trials WHERE trial_id{within} AND state IN ('RUNNING', 'WAITING') "
            "ON CONFLICT (trial_id) DO UPDATE SET heartbeat = excluded.heartbeat",
            *args,
        )

    def announce(self, study_id: int) -> Plan[None]:
        """Run what tells others that trials which they run have been finished, if anything can."""
        yield from ()

    def before(self, seconds: float) -> tuple[str, Any]:
        """Return how the time so many seconds ago is worded, and its argument."""
        raise NotImplementedError

    def time(self, micros: int | None) -> Any:
        """Return a time as an argument."""
        return datetime_of(micros)

    def kept(self, micros: int | None) -> int | None:
        """Return what is left of a time when it has been written and read again."""
        return micros

    def check_key(self, what: str, key: str) -> None:
        """Raise ValueError if the database can not keep a name or key."""
        if self.max_key is not None and len(key) > self.max_key:
            raise ValueError(
                f"{what} must have at most {self.max_key} characters to be stored, "
                f"but it has {len(key)}: {key[:40]!r}..."
            )
        try:
            key.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"{what} must be valid Unicode to be stored, but is {key!r}."
            ) from None

    def check_text(self, what: str, text: str) -> None:
        """Raise ValueError if the database can not keep a text, which is ASCII."""
        if self.max_text is not None and len(text) > self.max_text:
            raise ValueError(
                f"{what} must have at most {self.max_text} bytes as JSON to be stored, "
                f"but it has {len(text)}."
            )

    def check_step(self, step: int) -> None:
        """Raise ValueError if the database can not keep a step."""
        if not -self.max_step - 1 <= step <= self.max_step:
            raise ValueError(
                f"`step` must be at most {self.max_step} to be stored, but it is {step!r}."
            )


class SQLiteDialect(Dialect):
    """Word statements for SQLite."""

    is_remote = False
    max_key = None
    max_step = 2**63 - 1
    # As Optuna's text, which is of UTC, but with the fraction.
    now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"

    def insert_study(self, study_name: str) -> Plan[int]:
        # SQLite gives the identifier of a deleted row to the next one: whoever has the deleted
        # study open would take the new one of its name for it. So the last one given is kept, in
        # the number that a file has for its users.
        last = yield self.fetch("PRAGMA user_version")
        n_rows: int = yield self.run(
            "INSERT INTO studies (study_id, study_name) "
            "SELECT max(coalesce(max(study_id), 0), ?) + 1, ? FROM studies WHERE true "
            "ON CONFLICT (study_name) DO NOTHING",
            last[0][0],
            study_name,
        )._replace(heard=True)
        if n_rows:
            found = yield self.fetch(
                "SELECT study_id FROM studies WHERE study_name = ?", study_name
            )
            yield self.run(f"PRAGMA user_version = {int(found[0][0])}")
        return n_rows

    def within(self, ids: Sequence[int]) -> tuple[str, tuple[Any, ...]]:
        return " IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)

    def write(self, table: Table, rows: Sequence[Sequence[Any]]) -> Plan[None]:
        # Each time that a statement is run, the thread gives up the interpreter, and may have to
        # wait for it. Of few sizes, so that the statements are compiled once.
        start = 0
        for size in _PORTIONS:
            sql = self.text(_insert(table, size))
            while len(rows) - start >= size:
                cells = tuple(chain.from_iterable(rows[start : start + size]))
                yield Statement(sql, cells, rows=False, heard=False)
                start += size

    def update(self, sets: Sequence[tuple[int, str, Any]], column: str) -> Plan[None]:
        sql = f"UPDATE trials SET state = ?, {column} = ? WHERE trial_id = ?"
        many = [(state, at, trial_id) for trial_id, state, at in sets]
        yield Statement(sql, rows=False, many=many)

    def before(self, seconds: float) -> tuple[str, Any]:
        return "strftime('%Y-%m-%d %H:%M:%f000', 'now', ?)", f"{-seconds:.3f} seconds"

    def time(self, micros: int | None) -> Any:
        moment = datetime_of(micros)
        return None if moment is None else moment.isoformat(" ", "microseconds")


@cache
def _insert(table: Table, n: int) -> str:
    names = [name for name, _ in table.columns]
    row = f"({', '.join('?' * len(names))})"
    sql = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {', '.join([row] * n)}"
    return sql + conflict(table)


def conflict(table: Table) -> str:
    """Return what is to be done where there is a row with the same key."""
    if not table.key:
        return ""
    names = [name for name, _ in table.columns]
    sql = f" ON CONFLICT ({', '.join(names[: table.key])}) DO "
    if table.first_stays:
        return sql + "NOTHING"
    return sql + "UPDATE SET " + ", ".join(f"{n} = excluded.{n}" for n in names[table.key :])
