"""How trials are read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import compress
from typing import Any, NamedTuple

from ahpo.exceptions import StorageInternalError
from ahpo.history.records import FinishedTrial
from ahpo.states import TrialState
from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.rows import SPECIAL, distribution_of, micros_of
from ahpo.storages.sql.statements import Plan

__all__ = ("Head", "read_trials", "record_of")

# How many trials are read at once: all of them would stand in memory twice.
_CHUNK = 2000

# The parts of a trial: the table; the columns of what orders them, of a name, a number and a text.
_PARTS = (
    ("trial_values", ("objective", None, "value", "#value_type")),
    ("trial_params", ("param_id", "param_name", "param_value", "distribution_json")),
    (
        "trial_intermediate_values",
        ("step", None, "intermediate_value", "#intermediate_value_type"),
    ),
    ("trial_user_attributes", ("trial_user_attribute_id", '"key"', None, "value_json")),
    ("trial_system_attributes", ("trial_system_attribute_id", '"key"', None, "value_json")),
)
_EMPTY = ("", "''", "NULL", "")
# One statement for each table, and one for all of them, which leaves nothing out.
_EACH = tuple(
    f"SELECT trial_id, {', '.join(filter(None, columns))} FROM {table} WHERE trial_id{{}}"
    " ORDER BY 1, 2"
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


class Head(NamedTuple):
    """Hold a row of `trials`: identifier, number, state, and the two times as they were read."""

    trial_id: int
    number: int
    state: str
    started: Any
    completed: Any


def record_of(head: Head) -> FinishedTrial:
    """Return the record of a trial of which nothing but its row in `trials` is known so far."""
    state, started = TrialState[head.state], micros_of(head.started)
    completed = micros_of(head.completed)
    return FinishedTrial(
        head.number, head.trial_id, state, None, {}, {}, {}, {}, {}, started, completed
    )


def read_trials(dialect: Dialect, heads: Sequence[Head]) -> Plan[list[FinishedTrial]]:
    """Read all of some trials, given by ascending identifier.

    :raises StorageInternalError: if the database holds what has no meaning
    """
    found: list[FinishedTrial] = []
    for start in range(0, len(heads), _CHUNK):
        found += yield from _read_chunk(dialect, heads[start : start + _CHUNK])
    return found


def _read_chunk(dialect: Dialect, heads: Sequence[Head]) -> Plan[Iterable[FinishedTrial]]:
    first, last = heads[0].trial_id, heads[-1].trial_id
    args: tuple[Any, ...]
    if last - first < 2 * len(heads):  # a few trials of others between them do no harm
        where, args = " BETWEEN ? AND ?", (first, last)
    else:
        where, args = dialect.within([head.trial_id for head in heads])
    # The states were read before: a trial that had finished by then, is read as it stays.
    if dialect.is_remote and len(heads) <= _FEW:
        sql = " UNION ALL ".join(_ALL).replace("{}", where) + " ORDER BY 1, 2, 3"
        parted: list[list[Any]] = [[] for _ in _PARTS]
        for kind, trial_id, *cells in (yield dialect.fetch(sql, *args * len(_PARTS))):
            columns = _PARTS[kind][1]
            parted[kind].append([trial_id, *compress(cells, columns)])
    else:
        parted = []
        for sql in _EACH:
            parted.append((yield dialect.fetch(sql.replace("{}", where), *args)))
    return _records(heads, parted)


def _records(heads: Sequence[Head], parted: Sequence[Iterable[Any]]) -> Iterable[FinishedTrial]:
    values, params, reports, user_attrs, system_attrs = parted
    try:
        records = {head.trial_id: record_of(head) for head in heads}
        _add_params(records, params)
        _add_reports(records, reports)
        for place, rows in ((7, user_attrs), (8, system_attrs)):
            for trial_id, _, key, text in rows:
                record = records.get(trial_id)
                if record is not None:
                    record[place][key] = json.loads(text)  # type: ignore[index]
        _add_values(records, values)
    except (ValueError, TypeError, KeyError) as exc:
        raise StorageInternalError(
            f"The database holds a trial that can not be read: {type(exc).__name__}: {exc}."
        ) from exc
    return records.values()


def _add_params(records: dict[int, FinishedTrial], rows: Iterable[Any]) -> None:
    # Each row brings its own copies of the name and of the text: one of each is kept.
    names: dict[str, str] = {}
    distributions: dict[str, Any] = {}
    for trial_id, _, name, value, text in rows:
        record = records.get(trial_id)
        if record is None:
            continue
        distribution = distributions.get(text)
        if distribution is None:
            distribution = distributions[text] = distribution_of(text)
        name = names.setdefault(name, name)
        record.params[name] = value
        record.distributions[name] = distribution


def _add_reports(records: dict[int, FinishedTrial], rows: Iterable[Any]) -> None:
    for trial_id, step, value, kind in rows:
        record = records.get(trial_id)
        if record is not None:
            record.intermediate_values[step] = SPECIAL[kind] if value is None else value


def _add_values(records: dict[int, FinishedTrial], rows: Iterable[Any]) -> None:
    values: dict[int, list[float]] = {}
    for trial_id, _, value, kind in rows:
        values.setdefault(trial_id, []).append(SPECIAL[kind] if value is None else value)
    for trial_id, found in values.items():
        record = records.get(trial_id)
        if record is not None and record.state.is_finished():
            records[trial_id] = record._replace(values=tuple(found))
