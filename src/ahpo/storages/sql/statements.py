"""Statements, the plans that yield them, and the tables that they write."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

__all__ = (
    "CONTENTS",
    "DIRECTIONS",
    "PARAMS",
    "REPORTS",
    "STUDY_SYSTEM_ATTRS",
    "STUDY_USER_ATTRS",
    "SYSTEM_ATTRS",
    "TRIALS",
    "USER_ATTRS",
    "VALUES",
    "Plan",
    "Statement",
    "Table",
)

T = TypeVar("T")


class Statement(NamedTuple):
    """Ask for one statement to be run.

    Who runs it sends back the rows if ``rows`` is true, and else how many rows it changed. With
    ``many`` it is run once for each of those tuples of arguments; then nothing is sent back. Nor
    need anything be if it is not ``heard``: it may then be sent together with the next one. Rows
    that are gone through ``once``, and before the next statement, may come one by one.
    """

    sql: str
    args: Sequence[Any] = ()
    rows: bool = True
    many: Sequence[Sequence[Any]] | None = None
    heard: bool = True
    once: bool = False


# What is done in one transaction: yields statements, is sent what they gave, returns a result. It
# does no I/O itself: who runs it begins before, and commits after, or rolls back if it raises.
Plan: TypeAlias = Generator[Statement, Any, T]


class Table(NamedTuple):
    """Tell how rows are written to a table.

    ``columns`` are those written, with their types in PostgreSQL; ``key`` the first so many of
    them, which together are unique. Of two rows with the same key, the first one stays if
    ``first_stays``, else the last one.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    key: int
    first_stays: bool = False


TRIALS = Table(
    "trials",
    (
        ("number", "int"),
        ("study_id", "int"),
        ("state", "trialstate"),
        ("datetime_start", "timestamp"),
        ("datetime_complete", "timestamp"),
    ),
    key=0,
)
PARAMS = Table(
    "trial_params",
    (
        ("trial_id", "int"),
        ("param_name", "text"),
        ("param_value", "float8"),
        ("distribution_json", "text"),
    ),
    key=2,
    first_stays=True,
)
VALUES = Table(
    "trial_values",
    (
        ("trial_id", "int"),
        ("objective", "int"),
        ("value", "float8"),
        ("value_type", "trialvaluetype"),
    ),
    key=2,
)
REPORTS = Table(
    "trial_intermediate_values",
    (
        ("trial_id", "int"),
        ("step", "int"),
        ("intermediate_value", "float8"),
        ("intermediate_value_type", "trialintermediatevaluetype"),
    ),
    key=2,
)
USER_ATTRS = Table(
    "trial_user_attributes", (("trial_id", "int"), ('"key"', "text"), ("value_json", "text")), key=2
)
SYSTEM_ATTRS = USER_ATTRS._replace(name="trial_system_attributes")
STUDY_USER_ATTRS = Table(
    "study_user_attributes", (("study_id", "int"), ('"key"', "text"), ("value_json", "text")), key=2
)
STUDY_SYSTEM_ATTRS = STUDY_USER_ATTRS._replace(name="study_system_attributes")
DIRECTIONS = Table(
    "study_directions",
    (("study_id", "int"), ("objective", "int"), ("direction", "studydirection")),
    key=2,
)
# What belongs to a trial beside its row in `trials`, as read and written.
CONTENTS = (PARAMS, VALUES, REPORTS, USER_ATTRS, SYSTEM_ATTRS)
