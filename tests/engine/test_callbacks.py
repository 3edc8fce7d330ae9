"""Callbacks, `study.stop`, one `optimize` inside another, the progress bar, collecting garbage."""

from __future__ import annotations

import asyncio
import gc
import re
import threading
from typing import Any

import pytest

import ahpo
from ahpo.aio import AsyncStudy
from ahpo.states import StudyDirection, TrialState
from ahpo.study import MaxTrialsCallback, Study
from ahpo.trial import FrozenTrial
from tests.engine.loops import VirtualClock, run
from tests.engine.studies import assert_clean, async_study, new_session, reasons, states, sync_study
from tests.engine.ways import WAYS, Way

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def ends_variously(trial: Any) -> float:
    trial.report(1.0, 0)
    if trial.number % 3 == 1:
        raise ahpo.TrialPruned
    if trial.number % 3 == 2:
        raise ValueError("bad")
    return float(trial.number)


class Recorder:
    """Be a callback that notes what it gets, and that it is alone with its trial."""

    def __init__(self) -> None:
        self.trials: list[FrozenTrial] = []
        self.studies: set[type] = set()
        self._busy: set[int] = set()

    def begin(self, study: Any, trial: FrozenTrial) -> None:
        assert trial.number not in self._busy
        self._busy.add(trial.number)
        assert trial.state.is_finished()
        assert study.trials[trial.number] == trial
        self.studies.add(type(study))
        self.trials.append(trial)

    def plain(self, study: Any, trial: FrozenTrial) -> None:
        self.begin(study, trial)
        self._busy.discard(trial.number)

    async def coroutine(self, study: Any, trial: FrozenTrial) -> None:
        self.begin(study, trial)
        for _ in range(5):
            await asyncio.sleep(0)
        self._busy.discard(trial.number)


@pytest.mark.parametrize("n_jobs", [1, 4])
def test_callbacks_see_finished_trials(way: Way, n_jobs: int) -> None:
    """Each is called once for each trial, after its final state, one at a time per trial."""
    session, recorder = new_session(), Recorder()
    callbacks = [recorder.plain, recorder.coroutine, recorder.plain]
    way(session, ends_variously, n_trials=12, n_jobs=n_jobs, catch=ValueError, callbacks=callbacks)
    numbers = [trial.number for trial in recorder.trials]
    assert sorted(numbers) == [n for n in range(12) for _ in callbacks]
    assert [trial.state for trial in sync_study(session).trials] == [COMPLETE, PRUNED, FAIL] * 4
    assert recorder.studies == {Study, AsyncStudy}


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_callbacks_one_trial_after_the_other(way: Way, kind: str) -> None:
    """With one job a callback has ended before the next trial starts."""
    session, recorder = new_session(), Recorder()

    def objective(trial: Any) -> float:
        assert len(recorder.trials) == trial.number
        return 1.0

    way(session, objective, n_trials=5, callbacks=[getattr(recorder, kind)])
    assert [trial.number for trial in recorder.trials] == list(range(5))
    assert recorder.studies == {Study if kind == "plain" else AsyncStudy}


def test_callback_gets_the_study_that_optimizes() -> None:
    """It is the very study, so that what a callback notes on it is there."""
    study = sync_study()
    seen: list[Any] = []
    study.optimize(lambda trial: 1.0, n_trials=1, callbacks=[lambda s, t: seen.append(s)])
    assert seen == [study]

    async def main() -> None:
        other = async_study()

        async def callback(study: Any, trial: Any) -> None:
            seen.append(study)

        await other.optimize(lambda trial: 1.0, n_trials=1, callbacks=[callback])
        assert seen[1] is other

    run(main)


def test_plain_callback_is_not_on_the_loop() -> None:
    """A `def` callback may take its time: other trials go on."""

    async def main() -> None:
        study = async_study()
        threads = set()
        loop_thread = threading.current_thread()
        others_done = threading.Event()

        async def objective(trial: Any) -> float:
            if trial.number == 4:
                others_done.set()
            return 1.0

        def callback(study: Any, trial: Any) -> None:
            threads.add(threading.current_thread())
            if trial.number == 0:
                assert others_done.wait(30)  # the others run while this one waits

        await study.optimize(objective, n_trials=5, n_jobs=2, callbacks=[callback])
        assert loop_thread not in threads

    run(main)


