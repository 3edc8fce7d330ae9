"""`async with study.trial() as trial`, and `ask` and `tell` by hand."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import optuna
import pytest

import ahpo
from ahpo.distributions import BaseDistribution, FloatDistribution
from ahpo.exceptions import StorageInternalError, UpdateFinishedTrialError
from ahpo.samplers import BaseSampler
from ahpo.states import StudyDirection, TrialState
from tests.engine.faults import WaitingStorage
from tests.engine.loops import LOOPS, run
from tests.engine.studies import assert_clean, async_study, reasons, states, sync_study

COMPLETE, PRUNED, FAIL, RUNNING = (
    TrialState.COMPLETE,
    TrialState.PRUNED,
    TrialState.FAIL,
    TrialState.RUNNING,
)


@pytest.fixture(params=["memory", "waiting"])
def study(request: pytest.FixtureRequest) -> Any:
    return async_study(storage=WaitingStorage() if request.param == "waiting" else None)


@pytest.mark.parametrize("kind", LOOPS)
def test_value(study: Any, kind: str) -> None:
    """`trial.tell` says the value; it is recorded when the block is left."""

    async def main() -> None:
        async with study.trial() as trial:
            x = trial.suggest_float("x", 0, 1)
            trial.report(x, 0)
            assert not await trial.should_prune()
            trial.tell(x)
            assert states(study) == [RUNNING]
        assert states(study) == [COMPLETE]
        assert study.trials[0].value == x
        assert study.best_params == {"x": x}

    run(main, kind)


def test_values_of_several_objectives() -> None:
    """With several objectives there is a value for each."""

    async def main() -> None:
        study = async_study(directions=[StudyDirection.MINIMIZE] * 2)
        async with study.trial() as trial:
            trial.tell([1, 2.5])
        assert study.trials[0].values == [1.0, 2.5]

    run(main)


@pytest.mark.parametrize("state", [PRUNED, FAIL])
def test_state(study: Any, state: TrialState) -> None:
    """`trial.tell(state=...)` ends the trial otherwise."""

    async def main() -> None:
        async with study.trial() as trial:
            trial.report(3.0, 2)
            trial.tell(state=state)
        assert states(study) == [state]
        assert study.trials[0].value == (3.0 if state is PRUNED else None)
        assert study._session.store.history.n_trials == 1

    run(main)


@pytest.mark.parametrize("pruned", [ahpo.TrialPruned, optuna.TrialPruned], ids=["ahpo", "optuna"])
def test_pruned(study: Any, pruned: type[Exception]) -> None:
    """`TrialPruned` prunes the trial and ends with the block."""

    async def main() -> None:
        async with study.trial() as trial:
            trial.report(3.0, 0)
            raise pruned
        assert states(study) == [PRUNED]
        assert study.trials[0].value == 3.0

    run(main)


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), SystemExit(2)], ids=repr)
def test_exception(study: Any, error: BaseException, told: bool) -> None:
    """Any other exception fails the trial and goes on, also after a `tell`."""

    async def main() -> None:
        with pytest.raises(type(error)) as raised:
            async with study.trial() as trial:
                if told:
                    trial.tell(1.0)
                raise error
        assert raised.value is error
        assert_clean(study)
        assert reasons(study) == [repr(error)]

    run(main)


def test_cancellation(study: Any) -> None:
    """A block that is cancelled fails its trial, and the cancellation goes on."""

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10), study.trial():
                await asyncio.sleep(3600)
        assert_clean(study)
        assert reasons(study) == ["cancelled"]

    run(main, "virtual")


def test_forgotten_tell(study: Any) -> None:
    """Leaving the block without a value is an error that says what to do."""

    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"trial 0 was left without a value.*trial.tell"):
            async with study.trial() as trial:
                trial.suggest_float("x", 0, 1)
        assert_clean(study)
        assert reasons(study) == ["the block was left without a value"]
        async with study.trial() as trial:
            trial.tell(1.0)
        assert states(study) == [FAIL, COMPLETE]

    run(main)


def test_tell_twice(study: Any) -> None:
    """The end of a trial is told once; the second one is refused, and the first one counts."""

    async def main() -> None:
        async with study.trial() as trial:
            trial.tell(1.0)
            with pytest.raises(ValueError, match="trial 0 was told before"):
                trial.tell(2.0)
        assert study.trials[0].value == 1.0

    run(main)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": 1.0, "state": FAIL}, "`values` must be None"),
        ({"values": None, "state": COMPLETE}, "`values`"),
        ({"values": [1.0, 2.0], "state": COMPLETE}, "number of the values 2"),
        ({"values": 1.0, "state": RUNNING}, "`state` must be"),
    ],
)
def test_wrong_tell(study: Any, arguments: dict[str, Any], message: str) -> None:
    """A `tell` that contradicts itself is refused, and can be done better."""

    async def main() -> None:
        async with study.trial() as trial:
            with pytest.raises(ValueError, match=message):
                trial.tell(**arguments)
            trial.tell(4.0)
        assert study.trials[0].value == 4.0

    run(main)


def test_useless_value_fails(study: Any) -> None:
    """NaN makes a failed trial and a warning, as `study.tell` does."""

    async def main() -> None:
        async with study.trial() as trial:
            with pytest.warns(UserWarning, match="not acceptable"):
                trial.tell(math.nan)
        assert "not acceptable" in reasons(study)[0]
        assert_clean(study)

    run(main)


def test_told_by_the_study_inside() -> None:
    """Telling the study instead of the trial ends it; the block then says that it is too late."""

    async def main() -> None:
        study = async_study()
        with pytest.raises(UpdateFinishedTrialError, match="Trial#0 has already finished"):
            async with study.trial() as trial:
                await study.tell(trial, 1.0)
        assert study.trials[0].value == 1.0
        assert_clean(study)

    run(main)


def test_blocks_side_by_side(study: Any) -> None:
    """Blocks may run at the same time, also beside `optimize`."""

    async def one(value: float) -> None:
        async with study.trial() as trial:
            await asyncio.sleep(0)
            trial.suggest_float("x", 0, 1)
            await asyncio.sleep(0)
            trial.tell(value)

    async def objective(trial: Any) -> float:
        await asyncio.sleep(0)
        return 0.5

    async def main() -> None:
        blocks = (one(float(n)) for n in range(20))
        await asyncio.gather(*blocks, study.optimize(objective, n_trials=20, n_jobs=3))
        assert_clean(study)
        assert states(study) == [COMPLETE] * 40

    run(main)


class RaisingSampler(BaseSampler):
    def __init__(self, where: str) -> None:
        self._where = where

    def _maybe_raise(self, where: str) -> None:
        if where == self._where:
            raise ValueError(f"{where} failed")

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        self._maybe_raise("sample_relative")
        return {}

    def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
        self._maybe_raise("sample_independent")
        return 0.5

    def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
        self._maybe_raise("after_trial")


def test_sampler_raises_at_the_start() -> None:
    """The block is not entered, and the trial is failed."""

    async def main() -> None:
        study = async_study(sampler=RaisingSampler("sample_relative"))
        with pytest.raises(ValueError, match="sample_relative failed"):
            async with study.trial():
                pytest.fail("it was entered")
        assert_clean(study)
        assert reasons(study) == ["ValueError('sample_relative failed')"]

    run(main)


def test_sampler_raises_at_the_end() -> None:
    """The value is recorded, and the sampler's error is raised."""

    async def main() -> None:
        study = async_study(sampler=RaisingSampler("after_trial"))
        with pytest.raises(ValueError, match="after_trial failed"):
            async with study.trial() as trial:
                trial.tell(1.0)
        assert study.trials[0].value == 1.0

    run(main)


