"""Ctrl-C and SIGTERM sent to this very process, while `optimize` holds its main thread."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ahpo.engine import loop_thread
from ahpo.samplers.random import RandomSampler
from tests.engine.faults import WaitingStorage
from tests.engine.loops import LOOPS, run
from tests.engine.studies import assert_clean, async_study, reasons, states, sync_study

pytestmark = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(),
    reason="signals go to the main thread",
)


def send(*signals: int) -> None:
    for signum in signals:
        os.kill(os.getpid(), signum)
        threading.Event().wait(0.05)  # or two of the same kind arrive as one


@pytest.fixture(autouse=True)
def handlers_stay() -> Any:
    """Whatever happens, the handlers are those that were there before."""
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


def waits_for_its_end(trial: Any) -> float:
    step = 0
    while True:
        trial.report(0.0, step)
        step += 1


async def waits_for_ever(trial: Any) -> float:
    await asyncio.sleep(3600)
    return 1.0


@pytest.mark.parametrize(
    ("signum", "error", "reason"),
    [
        (signal.SIGINT, KeyboardInterrupt, "KeyboardInterrupt"),
        (signal.SIGTERM, SystemExit, "SIGTERM"),
    ],
)
@pytest.mark.parametrize("kind", ["threads", "coroutines"])
def test_signal_while_a_loop_thread_works(
    kind: str, signum: int, error: type[BaseException], reason: str
) -> None:
    """The main thread only waits; a signal makes it end what runs in the other one."""
    study = sync_study()
    sent = threading.Event()

    def sends(trial: Any) -> None:
        if trial.number == 2 and not sent.is_set():
            sent.set()
            threading.Thread(target=send, args=(signum,)).start()

    def plain(trial: Any) -> float:
        sends(trial)
        return waits_for_its_end(trial)

    async def coroutine(trial: Any) -> float:
        sends(trial)
        return await waits_for_ever(trial)

    with pytest.raises(error):
        study.optimize(plain if kind == "threads" else coroutine, n_jobs=3)
    assert_clean(study)
    assert reasons(study) == [reason] * 3
    assert not study._session.runs


@pytest.mark.parametrize("kind", LOOPS)
def test_sigterm_on_a_loop(kind: str) -> None:
    """On an event loop of the main thread, SIGTERM cancels the trials, and then exits."""
    study, other = async_study(), async_study()

    async def sends(trial: Any) -> float:
        if trial.number == 2:
            asyncio.get_running_loop().call_soon(send, signal.SIGTERM)
        return await waits_for_ever(trial)

    async def main() -> None:
        await asyncio.gather(
            other.optimize(waits_for_ever, n_jobs=2), study.optimize(sends, n_jobs=3)
        )

    with pytest.raises(SystemExit) as raised:
        run(main, kind, debug=False)
    assert raised.value.code == 143
    for one in (study, other):
        assert_clean(one)
        assert set(reasons(one)) == {"SIGTERM"}


async def in_a_block(study: Any, body: Callable[[], Awaitable[Any]]) -> None:
    async with study.trial() as trial:
        await body()
        trial.tell(1.0)


async def beside_a_run(study: Any, sends: Any) -> None:
    await asyncio.gather(study.optimize(waits_for_ever, n_jobs=2), in_a_block(study, sends))


async def beside_each_other(study: Any, sends: Any) -> None:
    await asyncio.gather(in_a_block(study, sends), in_a_block(study, asyncio.Event().wait))


async def in_a_block_of_the_same_task(study: Any, sends: Any) -> None:
    await in_a_block(study, lambda: in_a_block(study, sends))


async def in_an_objective(study: Any, sends: Any) -> None:
    await async_study().optimize(lambda trial: in_a_block(study, sends), n_jobs=3)


async def around_a_run(study: Any, sends: Any) -> None:
    await in_a_block(study, lambda: study.optimize(lambda trial: sends(), n_jobs=2))


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    "blocks",
    [beside_a_run, beside_each_other, in_a_block_of_the_same_task, in_an_objective, around_a_run],
)
def test_sigterm_in_blocks(blocks: Any, waits: bool, kind: str) -> None:
    """Blocks and runs, beside or within each other, are finished before the process exits."""
    study = async_study(storage=WaitingStorage() if waits else None)

    async def sends() -> None:
        asyncio.get_running_loop().call_soon(send, signal.SIGTERM)
        await asyncio.sleep(3600)

    with pytest.raises(SystemExit) as raised:
        run(lambda: blocks(study, sends), kind, debug=False)
    assert raised.value.code == 143
    assert_clean(study)
    assert set(reasons(study)) == {"SIGTERM"}


@pytest.mark.asyncio
async def test_a_block_without_a_signal_puts_the_handler_back() -> None:
    """The fixture of this file looks whether it has."""
    study = async_study()
    for _ in range(2):
        await in_a_block(study, lambda: asyncio.sleep(0))
    with pytest.raises(RuntimeError, match="broken"):
        async with async_study(sampler=BrokenSampler()).trial():
            pass
    assert_clean(study)


class BrokenSampler(RandomSampler):
    def propose(self, view: Any, number: int) -> dict[str, float]:
        raise RuntimeError("broken")


def test_sigterm_handler_of_the_program_is_left_alone() -> None:
    """A program that handles SIGTERM itself goes on doing so."""
    study, received = async_study(), []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            received.append("SIGTERM")
            study.stop()

        loop.add_signal_handler(signal.SIGTERM, stop)
        try:

            async def objective(trial: Any) -> float:
                if trial.number == 3:
                    send(signal.SIGTERM)
                await asyncio.sleep(0)
                return 1.0

            await study.optimize(objective, n_trials=1000)
        finally:
            loop.remove_signal_handler(signal.SIGTERM)

    run(main, debug=False)
    assert received == ["SIGTERM"]
    assert 4 <= len(study.trials) < 20
    assert_clean(study)


@pytest.mark.parametrize("impatient", [False, True])
def test_threads_that_do_not_end(impatient: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are left behind some time after a second Ctrl-C, or at once after a third one."""
    monkeypatch.setattr(loop_thread, "_PATIENCE", 1000.0 if impatient else 0.1)
    study, may_end, left = sync_study(), threading.Event(), threading.Event()

    def send_again_and_again() -> None:
        send(signal.SIGINT)
        while reasons(study) != ["KeyboardInterrupt"] * 2:
            left.wait(0.01)
        send(signal.SIGINT)
        while impatient and not left.wait(0.05):
            send(signal.SIGINT)

    def stuck(trial: Any) -> float:
        if trial.number == 1:
            sender.start()
        may_end.wait(30)
        return 1.0

    def not_too_late(*_: Any) -> None:
        if not left.is_set():
            raise KeyboardInterrupt

    sender = threading.Thread(target=send_again_and_again)
    before = signal.signal(signal.SIGINT, not_too_late)
    try:
        with pytest.raises(KeyboardInterrupt):
            try:
                study.optimize(stuck, n_jobs=2)
            finally:
                left.set()
        sender.join()
        assert_clean(study)
        assert reasons(study) == ["KeyboardInterrupt"] * 2
        study.optimize(lambda trial: 1.0, n_trials=1)  # it can go on even now
        assert states(study)[2].name == "COMPLETE"
    finally:
        may_end.set()
        signal.signal(signal.SIGINT, before)