def test_callbacks_are_not_called_for_the_error_that_leaves(way: Way) -> None:
    """The trial whose exception ends the study is not announced, as in Optuna."""
    recorder = Recorder()
    with pytest.raises(ValueError, match="bad"):
        way(new_session(), ends_variously, n_trials=9, callbacks=[recorder.plain])
    assert [trial.number for trial in recorder.trials] == [0, 1]


@pytest.mark.parametrize("where", ["objective", "plain callback", "coroutine callback"])
@pytest.mark.parametrize("n_jobs", [1, 4])
def test_stop(way: Way, where: str, n_jobs: int) -> None:
    """After `study.stop()` no trial starts, and those that run go on to their end."""
    session = new_session()
    study = sync_study(session)
    begun: list[int] = []  # how many trials there were then: others go on until it comes to that

    def stop(study: Any) -> None:
        study.stop()
        begun.append(len(study.trials))

    def objective(trial: Any) -> float:
        if where == "objective" and trial.number == 5:
            stop(trial.study)
        return 1.0

    def plain(study: Any, trial: Any) -> None:
        if trial.number == 5:
            stop(study)

    async def coroutine(study: Any, trial: Any) -> None:
        plain(study, trial)

    callbacks = {"plain callback": [plain], "coroutine callback": [coroutine]}.get(where)
    way(session, objective, n_trials=500, n_jobs=n_jobs, callbacks=callbacks)
    assert 6 <= len(study.trials) <= begun[0] + n_jobs
    assert begun[0] < 500
    assert set(states(study)) == {COMPLETE}
    n_before = len(study.trials)
    way(session, lambda trial: 1.0, n_trials=3)
    assert len(study.trials) == n_before + 3


def test_stop_outside() -> None:
    """Where nothing is optimized there is nothing to stop."""
    study = sync_study()
    with pytest.raises(RuntimeError, match="inside an objective function or a callback"):
        study.stop()
    with pytest.raises(RuntimeError, match="inside an objective function or a callback"):
        async_study().stop()


@pytest.mark.parametrize("n_jobs", [1, 4])
def test_max_trials_callback(way: Way, n_jobs: int) -> None:
    """`MaxTrialsCallback` counts all trials of the study, whoever ran them."""
    session = new_session()
    way(session, lambda trial: 1.0, n_trials=3)
    way(session, lambda trial: 1.0, n_jobs=n_jobs, callbacks=[MaxTrialsCallback(10)])
    assert 10 <= states(sync_study(session)).count(COMPLETE) <= 10 + 2 * n_jobs


@pytest.mark.parametrize("outer", sorted(WAYS))
@pytest.mark.parametrize("inner", ["in place", "threads", "own loop"])
def test_optimize_inside_itself(outer: str, inner: str) -> None:
    """An objective that optimizes its own study gets a RuntimeError, which ends the outer one."""
    session = new_session()

    def objective(trial: Any) -> float:
        WAYS[inner](session, lambda trial: 1.0, n_trials=1)
        return 1.0

    with pytest.raises(RuntimeError, match="Nested invocation of `Study.optimize`"):
        WAYS[outer](session, objective, n_trials=2)
    study = sync_study(session)
    assert_clean(study)
    assert states(study) == [FAIL]
    assert "Nested invocation" in reasons(study)[0]
    assert not session.runs


def test_optimize_inside_itself_async() -> None:
    """So does a coroutine, and a callback."""

    async def main() -> None:
        study = async_study()

        async def inner(trial: Any) -> float:
            return 1.0

        async def objective(trial: Any) -> float:
            await trial.study.optimize(inner, n_trials=1)
            return 1.0

        async def callback(study: Any, trial: Any) -> None:
            await study.optimize(inner, n_trials=1)

        with pytest.raises(RuntimeError, match="Nested invocation"):
            await study.optimize(objective, n_trials=2)
        with pytest.raises(RuntimeError, match="Nested invocation"):
            await study.optimize(inner, n_trials=2, callbacks=[callback])
        assert_clean(study)
        assert states(study) == [FAIL, COMPLETE]
        assert not study._session.runs

    run(main)


def test_other_study_inside(way: Way) -> None:
    """Optimizing another study inside an objective is fine."""
    session = new_session()

    def objective(trial: Any) -> float:
        inner = sync_study()
        inner.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
        return inner.best_value

    way(session, objective, n_trials=3, n_jobs=2)
    assert states(sync_study(session)) == [COMPLETE] * 3


