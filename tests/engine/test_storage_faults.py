"""A storage that fails at its n-th operation, before or after it happened, and one that is slow."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from ahpo.engine.loop_place import FINAL_WRITE
from ahpo.exceptions import StorageInternalError
from ahpo.states import TrialState
from tests.engine.faults import WaitingStorage
from tests.engine.loops import run
from tests.engine.programs import PROGRAMS, Acknowledged, Program, assert_nothing_lost, objective
from tests.engine.studies import assert_clean, async_study, reasons, states


async def fails_at(program: Program, storage: WaitingStorage) -> str:
    """Run the program; return the name of the operation that failed, or "" if none was left to."""
    study, said = async_study(storage=storage), Acknowledged()
    fatal = storage.fail_before or storage.fail_after or 0
    if fatal:
        with pytest.raises(StorageInternalError, match=f"operation {fatal}, ") as raised:
            await program(study, said)
        assert raised.value.__class__ is StorageInternalError  # itself, in no group
    name = storage.operations[fatal - 1]
    # A trial that was started without its number becoming known is found by its lease.
    lost = name == "start" and storage.fail_after is not None
    await assert_nothing_lost(study, said, range(len(study.trials)) if lost else ())
    return name


@pytest.mark.parametrize("program", PROGRAMS)
def test_operation_refused(program: Program) -> None:
    """Whichever operation fails, its error leaves as itself and no trial is left running."""
    n_operations = _count(program)
    names = {run(partial(fails_at, program, WaitingStorage(n))) for n in range(1, n_operations + 1)}
    assert {"start", "finish"} <= names


@pytest.mark.parametrize("program", PROGRAMS)
def test_answer_lost(program: Program) -> None:
    """Whichever operation happens without saying so, no trial runs whose number is known."""
    n_operations = _count(program)
    for n in range(1, n_operations + 1):
        run(partial(fails_at, program, WaitingStorage(None, n)))


def _count(program: Program) -> int:
    storage = WaitingStorage()

    async def main() -> None:
        await program(async_study(storage=storage), Acknowledged())

    run(main)
    return len(storage.operations)


class DeadStorage(WaitingStorage):
    """Refuse everything from the first end of a trial on."""

    async def operation(self, name: str, work: Any, *args: Any) -> Any:
        if name == "finish" or "finish" in self.operations:
            self.operations.append("finish")
            raise StorageInternalError("the server is gone")
        return await super().operation(name, work, *args)


def test_storage_that_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    """With no storage to write to, `optimize` still ends, with the storage's error."""

    async def main() -> None:
        study = async_study(storage=DeadStorage())
        with pytest.raises(StorageInternalError, match="gone"):
            await study.optimize(objective, n_trials=20, n_jobs=5)
        assert not study._session.runs
        assert set(states(study)) == {TrialState.RUNNING}  # there was nowhere to write it
        assert len(study.trials) == 5

    run(main)


def test_write_that_hangs_is_given_up_after_a_while() -> None:
    """The final write waits for a slow storage, but not for ever."""

    async def main() -> None:
        storage = WaitingStorage()
        study = async_study(storage=storage)
        trial = await study.ask()
        storage.seconds = 10 * FINAL_WRITE
        start = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await study.tell(trial, 1.0)
        waited = asyncio.get_running_loop().time() - start
        assert waited == pytest.approx(FINAL_WRITE)

    run(main, "virtual")


def test_cancelled_trials_are_written_by_a_slow_storage() -> None:
    """`optimize` that is cancelled returns when its trials are recorded, not earlier."""

    async def main() -> None:
        storage = WaitingStorage(seconds=5.0)
        study = async_study(storage=storage)
        loop = asyncio.get_running_loop()
        started = asyncio.Event()

        async def waits(trial: Any) -> None:
            started.set()
            await asyncio.sleep(3600)

        task = loop.create_task(study.optimize(waits, n_trials=3, n_jobs=3))
        await started.wait()
        await asyncio.sleep(60)
        before = loop.time()
        task.cancel()
        loop.call_later(1.0, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert loop.time() - before == pytest.approx(5.0)
        assert_clean(study)
        assert reasons(study) == ["cancelled"] * 3

    run(main, "virtual")
