"""What is to be written, collected row by row and table by table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any, TypeAlias

from ahpo.history.facts import (
    ConstraintSet,
    ParamSet,
    StudySystemAttrSet,
    StudyUserAttrSet,
    SystemAttrSet,
    TrialCreated,
    TrialFact,
    TrialFinished,
    UserAttrSet,
    ValueReported,
    trial_facts,
)
from ahpo.history.records import FinishedTrial
from ahpo.storages.sql.dialect import Dialect
from ahpo.storages.sql.rows import cells_of, json_of, text_of
from ahpo.storages.sql.statements import (
    PARAMS,
    REPORTS,
    STUDY_SYSTEM_ATTRS,
    STUDY_USER_ATTRS,
    SYSTEM_ATTRS,
    USER_ATTRS,
    VALUES,
    Plan,
    Table,
)
from ahpo.trials.constraints import CONSTRAINT_PREFIX

__all__ = ("Cells", "Writes", "cells_of_fact", "cells_of_trial")

# A row without the identifier that it starts with: the table, the rest of the key, the other cells.
Cells: TypeAlias = tuple[Table, Any, tuple[Any, ...]]


def _param(dialect: Dialect, fact: ParamSet) -> Iterator[Cells]:
    dialect.check_key("The name of a parameter", fact.name)
    if not isfinite(fact.value):
        raise ValueError(
            f"The value of the parameter {fact.name!r} must be finite to be stored, "
            f"but it is {fact.value!r}."
        )
    text = text_of(fact.distribution)
    dialect.check_text(f"The distribution of the parameter {fact.name!r}", text)
    yield PARAMS, fact.name, (float(fact.value), text)


def _report(dialect: Dialect, fact: ValueReported) -> Iterator[Cells]:
    dialect.check_step(fact.step)
    yield REPORTS, int(fact.step), cells_of(fact.value)


def _attribute(dialect: Dialect, table: Table, key: str, value: Any) -> Cells:
    dialect.check_key("The key of an attribute", key)
    text = json_of(value)
    dialect.check_text(f"The attribute {key!r}", text)
    return table, key, (text,)


def _user_attr(dialect: Dialect, fact: UserAttrSet) -> Iterator[Cells]:
    yield _attribute(dialect, USER_ATTRS, fact.key, fact.value)


def _system_attr(dialect: Dialect, fact: SystemAttrSet) -> Iterator[Cells]:
    yield _attribute(dialect, SYSTEM_ATTRS, fact.key, fact.value)


def _constraint(dialect: Dialect, fact: ConstraintSet) -> Iterator[Cells]:
    yield _attribute(dialect, SYSTEM_ATTRS, CONSTRAINT_PREFIX + fact.key, fact.value)


def _values(dialect: Dialect, fact: TrialFinished) -> Iterator[Cells]:
    for objective, value in enumerate(fact.values or ()):
        if value != value:
            raise ValueError(
                f"The values of a trial must not be NaN to be stored, but they are {fact.values!r}."
            )
        yield VALUES, objective, cells_of(value)


def _study_user_attr(dialect: Dialect, fact: StudyUserAttrSet) -> Iterator[Cells]:
    yield _attribute(dialect, STUDY_USER_ATTRS, fact.key, fact.value)


def _study_system_attr(dialect: Dialect, fact: StudySystemAttrSet) -> Iterator[Cells]:
    yield _attribute(dialect, STUDY_SYSTEM_ATTRS, fact.key, fact.value)


_CELLS: dict[type, Callable[[Dialect, Any], Iterator[Cells]]] = {
    ParamSet: _param,
    ValueReported: _report,
    UserAttrSet: _user_attr,
    SystemAttrSet: _system_attr,
    ConstraintSet: _constraint,
    TrialFinished: _values,
    StudyUserAttrSet: _study_user_attr,
    StudySystemAttrSet: _study_system_attr,
}


def cells_of_fact(
    dialect: Dialect, fact: TrialFact | StudyUserAttrSet | StudySystemAttrSet
) -> list[Cells]:
    """Return the rows that a fact makes, without what it means for the row of its trial.

    :raises ValueError, TypeError: if the database can not keep it
    """
    return list(_CELLS[type(fact)](dialect, fact))


def cells_of_trial(dialect: Dialect, trial: FinishedTrial) -> list[Cells]:
    """Return the rows that a trial makes beside its own one.

    :raises ValueError, TypeError: if the database can not keep it
    """
    facts = (fact for fact in trial_facts(trial) if not isinstance(fact, TrialCreated))
    return [cells for fact in facts for cells in cells_of_fact(dialect, fact)]


class Writes:
    """Collect rows, of which the last one with a key counts, or the first where that one stays.

    ``ends`` are the states and times of the trials that are to finish, by identifier.
    """

    def __init__(self) -> None:
        self.ends: dict[int, tuple[str, Any]] = {}
        # Dicts, since one statement may not write the same row twice.
        self._rows: dict[Table, dict[tuple[int, Any], tuple[Any, ...]]] = {}

    def put(self, owner: int, cells: list[Cells]) -> None:
        """Add the rows of a trial or study."""
        for table, key, rest in cells:
            rows = self._rows.setdefault(table, {})
            if table.first_stays:
                rows.setdefault((owner, key), rest)
            else:
                rows[owner, key] = rest

    def rows(self) -> Iterator[tuple[Table, list[tuple[Any, ...]]]]:
        """Give the rows, table by table."""
        for table, rows in self._rows.items():
            yield table, [(*key, *rest) for key, rest in rows.items()]

    def sets(self) -> list[tuple[int, str, Any]]:
        """Return identifier, state and time of each trial that is to finish."""
        return [(trial_id, *end) for trial_id, end in self.ends.items()]

    def run(self, dialect: Dialect) -> Plan[None]:
        """Run the statements that write all of it."""
        for table, rows in self.rows():
            yield from dialect.write(table, rows)
        if self.ends:
            yield from dialect.update(self.sets(), "datetime_complete")
