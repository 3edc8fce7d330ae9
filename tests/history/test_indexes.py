"""An index that is made late knows what one knows that saw every fact arrive."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.history.facts import SystemAttrSet, TrialCreated, TrialFinished
from ahpo.history.history import History
from ahpo.history.index import Index
from ahpo.history.records import FinishedTrial
from ahpo.history.view import View
from ahpo.states import StudyDirection, TrialState
from tests.history.facts_drawn import Move, directions_drawn, moves
from tests.history.test_columns import MINIMIZE
from tests.history.two_studies import legal_facts


class Log(Index):
    """Remember what it was told."""

    def __init__(self) -> None:
        self.rows: list[FinishedTrial] = []
        self.attributes: dict[tuple[int, str], Any] = {}

    def finished(self, row: FinishedTrial) -> None:
        self.rows.append(row)

    def attribute(self, number: int, key: str, value: Any) -> None:
        self.attributes[number, key] = value


class LateLog(Log):
    """Be another kind of index."""


@given(moves, directions_drawn(), st.integers(0, 80))
def test_late_index_equals_one_that_was_there_from_the_start(
    drawn: list[Move], directions: tuple[StudyDirection, ...], cut: int
) -> None:
    history = History("study", directions)
    facts = legal_facts(drawn, directions)
    early = View(history).index(Log)
    for fact in facts[:cut]:
        history.apply(fact)
    late = View(history).index(LateLog)
    for fact in facts[cut:]:
        history.apply(fact)
    assert repr(early.rows) == repr(late.rows)
    assert early.attributes == late.attributes
    assert [row.number for row in early.rows] == View(history).numbers.tolist()
    assert early.attributes == {
        (number, key): value
        for number in range(history.n_trials)
        for key, value in history.record(number).system_attrs.items()
    }


def test_there_is_one_index_of_a_kind() -> None:
    history = History("study", MINIMIZE)
    assert View(history).index(Log) is View(history).index(Log)
    assert View(history).index(Log) is not View(history).index(LateLog)


@pytest.mark.parametrize("what", ["index", "groups"])
def test_replay_waits_for_the_owner_who_applies_facts(what: str) -> None:
    """A trial that finished during the replay of another thread would be missed for ever."""
    history = History("study", MINIMIZE)
    history.guard = lock = threading.Lock()
    history.apply(TrialCreated(0, 0, TrialState.RUNNING, 0))
    history.apply(SystemAttrSet(0, "k", 1))
    view = View(history)
    made: list[Any] = []

    def read() -> None:
        made.append(view.index(Log).rows if what == "index" else view.groups())

    reader = threading.Thread(target=read)
    with lock:
        reader.start()
        history.apply(TrialFinished(0, TrialState.COMPLETE, (1.0,), 1))
        assert made == []
    reader.join()
    assert len(made) == 1
    assert [row.number for row in view.index(Log).rows] == [0]
