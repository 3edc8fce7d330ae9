"""A journal means to us what it means to Optuna, line by line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.exceptions import StorageInternalError
from ahpo.history.records import FinishedTrial
from ahpo.storages.journal.replay import Replay
from tests.storages.journal.drawn_lines import Log, journals

_STUDY = {"op_code": 0, "worker_id": "w", "study_name": "s", "directions": [1]}
_TRIAL = {
    "op_code": 4,
    "worker_id": "w",
    "study_id": 0,
    "datetime_start": "2026-11-21T20:37:52.637679+00:00",
}


class _Logs(optuna.storages.journal.BaseJournalBackend):
    def __init__(self, logs: list[Log]) -> None:
        self._logs = logs

    def read_logs(self, log_number_from: int) -> list[Log]:
        # As they come from a file, and not as the objects that they were.
        return [json.loads(json.dumps(log)) for log in self._logs[log_number_from:]]

    def append_logs(self, logs: list[Log]) -> None:
        raise AssertionError


def _local(at: int | None) -> datetime | None:
    if at is None:
        return None
    aware = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
    return aware.astimezone().replace(tzinfo=None)


def _ours(trial: FinishedTrial) -> list[Any]:
    kinds = trial.distributions
    return [
        trial.number,
        trial.trial_id,
        trial.state.name,
        None if trial.values is None else list(trial.values),
        {name: kinds[name].to_external_repr(value) for name, value in trial.params.items()},
        {name: repr(kind) for name, kind in kinds.items()},
        trial.intermediate_values,
        trial.user_attrs,
        trial.system_attrs,
        _local(trial.started),
        _local(trial.completed),
    ]


def _optunas(trial: Any) -> list[Any]:
    return [
        trial.number,
        trial._trial_id,
        trial.state.name,
        trial.values,
        trial.params,
        {name: repr(kind) for name, kind in trial.distributions.items()},
        trial.intermediate_values,
        trial.user_attrs,
        trial.system_attrs,
        trial.datetime_start,
        trial.datetime_complete,
    ]


def _trials(replay: Replay) -> list[FinishedTrial]:
    there = replay.open
    return [
        there[trial_id].copied() if trial_id in there else replay.fresh[trial_id]
        for trial_id in replay.ids
    ]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore:.*is deprecated.*")
@given(journals, st.sampled_from([(",", ":"), (", ", ": ")]))
def test_any_lines_make_the_studies_that_optuna_makes_of_them(
    logs: list[Log], separators: tuple[str, str]
) -> None:
    storage = optuna.storages.JournalStorage(_Logs(logs))
    text = "".join(json.dumps(log, separators=separators) + "\n" for log in logs)
    catalog = Replay()
    catalog.feed_text(text)
    expected = {study._study_id: study for study in storage.get_all_studies()}
    assert list(catalog.studies.items()) == [
        (study_id, study.study_name) for study_id, study in expected.items()
    ]
    for study_id, study in expected.items():
        replay = Replay(study.study_name)
        replay.feed_text(text)
        assert replay.study_id == study_id
        assert [int(d) for d in replay.directions[study_id]] == [int(d) for d in study.directions]
        assert replay.user_attrs == study.user_attrs
        assert replay.system_attrs == study.system_attrs
        found = [_ours(trial) for trial in _trials(replay)]
        assert repr(found) == repr([_optunas(t) for t in storage.get_all_trials(study_id)])
        assert list(replay.waiting) == [t[1] for t in found if t[2] == "WAITING"]


@given(journals)
def test_lines_in_pieces_say_the_same(logs: list[Log]) -> None:
    """What one reads in one go, another one reads as it comes, or parsed already."""
    lines = [json.dumps(log, separators=(",", ":")) for log in logs]
    whole = Replay("a")
    whole.feed_text("".join(line + "\n" for line in lines))
    for source in (lines, [json.loads(line) for line in lines]):
        stepwise = Replay("a")
        for line in source:
            stepwise.feed([line])
        assert repr(_trials(stepwise)) == repr(_trials(whole))
        assert stepwise.ids == whole.ids


def _replayed(*logs: Log) -> Replay:
    replay = Replay("s")
    replay.feed_text("".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs))
    return replay


def test_fields_that_nobody_knows_are_ignored_in_the_most_frequent_lines_too() -> None:
    report = {"op_code": 7, "worker_id": "w", "trial_id": 0, "step": 1, "intermediate_value": 0.5}
    kind = json.dumps(
        {
            "name": "FloatDistribution",
            "attributes": {"step": None, "low": 0.0, "high": 1.0, "log": False},
        }
    )
    param = {
        "op_code": 5,
        "worker_id": "w",
        "trial_id": 0,
        "param_name": "x",
        "param_value_internal": 0.5,
        "distribution": kind,
    }
    more = {"new": [1, {"x": "y"}]}
    replay = _replayed(
        _STUDY,
        _TRIAL,
        report,
        report | {"step": 2} | more,
        param,
        param | {"param_name": "y"} | more,
        param | {"param_name": "z"},
    )
    trial = replay.open[0]
    assert trial.reports == {1: 0.5, 2: 0.5}
    assert trial.params == {"x": 0.5, "y": 0.5, "z": 0.5}


def test_unknown_operation_is_an_error_and_no_guess() -> None:
    with pytest.raises(StorageInternalError, match='"op_code":11'):
        _replayed(_STUDY, {"op_code": 11, "worker_id": "w"})


@pytest.mark.parametrize("line", ["{", "[]", "7", '{"op_code":7}', '{"op_code":"x"}', ""])
def test_what_is_no_line_of_a_journal_is_named(line: str) -> None:
    replay = Replay("s")
    with pytest.raises(StorageInternalError, match="none of a journal"):
        replay.feed([line])
    assert replay.broken
