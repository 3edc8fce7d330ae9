"""How trials are read."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import compress, groupby
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from ahpo.distributions import BaseDistribution
from ahpo.exceptions import StorageInternalError
from ahpo.history.records import FinishedTrial
from ahpo.states import TrialState
from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.rows import SPECIAL, distribution_of, micros_of
from ahpo.storages.sql.statements import Plan

__all__ = ("Head", "read_trials", "record_of")

# How many trials are read at once: all of them would stand in memory twice.
_CHUNK = 2000

# What kind of number a value is, where the number itself does not say so.
_KIND = "CASE WHEN {0} IS NULL THEN #{0}_type END"
# The parts of a trial: the table; the columns of what orders them, of a name, a number and a text.
_PARTS = (
    ("trial_values", ("objective", None, "value", _KIND.format("value"))),
    ("trial_params", ("param_id", "param_name", "param_value", "distribution_json")),
    (
        "trial_intermediate_values",
        ("step", None, "intermediate_value", _KIND.format("intermediate_value")),
    ),
    ("trial_user_attributes", ("trial_user_attribute_id", '"key"', None, "value_json")),
    ("trial_system_attributes", ("trial_system_attribute_id", '"key"', None, "value_json")),
)
_EMPTY = ("", "''", "NULL", "")
# One statement for each table, and one for all of them, which leaves nothing out. An index has the
# trials in order; only of values and reports it has what comes next, too, and to sort millions of
# rows would take a database longer than to sort each trial's takes us.
_EACH = tuple(
    f"SELECT trial_id, {', '.join(filter(None, columns))} FROM {table} WHERE trial_id{{}}"
    + (" ORDER BY 1" if columns[1] else " ORDER BY 1, 2")
    for table, columns in _PARTS
)
_ALL = tuple(
    f"SELECT {kind}, trial_id, "
    + ", ".join(column or empty for column, empty in zip(columns, _EMPTY, strict=True))
    + f" FROM {table} WHERE trial_id{{}}"
    for kind, (table, columns) in enumerate(_PARTS)
)
# How many trials are few: their parts come all at once, since each statement is a round trip.
_FEW = 100
_TRIAL, _ORDER = itemgetter(0), itemgetter(1)
_Params: TypeAlias = tuple[dict[str, float], dict[str, BaseDistribution]]


class Head(NamedTuple):
    """Hold a row of `trials`: identifier, number, state, and the two times as they were read."""

    trial_id: int
    number: int
    state: str
    started: Any
    completed: Any


def record_of(head: Head) -> FinishedTrial:
    """Return the record of a trial of which nothing but its row in `trials` is known so far."""
    return _record(head, {}, {}, {}, {}, {})


def read_trials(dialect: Dialect, heads: Sequence[Head]) -> Plan[list[FinishedTrial]]:
    """Read all of some trials, given by ascending identifier.

    :raises StorageInternalError: if the database holds what has no meaning
    """
    found: list[FinishedTrial] = []
    for start in range(0, len(heads), _CHUNK):
        found += yield from _read_chunk(dialect, heads[start : start + _CHUNK])
    return found


def _read_chunk(dialect: Dialect, heads: Sequence[Head]) -> Plan[list[FinishedTrial]]:
    first, last = heads[0].trial_id, heads[-1].trial_id
    args: tuple[Any, ...]
    if last - first < 2 * len(heads):  # a few trials of others between them do no harm
        where, args = " BETWEEN ? AND ?", (first, last)
    else:
        where, args = dialect.within([head.trial_id for head in heads])
    # The states were read before: a trial that had finished by then, is read as it stays.
    if dialect.is_remote and len(heads) <= _FEW:
        sql = " UNION ALL ".join(_ALL).replace("{}", where) + " ORDER BY 1, 2, 3"
        rows: list[list[Any]] = [[] for _ in _PARTS]
        for kind, trial_id, *cells in (yield dialect.fetch(sql, *args * len(_PARTS))):
            columns = _PARTS[kind][1]
            rows[kind].append([trial_id, *compress(cells, columns)])
        parts = [_read(part, some) for part, some in enumerate(rows)]
    else:
        parts = []
        for part, sql in enumerate(_EACH):
            once = dialect.fetch(sql.replace("{}", where), *args)._replace(once=True)
            parts.append(_read(part, (yield once)))
    with _readable():
        return [_record(head, *parts) for head in heads]


def _record(
    head: Head,
    values: Mapping[int, list[float]],
    spaces: Mapping[int, _Params],
    reports: Mapping[int, dict[int, float]],
    user_attrs: Mapping[int, dict[str, Any]],
    system_attrs: Mapping[int, dict[str, Any]],
) -> FinishedTrial:
    """Return a trial, given what has been read of each part, by trial."""
    trial_id, state = head.trial_id, TrialState[head.state]
    told = values.get(trial_id) if state.is_finished() else None
    params, distributions = spaces.get(trial_id) or ({}, {})
    return FinishedTrial(
        head.number,
        trial_id,
        state,
        None if told is None else tuple(told),
        params,
        distributions,
        reports.get(trial_id) or {},
        user_attrs.get(trial_id) or {},
        system_attrs.get(trial_id) or {},
        micros_of(head.started),
        micros_of(head.completed),
    )


def _read(part: int, rows: Iterable[Sequence[Any]]) -> dict[int, Any]:
    """Return what rows of one part say, by trial."""
    # None of the rows is kept: so many of them at a time would keep the garbage collector busy.
    with _readable():
        return _READERS[part](rows)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError) as exc:
        raise StorageInternalError(
            f"The database holds a trial that can not be read: {type(exc).__name__}: {exc}."
        ) from exc


def _values_of(rows: Iterable[Sequence[Any]]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for trial_id, _, value, kind in rows:
        found.setdefault(trial_id, []).append(value if kind is None else SPECIAL[kind])
    return found


def _params_of(rows: Iterable[Sequence[Any]]) -> dict[int, _Params]:
    found: dict[int, _Params] = {}
    # Each row brings its own copies of the name and of the text: one of each is kept, and trials
    # that have the same parameters share their distributions.
    spaces: dict[Any, dict[str, BaseDistribution]] = {}
    for trial_id, run in groupby(rows, _TRIAL):
        _, _, names, values, texts = zip(*sorted(run, key=_ORDER), strict=True)
        space = spaces.get((names, texts))
        if space is None:
            space = dict(zip(map(sys.intern, names), map(distribution_of, texts), strict=True))
            spaces[names, texts] = space
        found[trial_id] = dict(zip(space, values, strict=True)), space
    return found


def _reports_of(rows: Iterable[Sequence[Any]]) -> dict[int, dict[int, float]]:
    found: dict[int, dict[int, float]] = {}
    known, reports = None, {}
    for trial_id, step, value, kind in rows:
        if trial_id != known:
            known, reports = trial_id, found.setdefault(trial_id, {})
        reports[step] = value if kind is None else SPECIAL[kind]
    return found


def _attrs_of(rows: Iterable[Sequence[Any]]) -> dict[int, dict[str, Any]]:
    return {
        trial_id: {key: json.loads(text) for _, _, key, text in sorted(run, key=_ORDER)}
        for trial_id, run in groupby(rows, _TRIAL)
    }


_READERS: tuple[Callable[[Iterable[Sequence[Any]]], dict[int, Any]], ...] = (
    _values_of,
    _params_of,
    _reports_of,
    _attrs_of,
    _attrs_of,
)
