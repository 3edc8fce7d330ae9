"""`await trial.should_prune()`, the forgotten await, and objectives that block the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import time
import warnings
from typing import Any

import pytest

import ahpo
from ahpo.engine.watch import Watch, watched
from ahpo.exceptions import ObjectiveBlocksLoopWarning
from ahpo.pruners.base import BasePruner
from ahpo.states import StudyDirection, TrialState
from tests.engine.faults import WaitingStorage
from tests.engine.loops import LOOPS, run
from tests.engine.studies import assert_clean, async_study, reasons, states, sync_study

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
FORGOTTEN = "must be awaited: write `await trial.should_prune\\(\\)`"


class PruneOdd(BasePruner):
    def prune(self, study: Any, trial: Any) -> bool:
        return bool(trial.number % 2)


@pytest.mark.parametrize("kind", LOOPS)
def test_should_prune_is_awaited(kind: str) -> None:
    """It decides by what was reported before it."""

    async def objective(trial: Any) -> float:
        trial.report(3.0, 0)
        if await trial.should_prune():
            raise ahpo.TrialPruned
        return 1.0

    async def main() -> None:
        study = async_study(pruner=PruneOdd(), storage=WaitingStorage())
        await study.optimize(objective, n_trials=6, n_jobs=3)
        assert states(study) == [COMPLETE, PRUNED] * 3
        assert study.trials[1].value == 3.0

    run(main, kind)


def test_reports_are_written_before_the_decision() -> None:
    """What was reported is flushed, and what others wrote is read, before the pruner decides."""
    storage = WaitingStorage()

    class Looks(BasePruner):
        def prune(self, study: Any, trial: Any) -> bool:
            seen.append((storage.operations[-2:], dict(trial.intermediate_values)))
            return False

    seen: list[Any] = []

    async def main() -> None:
        study = async_study(pruner=Looks(), storage=storage)
        trial = await study.ask()
        trial.report(2.0, 7)
        await trial.should_prune()

    run(main)
    assert seen == [(["flush", "refresh"], {7: 2.0})]


def test_should_prune_gives_others_a_turn() -> None:
    """A loop of reports and checkpoints does not keep the event loop to itself."""

    async def main() -> None:
        study, turns = async_study(), []

        async def objective(trial: Any) -> float:
            for step in range(5):
                turns.append(trial.number)
                trial.report(step, step)
                await trial.should_prune()
            return 1.0

        await study.optimize(objective, n_trials=2, n_jobs=2)
        assert turns == [0, 1] * 5

    run(main)


@pytest.mark.parametrize(
    "use",
    [
        lambda checkpoint: bool(checkpoint),
        lambda checkpoint: 1 if checkpoint else 0,
        lambda checkpoint: not checkpoint,
        lambda checkpoint: checkpoint and True,
    ],
    ids=["bool", "if", "not", "and"],
)
def test_truth_of_a_forgotten_await(use: Any) -> None:
    """Used as a bool without `await`, it raises, so that it can not prune in silence."""

    async def main() -> None:
        study = async_study()

        async def objective(trial: Any) -> float:
            trial.report(1.0, 0)
            use(trial.should_prune())
            return 1.0

        with pytest.raises(TypeError, match=FORGOTTEN):
            await study.optimize(objective, n_trials=2)
        assert states(study) == [FAIL]
        assert_clean(study)

    run(main)


def test_dropped_result_warns() -> None:
    """Dropped without `await`, it warns."""

    async def main() -> None:
        trial = await async_study().ask()
        trial.report(1.0, 0)
        with pytest.warns(RuntimeWarning, match=FORGOTTEN):
            trial.should_prune()  # type: ignore[unused-awaitable]
            gc.collect()

    run(main)


def test_awaited_result_does_not_warn() -> None:
    """Awaited, it neither raises nor warns, and may be kept for a while before."""

    async def main() -> None:
        trial = await async_study().ask()
        trial.report(1.0, 0)
        checkpoint = trial.should_prune()
        await asyncio.sleep(0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert await checkpoint is False
            del checkpoint
            gc.collect()

    run(main)


def test_plain_trial_decides_at_once() -> None:
    """The plain face needs no await."""
    trial = sync_study(pruner=PruneOdd()).ask()
    assert trial.should_prune() is False


def test_several_objectives_can_not_prune() -> None:
    """With several objectives the call itself is refused, in both faces."""
    directions = [StudyDirection.MINIMIZE] * 2

    async def main() -> None:
        trial = await async_study(directions=directions).ask()
        with pytest.raises(NotImplementedError, match="should_prune"):
            trial.should_prune()  # type: ignore[unused-awaitable]
        with pytest.raises(NotImplementedError, match="report"):
            trial.report(1.0, 0)

    run(main)
    with pytest.raises(NotImplementedError, match="should_prune"):
        sync_study(directions=directions).ask().should_prune()


def test_trial_that_was_ended_elsewhere() -> None:
    """A told trial takes no reports; asking whether to prune it is answered, not an error."""

    async def main() -> None:
        study = async_study(pruner=PruneOdd())
        await study.ask()
        trial = await study.ask()
        await study.tell(trial.number, 1.0)
        assert await trial.should_prune() is False
        with pytest.raises(ahpo.exceptions.UpdateFinishedTrialError, match="Trial#1"):
            trial.report(1.0, 0)

    run(main)


# -- objectives that block ----------------------------------------------------------------------


def busy(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def run_blocking(n_trials: int, n_jobs: int, block: Any, face: str) -> Any:
    async def objective(trial: Any) -> float:
        if trial.number == 3:
            await asyncio.sleep(0)
            block(0.6)
        return 1.0

    study = sync_study()
    if face == "own loop":
        study.optimize(objective, n_trials=n_trials, n_jobs=n_jobs)
    else:
        other = async_study(study._session)
        run(lambda: other.optimize(objective, n_trials=n_trials, n_jobs=n_jobs), debug=False)
    return study


@pytest.mark.parametrize(
    ("block", "face"), [(time.sleep, "asyncio"), (time.sleep, "own loop"), (busy, "asyncio")]
)
def test_objective_that_blocks_gets_one_warning(block: Any, face: str) -> None:
    """The warning names the trial, how long it was, and what to do instead."""
    with pytest.warns(ObjectiveBlocksLoopWarning) as caught:
        study = run_blocking(8, 4, block, face)
    assert states(study) == [COMPLETE] * 8
    [warning] = caught
    text = str(warning.message)
    assert "trial 3 blocked the event loop for 0." in text
    assert "asyncio.to_thread" in text
    assert "plain `def`" in text


def test_second_long_step_is_not_warned_of() -> None:
    """Once is enough in a run, however many steps are too long."""

    async def main() -> None:
        study = async_study()
        calls = iter([0.6, 0.0, 0.6])

        async def objective(trial: Any) -> float:
            time.sleep(next(calls))  # noqa: ASYNC251
            return 1.0

        await study.optimize(objective, n_trials=3)

    with pytest.warns(ObjectiveBlocksLoopWarning) as caught:
        run(main, debug=False)
    assert len(caught) == 1


def test_waiting_long_is_not_blocking() -> None:
    """An objective that awaits for hours, and computes a little in between, is fine."""

    async def main() -> None:
        study = async_study()

        async def objective(trial: Any) -> float:
            for _ in range(10):
                busy(0.005)
                await asyncio.sleep(3600)
            return 1.0

        await study.optimize(objective, n_trials=4, n_jobs=2)
        assert states(study) == [COMPLETE] * 4

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main, "virtual", debug=False)


def test_watched_measures_steps_and_passes_everything_through() -> None:
    """Results, exceptions and cancellations go through; each step is measured on its own."""

    class Slow:
        def __init__(self) -> None:
            self.now, self.next = 0.0, 0.0

        def __call__(self) -> float:
            self.now += self.next
            return self.now

    async def main() -> None:
        timer = Slow()
        seen: list[tuple[int, float]] = []

        class Notes(Watch):
            def slow(self, number: int, seconds: float) -> None:
                seen.append((number, seconds))

        watch = Notes(limit=0.25, timer=timer)

        async def works() -> str:
            timer.next = 0.5
            await asyncio.sleep(0)
            timer.next = 0.1
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError as error:
                return f"cancelled {error}"
            return "never"

        async def awaits() -> Any:
            return await watched(works(), 5, watch, contextvars.copy_context())

        task = asyncio.ensure_future(awaits())
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel("by me")
        assert await task == "cancelled by me"
        assert seen == [(5, 0.5)]

        async def fails() -> None:
            await asyncio.sleep(0)
            raise ValueError("bad")

        with pytest.raises(ValueError, match="bad") as raised:
            await watched(fails(), 6, watch, contextvars.copy_context())
        assert raised.traceback[-1].name == "fails"

    run(main)


@pytest.mark.filterwarnings("error::ahpo.exceptions.ObjectiveBlocksLoopWarning")
def test_objective_that_blocks_is_an_error_if_warnings_are() -> None:
    """With warnings as errors the trial that blocks fails, and the error leaves."""

    async def main() -> None:
        study = async_study()

        async def objective(trial: Any) -> float:
            time.sleep(0.6)  # noqa: ASYNC251
            return 1.0

        with pytest.raises(ObjectiveBlocksLoopWarning):
            await study.optimize(objective, n_trials=3)
        assert "ObjectiveBlocksLoopWarning" in reasons(study)[0]
        assert_clean(study)

    run(main, debug=False)