def test_progress_bar_counts_trials(way: Way, capsys: pytest.CaptureFixture[str]) -> None:
    """The bar shows how many trials are done, and the best value so far."""
    way(
        new_session(),
        ends_variously,
        n_trials=6,
        catch=ValueError,
        show_progress_bar=True,
    )
    shown = capsys.readouterr().err
    assert "6/6" in shown
    assert "Best trial: 0. Best value: 0" in shown


def test_progress_bar_of_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """Without `n_trials` it shows the time, of the injected clock."""
    clock = VirtualClock()
    study = sync_study(clock=clock)

    def objective(trial: Any) -> float:
        clock.passed += 25
        return 1.0

    study.optimize(objective, timeout=100, show_progress_bar=True)
    shown = capsys.readouterr().err
    assert "100%" in shown
    assert "/100 s" in shown


def test_progress_without_an_end_counts(way: Way, capsys: pytest.CaptureFixture[str]) -> None:
    """With neither `n_trials` nor `timeout` there is a count, and how long it takes."""
    callbacks = [MaxTrialsCallback(4)]
    way(new_session(), lambda trial: 1.0, callbacks=callbacks, show_progress_bar=True)
    shown = capsys.readouterr().err.rpartition("\r")[2]
    assert re.fullmatch(r"Best trial: 0. Best value: 1: 4 trials \[00:\d\d\]\s*", shown)


def test_progress_bar_shows_trials_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    """With both, it counts trials and says how much of the time has passed."""
    clock = VirtualClock()
    study = sync_study(clock=clock)

    def objective(trial: Any) -> float:
        clock.passed += 25
        return 1.0

    study.optimize(objective, n_trials=3, timeout=100, show_progress_bar=True)
    shown = capsys.readouterr().err
    assert "3/3" in shown
    assert "75.00/100 seconds" in shown


def test_log_lines_go_above_the_progress_bar(way: Way, capsys: pytest.CaptureFixture[str]) -> None:
    """A line of the log is alone on its line, and the handler writes as before afterwards."""
    ahpo.logging.set_verbosity(ahpo.logging.INFO)
    way(new_session(), lambda trial: 1.0, n_trials=4, show_progress_bar=True)
    shown = capsys.readouterr()
    lines = re.split("[\r\n]", shown.err)
    said = [line for line in lines if "Trial" in line]
    assert [line[:3] for line in said] == ["[I "] * 4
    assert [line.partition(" Trial ")[2][:2] for line in said] == [f"{n} " for n in range(4)]
    assert shown.out == ""
    way(new_session(), lambda trial: 1.0, n_trials=1)
    assert capsys.readouterr().err.startswith("[I ")


def test_progress_bar_is_closed_after_an_error(
    way: Way, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error leaves the bar as it stood; a nested call shows none."""
    import tqdm

    with pytest.raises(ValueError, match="bad"):
        way(new_session(), ends_variously, n_trials=6, show_progress_bar=True)
    assert "2/6" in capsys.readouterr().err
    session = new_session()

    def nested(trial: Any) -> float:
        sync_study(session).optimize(lambda trial: 1.0, n_trials=1, show_progress_bar=True)
        return 1.0

    with pytest.raises(RuntimeError, match="Nested"):
        way(session, nested, n_trials=1)
    assert capsys.readouterr().err == ""
    assert not tqdm.tqdm._instances  # type: ignore[attr-defined]


def test_progress_bar_with_several_objectives(capsys: pytest.CaptureFixture[str]) -> None:
    """With several objectives there is no best value to show."""
    directions = [StudyDirection.MINIMIZE] * 2
    study = sync_study(directions=directions)
    study.optimize(lambda trial: (1.0, 2.0), n_trials=3, show_progress_bar=True)
    shown = capsys.readouterr().err
    assert "3/3" in shown
    assert "Best" not in shown


@pytest.mark.parametrize("wanted", [True, False])
def test_gc_after_trial(way: Way, wanted: bool) -> None:
    """Garbage is collected once after each trial, if asked for."""
    collections: list[int] = []

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "stop" and info["generation"] == 2:
            collections.append(1)

    gc.disable()  # what happens by itself does not count
    gc.callbacks.append(note)
    try:
        way(new_session(), lambda trial: 1.0, n_trials=4, gc_after_trial=wanted)
    finally:
        gc.callbacks.remove(note)
        gc.enable()
    assert len(collections) == (4 if wanted else 0)
