"""The tables, which are those of Optuna 5.0, and how they are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ("TABLES", "SchemaWords", "create_statements")


class SchemaWords(NamedTuple):
    """Word what differs between the databases in the definition of a table.

    :param serial: the type of a column that numbers its rows by itself
    :param double: the type of a number
    :param time: the type of a time
    :param enum: how a type of some names is worded: takes ``{type}``, ``{names}`` and ``{width}``
    :param quote: what stands round the one name that is a reserved word
    :param suffix: what follows a table
    :param of_study: the columns by which the trials of a study are found, and the last ones of them
    """

    serial: str
    double: str
    time: str
    enum: str
    quote: str = ""
    suffix: str = ""
    of_study: str = "study_id"


ENUMS = {
    "studydirection": ("NOT_SET", "MINIMIZE", "MAXIMIZE"),
    "trialstate": ("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING"),
    "trialvaluetype": ("FINITE", "INF_POS", "INF_NEG"),
    "trialintermediatevaluetype": ("FINITE", "INF_POS", "INF_NEG", "NAN"),
}

# Name, columns and constraints, in the order in which one may refer to another. `#x` is the enum x,
# `@key` the reserved word.
_STUDY = "FOREIGN KEY (study_id) REFERENCES studies (study_id)"
_TRIAL = "FOREIGN KEY (trial_id) REFERENCES trials (trial_id)"
_OF_TRIAL = "trial_id INTEGER NOT NULL"
_ATTRIBUTE = "@key VARCHAR(512), value_json TEXT"
TABLES: dict[str, tuple[str, ...]] = {
    "studies": ("study_id SERIAL", "study_name VARCHAR(512) NOT NULL", "PRIMARY KEY (study_id)"),
    "version_info": (
        "version_info_id INTEGER NOT NULL",
        "schema_version INTEGER",
        "library_version VARCHAR(256)",
        "PRIMARY KEY (version_info_id)",
        "CHECK (version_info_id = 1)",
    ),
    "study_directions": (
        "study_direction_id SERIAL",
        "direction #studydirection NOT NULL",
        "study_id INTEGER NOT NULL",
        "objective INTEGER NOT NULL",
        "PRIMARY KEY (study_direction_id)",
        "UNIQUE (study_id, objective)",
        _STUDY,
    ),
    "study_user_attributes": (
        "study_user_attribute_id SERIAL",
        "study_id INTEGER",
        _ATTRIBUTE,
        "PRIMARY KEY (study_user_attribute_id)",
        "UNIQUE (study_id, @key)",
        _STUDY,
    ),
    "study_system_attributes": (
        "study_system_attribute_id SERIAL",
        "study_id INTEGER",
        _ATTRIBUTE,
        "PRIMARY KEY (study_system_attribute_id)",
        "UNIQUE (study_id, @key)",
        _STUDY,
    ),
    "trials": (
        "trial_id SERIAL",
        "number INTEGER",
        "study_id INTEGER",
        "state #trialstate NOT NULL",
        "datetime_start TIME",
        "datetime_complete TIME",
        "PRIMARY KEY (trial_id)",
        _STUDY,
    ),
    "trial_user_attributes": (
        "trial_user_attribute_id SERIAL",
        "trial_id INTEGER",
        _ATTRIBUTE,
        "PRIMARY KEY (trial_user_attribute_id)",
        "UNIQUE (trial_id, @key)",
        _TRIAL,
    ),
    "trial_system_attributes": (
        "trial_system_attribute_id SERIAL",
        "trial_id INTEGER",
        _ATTRIBUTE,
        "PRIMARY KEY (trial_system_attribute_id)",
        "UNIQUE (trial_id, @key)",
        _TRIAL,
    ),
    "trial_params": (
        "param_id SERIAL",
        "trial_id INTEGER",
        "param_name VARCHAR(512)",
        "param_value DOUBLE",
        "distribution_json TEXT",
        "PRIMARY KEY (param_id)",
        "UNIQUE (trial_id, param_name)",
        _TRIAL,
    ),
    "trial_values": (
        "trial_value_id SERIAL",
        _OF_TRIAL,
        "objective INTEGER NOT NULL",
        "value DOUBLE",
        "value_type #trialvaluetype NOT NULL",
        "PRIMARY KEY (trial_value_id)",
        "UNIQUE (trial_id, objective)",
        _TRIAL,
    ),
    "trial_intermediate_values": (
        "trial_intermediate_value_id SERIAL",
        _OF_TRIAL,
        "step INTEGER NOT NULL",
        "intermediate_value DOUBLE",
        "intermediate_value_type #trialintermediatevaluetype NOT NULL",
        "PRIMARY KEY (trial_intermediate_value_id)",
        "UNIQUE (trial_id, step)",
        _TRIAL,
    ),
    "trial_heartbeats": (
        "trial_heartbeat_id SERIAL",
        _OF_TRIAL,
        "heartbeat TIME NOT NULL",
        "PRIMARY KEY (trial_heartbeat_id)",
        "UNIQUE (trial_id)",
        _TRIAL,
    ),
    "alembic_version": (
        "version_num VARCHAR(32) NOT NULL",
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)",
    ),
}
_INDEXES = {
    "studies": "CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name)",
    "trials": "CREATE INDEX ix_trials_study_id ON trials ({of_study})",
}


def _column(definition: str, words: SchemaWords) -> str:
    parts = definition.replace("@key", f"{words.quote}key{words.quote}").split(" ")
    kinds = {"SERIAL": words.serial, "DOUBLE": words.double, "TIME": words.time}
    for place, part in enumerate(parts):
        if part.startswith("#"):
            names = ENUMS[part[1:]]
            parts[place] = words.enum.format(
                type=part[1:],
                names=", ".join(f"'{name}'" for name in names),
                width=max(map(len, names)),
            )
        else:
            parts[place] = kinds.get(part, part)
    return " ".join(parts)


def create_statements(words: SchemaWords, existing: Sequence[str]) -> Iterator[str]:
    """Give the statements that make all tables but those that exist."""
    for name, definitions in TABLES.items():
        if name not in existing:
            columns = ", ".join(_column(definition, words) for definition in definitions)
            yield f"CREATE TABLE {name} ({columns}){words.suffix}"
            if name in _INDEXES:
                yield _INDEXES[name].format(of_study=words.of_study)
