"""Threads read a history without a lock while its owner applies facts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from ahpo.distributions import FloatDistribution
from ahpo.history.facts import ParamSet, TrialCreated, TrialFinished, TrialStarted
from ahpo.history.history import History
from ahpo.history.view import View
from ahpo.states import TrialState
from tests.history.test_columns import MINIMIZE
from tests.history.test_indexes import Log

N_TRIALS = 1500


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def write(history: History, lock: threading.Lock) -> None:
    """Run trials of which every third has a parameter of its own, so that columns differ."""
    kind = FloatDistribution(0.0, 1.0)
    for number in range(N_TRIALS):
        waits = number % 2 == 0
        facts = [
            TrialCreated(number, number, TrialState.WAITING if waits else TrialState.RUNNING, 0),
            *([TrialStarted(number, 0)] if waits else []),
            ParamSet(number, "x", 0.25, kind),
            *([ParamSet(number, "rare", 0.5, kind)] if number % 3 == 0 else []),
            TrialFinished(number, TrialState.COMPLETE, (1.0,), 1),
        ]
        for fact in facts:
            with lock:
                history.apply(fact)


def read(history: History) -> None:
    """Check that what there is to see makes sense at any moment."""
    view = View(history)
    assert (view.column("x") == 0.25).all()
    rare = view.column("rare")
    assert len(rare) == view.n
    numbers = view.numbers
    assert (numbers == range(view.n)).all()
    assert (rare[numbers % 3 == 0] == 0.5).all()
    for number in history.numbers()[-3:]:
        assert history.record(number).number == number
        assert history.state(number) in TrialState
    everything = history.numbers(tuple(TrialState))
    assert everything == list(range(len(everything)))
    assert set(view.intersection()) <= {"x", "rare"}


def test_readers_see_whole_rows_and_every_trial(hasty_threads: None) -> None:
    history = History("study", MINIMIZE)
    history.guard = lock = threading.Lock()
    errors: list[BaseException] = []
    logs: list[Log] = []
    done = threading.Event()

    def keep_reading() -> None:
        try:
            while not done.is_set():
                read(history)
                # A kind of its own each time: each is a replay while facts arrive.
                if len(logs) < 20:
                    logs.append(View(history).index(type("LateLog", (Log,), {})))
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=keep_reading) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        write(history, lock)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert not errors, errors[0]
    read(history)
    for log in logs:
        assert [row.number for row in log.rows] == list(range(N_TRIALS))
