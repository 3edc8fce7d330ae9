"""Cancellation at every await: of `optimize`, `stream`, `study.trial()`, `ask` and `tell`.

Each test runs a small program again and again, and cancels it at its first, second, third, ...
suspension until it is through. Whatever was cancelled, the study is clean and can go on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import anyio
import pytest

from ahpo.samplers.random import RandomSampler
from ahpo.storages.memory import InMemoryStorage
from tests.engine.faults import WaitingStorage
from tests.engine.loops import run
from tests.engine.programs import (
    PROGRAMS,
    Acknowledged,
    Program,
    ask_and_tell,
    assert_nothing_lost,
    objective,
    optimize,
)
from tests.engine.studies import async_study
from tests.engine.suspensions import Suspensions


def cancel_task(task: asyncio.Task[Any], name: str, main: asyncio.Task[Any], scope: Any) -> None:
    # Whoever cancels a write itself makes a fault of the storage: nobody knows how it ended.
    if name != "_bounded":
        task.cancel()


def cancel_main(task: asyncio.Task[Any], name: str, main: asyncio.Task[Any], scope: Any) -> None:
    main.cancel()


def cancel_scope(task: asyncio.Task[Any], name: str, main: asyncio.Task[Any], scope: Any) -> None:
    scope.cancel()


async def cancelled_at(program: Program, at: tuple[int, ...], cancel: Any, storage: Any) -> int:
    """Run the program, cancel it, and check what it has left; return how often it suspended."""
    study, said = async_study(storage=storage), Acknowledged()
    scope = anyio.CancelScope()

    async def scoped() -> None:
        with scope:
            await program(study, said)

    suspensions = Suspensions(lambda task, name: cancel(task, name, main, scope), at)
    suspensions.install()
    main = asyncio.get_running_loop().create_task(scoped())
    [error] = await asyncio.gather(main, return_exceptions=True)
    asyncio.get_running_loop().set_task_factory(None)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"{at}: {left}"

    if cancel is cancel_main:
        assert isinstance(error, asyncio.CancelledError) or suspensions.count < at[0]
    elif cancel is cancel_scope:
        assert error is None
    elif error is not None:  # a runner's own task: the study fails, and says why
        assert isinstance(error, asyncio.CancelledError) or "cancelled" in str(error)
    await assert_nothing_lost(study, said)
    return suspensions.count


def at_every_suspension(
    program: Program, cancel: Any, storage: Callable[[], Any], kind: str, then: Sequence[int] = ()
) -> int:
    """Cancel at each k-th suspension, and again ``then`` many later; return the last k."""
    k, count = 0, 0
    while count >= k:  # once through, it ends before its k-th suspension
        k += 1
        at = (k, *(k + later for later in then))
        count = run(partial(cancelled_at, program, at, cancel, storage()), kind, debug=False)
        assert k < 500
    return k


@pytest.mark.parametrize(
    ("cancel", "kind"),
    [
        (cancel_main, "asyncio"),
        (cancel_main, "uvloop"),
        (cancel_scope, "asyncio"),
        (cancel_task, "asyncio"),
    ],
)
@pytest.mark.parametrize("program", PROGRAMS)
def test_cancelled_once(program: Program, cancel: Any, kind: str) -> None:
    """Behind a storage that waits, each operation can be cut in two by a cancellation."""
    n = at_every_suspension(program, cancel, WaitingStorage, kind)
    assert n > 10


@pytest.mark.parametrize("later", [(1,), (4,), (1, 2, 3)], ids=str)
@pytest.mark.parametrize("program", PROGRAMS)
def test_cancelled_again_while_it_cleans_up(program: Program, later: tuple[int, ...]) -> None:
    """A second cancellation does not stop the writes that the first one has made necessary."""
    at_every_suspension(program, cancel_main, WaitingStorage, "asyncio", later)


@pytest.mark.parametrize("cancel", [cancel_main, cancel_scope, cancel_task])
@pytest.mark.parametrize("program", PROGRAMS)
def test_cancelled_in_memory(program: Program, cancel: Any) -> None:
    """In memory nothing waits but the objective and the scheduling around it."""
    at_every_suspension(program, cancel, InMemoryStorage, "asyncio")


class SlowSampler(RandomSampler):
    """Take so long that the engine samples in a worker thread."""

    def propose(self, view: Any, number: int) -> dict[str, float]:
        time.sleep(0.0015)
        return {}


@pytest.mark.parametrize("program", [optimize, ask_and_tell])
def test_cancelled_while_sampling_in_a_thread(program: Program) -> None:
    """A cancelled ask waits for its sampling to end, and fails the trial that it had started."""

    async def main(k: int) -> int:
        study, said = async_study(sampler=SlowSampler(seed=0)), Acknowledged()
        await study.optimize(objective, n_trials=1)  # from now on it is known to be slow
        suspensions = Suspensions(lambda task, name: cancelled.cancel(), (k,))
        suspensions.install()
        cancelled = asyncio.ensure_future(program(study, said))
        await asyncio.gather(cancelled, return_exceptions=True)
        asyncio.get_running_loop().set_task_factory(None)
        await assert_nothing_lost(study, said)
        return suspensions.count

    k, count = 0, 0
    while count >= k:
        k += 1
        count = run(partial(main, k))
