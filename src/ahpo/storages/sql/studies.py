"""What is done with whole studies, as plans that any of the databases can run."""

from __future__ import annotations

from collections.abc import Sequence

from ahpo.exceptions import DuplicatedStudyError
from ahpo.states import StudyDirection
from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.exchange import StudyRow, missing
from ahpo.storages.sql.statements import DIRECTIONS, Plan

__all__ = ("create_study", "delete_study", "open_study", "study_names", "sweep")


def create_study(
    dialect: Dialect, study_name: str, directions: Sequence[StudyDirection]
) -> Plan[StudyRow]:
    """Add a study.

    :raises DuplicatedStudyError: if the name is taken
    :raises ValueError: if the database can not keep the name
    """
    dialect.check_key("The name of a study", study_name)
    if not (yield from dialect.insert_study(study_name)):
        raise DuplicatedStudyError(
            f"The storage has a study with the name '{study_name}' already: choose another name, "
            "or set `load_if_exists=True` to go on with that study."
        )
    study_id = yield from _find(dialect, study_name)
    rows = [(study_id, objective, one.name) for objective, one in enumerate(directions)]
    yield from dialect.write(DIRECTIONS, rows)
    return StudyRow(study_id, study_name, tuple(directions))


def _find(dialect: Dialect, study_name: str, lock: str = "") -> Plan[int]:
    sql = "SELECT study_id, study_name FROM studies WHERE study_name = ?"
    rows = yield dialect.fetch(sql + lock, study_name)
    # Some databases compare names without regard to case.
    found: list[int] = [study_id for study_id, name in rows if name == study_name]
    if not found:
        raise missing(study_name)
    return found[0]


def open_study(dialect: Dialect, study_name: str) -> Plan[StudyRow]:
    """Find a study.

    :raises KeyError: if there is none of that name
    """
    study_id = yield from _find(dialect, study_name)
    rows = yield dialect.fetch(
        "SELECT #direction FROM study_directions WHERE study_id = ? ORDER BY objective", study_id
    )
    return StudyRow(study_id, study_name, tuple(StudyDirection[row[0]] for row in rows))


_OF_TRIALS = (
    "trial_user_attributes",
    "trial_system_attributes",
    "trial_params",
    "trial_values",
    "trial_intermediate_values",
    "trial_heartbeats",
)
_OF_STUDY = (
    "study_user_attributes",
    "study_system_attributes",
    "study_directions",
    "studies",
)
_PORTION = 500  # trials: a fraction of a second, with all that belongs to them


def delete_study(dialect: Dialect, study_name: str) -> Plan[None]:
    """Delete a study, and leave its trials to `sweep`: of no study, they are seen by nobody.

    :raises KeyError: if there is none of that name
    """
    study_id = yield from _find(dialect, study_name, dialect.for_update)
    yield dialect.run("UPDATE trials SET study_id = NULL WHERE study_id = ?", study_id)
    for table in _OF_STUDY:
        yield dialect.run(f"DELETE FROM {table} WHERE study_id = ?", study_id)


def sweep(dialect: Dialect) -> Plan[bool]:
    """Delete some of the trials that deleted studies have left; return whether more may be left.

    All of them at once would keep others from writing to SQLite for longer than they wait.
    """
    rows = yield dialect.fetch(
        "SELECT trial_id FROM trials WHERE study_id IS NULL "
        f"ORDER BY trial_id LIMIT {_PORTION}{dialect.for_update}"
    )
    if rows:
        within, args = dialect.within([row[0] for row in rows])
        for table in (*_OF_TRIALS, "trials"):
            yield dialect.run(f"DELETE FROM {table} WHERE trial_id{within}", *args)
    return len(rows) == _PORTION


def study_names(dialect: Dialect) -> Plan[list[str]]:
    """Return the names of all studies, in the order of their creation."""
    rows = yield dialect.fetch("SELECT study_name FROM studies ORDER BY study_id")
    return [row[0] for row in rows]