def test_storage_refuses_the_end() -> None:
    """If the end can not be written, the storage's error is raised, and the trial failed."""

    async def main() -> None:
        storage = WaitingStorage()
        study = async_study(storage=storage)
        with pytest.raises(StorageInternalError, match="was refused"):
            async with study.trial() as trial:
                storage.fail_before = len(storage.operations) + 1
                trial.tell(1.0)
        assert_clean(study)
        assert states(study) == [FAIL]

    run(main)


def test_ask_with_distributions_that_fail() -> None:
    """An `ask` that raises leaves no trial running, since nobody could tell its end."""
    distributions: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1)}

    async def main() -> None:
        study = async_study(sampler=RaisingSampler("sample_independent"))
        with pytest.raises(ValueError, match="sample_independent failed"):
            await study.ask(distributions)
        assert_clean(study)
        assert reasons(study) == ["ValueError('sample_independent failed')"]

    run(main)
    plain = sync_study(sampler=RaisingSampler("sample_independent"))
    with pytest.raises(ValueError, match="sample_independent failed"):
        plain.ask(distributions)
    assert_clean(plain)


def test_tell_runs_the_whole_life(study: Any) -> None:
    """`ask` and `tell` by hand, by trial and by number."""

    async def main() -> None:
        first = await study.ask({"x": FloatDistribution(0, 1)})
        second = await study.ask()
        assert set(first.params) == {"x"}
        assert_clean(study, running=[0, 1])
        frozen = await study.tell(second.number, 2.0)
        assert (frozen.number, frozen.value) == (1, 2.0)
        await study.tell(first, 1.0)
        assert states(study) == [COMPLETE] * 2
        skipped = await study.tell(first, 3.0, skip_if_finished=True)
        assert skipped.value == 1.0
        with pytest.raises(ValueError, match="COMPLETE"):
            await study.tell(first, 3.0)

    run(main)
