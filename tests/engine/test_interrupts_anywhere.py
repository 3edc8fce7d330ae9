"""Ctrl-C between any two lines of the engine, for trials that run in the main thread itself.

Each run is traced, and gets a SIGINT at its k-th line, for k = 1, 2, 3, ... until it is through.
"""

from __future__ import annotations

import functools
import linecache
import os
import signal
import sys
from types import FrameType
from typing import Any

import pytest

import ahpo
from ahpo.study import Study
from tests.engine.studies import assert_clean, new_session, reasons, states, sync_study

SOURCE = os.path.dirname(ahpo.__file__)
pytestmark = [
    # A coroutine that was made and not yet begun when the signal came.
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
]


class Interrupter:
    """Send a signal at some of the lines that the package and an objective of this file run.

    Not at a ``with``: there Python itself lets no signal in, so that what was entered is left.
    """

    def __init__(self, *at: int, signum: int = signal.SIGINT) -> None:
        self.count = 0
        self._signum = signum
        self._at = frozenset(at)

    def __enter__(self) -> Interrupter:
        self._before = sys.gettrace()
        sys.settrace(self._called)
        return self

    def __exit__(self, *exc_info: object) -> None:
        sys.settrace(self._before)

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(SOURCE) and frame.f_code not in OURS:
            return None
        return self._line(frame, event, argument)

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.count += 1
            if self.count in self._at:
                line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
                if line.lstrip().startswith("with "):
                    self._at |= {self.count + 1}
                else:
                    signal.raise_signal(self._signum)
        return self._line


def objective(trial: Any) -> float:
    x: float = trial.suggest_float("x", 0, 1)
    trial.report(x, 0)
    trial.should_prune()
    return x


def callback(study: Study, trial: Any) -> None:
    assert trial.state.is_finished()


def interrupted(
    *at: int, signum: int = signal.SIGINT
) -> tuple[Study, Interrupter, BaseException | None]:
    """Run two trials with a signal at these lines; return what there is then."""
    study = sync_study(new_session())
    raised = None
    with Interrupter(*at, signum=signum) as lines:
        try:
            study.optimize(objective, n_trials=2, callbacks=[callback])
        except BaseException as error:
            raised = error
    return study, lines, raised


def assert_interrupted_cleanly(
    *at: int,
    signum: int = signal.SIGINT,
    error: type[BaseException] = KeyboardInterrupt,
    reason: str = "KeyboardInterrupt",
) -> None:
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    study, lines, raised = interrupted(*at, signum=signum)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before
    assert_clean(study)
    assert not study._session.runs
    assert set(reasons(study)) <= {reason}
    if lines.count < at[0]:
        assert raised is None
        return
    assert isinstance(raised, error), at
    n_before = len(study.trials)
    study.optimize(objective, n_trials=1)
    assert states(study)[n_before:] == [ahpo.trial.TrialState.COMPLETE]


OURS = (objective.__code__, callback.__code__)


@functools.cache
def n_lines() -> int:
    """Return how many lines two trials run; the first run in a process has more to do."""
    # What other tests have left may be collected meanwhile, with lines of its own.
    return min(interrupted()[1].count for _ in range(4))


def test_there_are_lines_to_interrupt() -> None:
    """The trace sees the engine at work, all of it."""
    assert n_lines() > 300
    assert interrupted()[1].count == pytest.approx(n_lines(), abs=30)


@pytest.mark.parametrize("part", range(8))
def test_ctrl_c_at_every_line(part: int) -> None:
    """Wherever Ctrl-C comes, it is raised, no trial is left running, and the study goes on."""
    for k in range(1 + part, n_lines() + 1, 8):
        assert_interrupted_cleanly(k)


def test_sigterm_at_every_line() -> None:
    """SIGTERM likewise: it raises SystemExit, once the trials are finished."""

    def exits(number: int, frame: FrameType | None) -> None:
        raise SystemExit(143)  # where no study is at work, it would end these tests

    before = signal.signal(signal.SIGTERM, exits)
    try:
        for k in range(1, n_lines() + 1, 3):
            assert_interrupted_cleanly(k, signum=signal.SIGTERM, error=SystemExit, reason="SIGTERM")
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("later", [1, 3, 20])
def test_ctrl_c_twice(later: int) -> None:
    """A second one comes while the first one is being dealt with."""
    for k in range(1, n_lines() + 1, 3):
        assert_interrupted_cleanly(k, k + later)


def test_handler_of_the_user_is_called() -> None:
    """A SIGINT handler that was there before decides what Ctrl-C does, and gets it in due time."""
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        for k in range(1, n_lines(), 10):
            study, lines, raised = interrupted(k)
            assert raised is None
            assert len(study.trials) == 2
            assert seen == [signal.SIGINT] * (k <= lines.count)
            seen.clear()
    finally:
        signal.signal(signal.SIGINT, before)


def test_ignored_ctrl_c_stays_ignored() -> None:
    """A process that ignores SIGINT, as one started with nohup may, goes on ignoring it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        study, _, raised = interrupted(n_lines() // 2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert raised is None
    assert len(study.trials) == 2


def test_handler_that_the_objective_sets_stays() -> None:
    """What the objective itself installs is left alone."""

    def mine(number: int, frame: FrameType | None) -> None:
        raise AssertionError

    def sets(trial: Any) -> float:
        signal.signal(signal.SIGINT, mine)
        return 0.0

    before = signal.getsignal(signal.SIGINT)
    try:
        sync_study().optimize(sets, n_trials=1)
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_study_inside_the_objective_of_another() -> None:
    """Ctrl-C in an inner study ends its trial, and then the outer one's."""
    outer, inner = sync_study(), sync_study()

    def interrupts(trial: Any) -> float:
        signal.raise_signal(signal.SIGINT)
        return 0.0

    def optimizes(trial: Any) -> float:
        inner.optimize(interrupts, n_trials=3)
        return inner.best_value

    with pytest.raises(KeyboardInterrupt):
        outer.optimize(optimizes, n_trials=3)
    for study in (outer, inner):
        assert_clean(study)
        assert reasons(study) == ["KeyboardInterrupt"]


def test_objective_that_swallows_ctrl_c() -> None:
    """`except KeyboardInterrupt` in an objective counts: its trial completes, the study goes on."""
    study = sync_study()

    def swallows(trial: Any) -> float:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            return 1.0
        return 2.0

    study.optimize(swallows, n_trials=3)
    assert [trial.value for trial in study.trials] == [1.0] * 3
