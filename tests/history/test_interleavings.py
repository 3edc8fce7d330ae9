"""Readers take no lock: what they see is right wherever the owner's thread takes its turn.

Instead of threads, which meet once in a million times, a tracer lets the one side run at each
single instruction of the other.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest

from ahpo.distributions import FloatDistribution
from ahpo.history.facts import Fact, ParamSet, TrialCreated, TrialFinished, TrialStarted
from ahpo.history.history import History
from ahpo.history.view import View
from ahpo.states import TrialState
from tests.history.test_columns import MINIMIZE

KIND = FloatDistribution(0.0, 1.0)
COMPLETE = TrialState.COMPLETE
SOURCES = {
    module.__file__
    for name, module in sys.modules.items()
    if name.startswith("ahpo.history.") and not name.endswith(".search_space")
}
# More rows than the columns have room for at first: adding to the rare one will make it grow.
N_ROWS = 17
WAITS, RUNS = N_ROWS, N_ROWS + 1


def interleave(main: Callable[[], Any], other: Callable[[], Any], turn: int) -> tuple[Any, bool]:
    """Return what ``main`` returns if ``other`` runs before its instruction number ``turn``.

    The flag tells whether that instruction was reached.
    """
    count = 0

    def tracer(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename not in SOURCES:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            count += 1
            if count == turn:
                sys.settrace(None)
                other()
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        result = main()
    finally:
        sys.settrace(before)
    return result, count >= turn


def prepared() -> bytes:
    """Return a pickled history of finished trials, one that waits and one that runs."""
    history = History("study", MINIMIZE)
    for number in range(N_ROWS):
        history.apply(TrialCreated(number, number, TrialState.RUNNING, 0))
        history.apply(ParamSet(number, "x", 0.25, KIND))
        if number == 0:
            history.apply(ParamSet(number, "rare", 0.5, KIND))
        history.apply(TrialFinished(number, COMPLETE, (1.0,), 1))
    history.apply(TrialCreated(WAITS, WAITS, TrialState.WAITING, None))
    history.apply(TrialCreated(RUNS, RUNS, TrialState.RUNNING, 0))
    history.apply(ParamSet(RUNS, "x", 0.25, FloatDistribution(0.0, 2.0)))
    history.apply(ParamSet(RUNS, "rare", 0.5, KIND))
    return pickle.dumps(history)


PREPARED = prepared()
FINISH = [TrialFinished(RUNS, COMPLETE, (0.0,), 1)]
START = [TrialStarted(WAITS, 0)]
RUN = [*START, TrialFinished(WAITS, COMPLETE, (2.0,), 1)]
CREATE = [TrialCreated(RUNS + 1, RUNS + 1, TrialState.RUNNING, 0)]


def seen(view: View) -> tuple[Any, ...]:
    """Return what a view has; its column of the rare parameter is checked against its rows."""
    numbers, rare, x = view.numbers.tolist(), view.column("rare").tolist(), view.column("x")
    assert [value == 0.5 for value in rare] == [number in (0, RUNS) for number in numbers]
    assert len(x) == len(numbers) == view.n
    return numbers, view.states.tolist(), view.values.tolist()


READS: dict[str, Callable[[History], Any]] = {
    "old record": lambda history: history.record(N_ROWS - 1),
    "record": lambda history: [history.record(number) for number in (WAITS, RUNS)],
    "state": lambda history: [history.state(number) for number in (WAITS, RUNS)],
    "frozen": lambda history: [history.shared_frozen(number) for number in (WAITS, RUNS)],
    "numbers": lambda history: history.numbers(tuple(TrialState)),
    "last states": lambda history: [history.state(number) for number in history.numbers()[-3:]],
    "view": lambda history: seen(View(history)),
    "running": lambda history: [trial.number for trial in View(history).running()],
}


def applying(history: History, facts: list[Fact]) -> Callable[[], None]:
    def apply() -> None:
        for fact in facts:
            history.apply(fact)

    return apply


def moments(read: Callable[[History], Any], facts: list[Fact]) -> list[Any]:
    """Return what a reader may see: what is there before the facts, and after each of them."""
    history: History = pickle.loads(PREPARED)
    allowed = [read(history)]
    for fact in facts:
        history.apply(fact)
        allowed.append(read(history))
    return allowed


writes = pytest.mark.parametrize(
    "facts", [FINISH, START, RUN, CREATE], ids=["end", "start", "run", "new"]
)
reads = pytest.mark.parametrize("what", READS)


@writes
@reads
def test_owner_may_write_at_any_moment_of_a_read(what: str, facts: list[Fact]) -> None:
    """The reader sees what was before, after or in between, and no fact is lost."""
    read = READS[what]
    allowed = moments(read, facts)
    turn, reached = 0, True
    while reached:
        turn += 1
        history: History = pickle.loads(PREPARED)
        result, reached = interleave(partial(read, history), applying(history, facts), turn)
        assert _possible(result, allowed), f"{result} at instruction {turn}"
        if reached:
            assert read(history) == allowed[-1]
    assert turn > 10


def _possible(result: Any, allowed: list[Any]) -> bool:
    # What a read says of two trials in turn may be of two moments.
    if isinstance(result, list) and all(len(one) == len(result) for one in allowed):
        return all(any(part == one[place] for one in allowed) for place, part in enumerate(result))
    return result in allowed


@writes
def test_readers_may_read_at_any_moment_of_a_write(facts: list[Fact]) -> None:
    allowed = {what: moments(read, facts) for what, read in READS.items()}
    turn, reached = 0, True
    while reached:
        turn += 1
        history: History = pickle.loads(PREPARED)
        results: dict[str, Any] = {}

        def look(history: History = history, results: dict[str, Any] = results) -> None:
            results.update({what: read(history) for what, read in READS.items()})

        _, reached = interleave(applying(history, facts), look, turn)
        for what, result in results.items():
            assert _possible(result, allowed[what]), f"{what}: {result} at instruction {turn}"
    assert turn > 10
