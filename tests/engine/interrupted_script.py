"""A script that runs studies in one way, and sends itself real signals in the middle of each.

``python interrupted_script.py WAY`` prints one line of JSON for each scenario: what was raised, how
the trials ended, which threads were left, and whether the study could go on. With a scenario as the
second argument it runs only that, and what is raised ends the script.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import uvloop

import ahpo

INT, TERM = signal.SIGINT, signal.SIGTERM
SCENARIOS = {
    "ctrl-c": (INT,),
    "ctrl-c twice": (INT, INT),
    "sigterm": (TERM,),
    "sigterm twice": (TERM, TERM),
    "ctrl-c, sigterm": (INT, TERM),
    "ctrl-c three times": (INT, INT, INT),
}
N_JOBS = 3


class Signaller:
    """Send signals to this process as soon as enough trials run."""

    def __init__(self, signals: tuple[int, ...], n_running: int) -> None:
        self._signals = signals
        self._missing = n_running
        self._lock = threading.Lock()
        self.sent = threading.Event()
        self.sending = False

    def running(self) -> None:
        with self._lock:
            self._missing -= 1
            if self._missing == 0:
                self.sending = True
                threading.Thread(target=self._send, name="signaller").start()

    def _send(self) -> None:
        for signum in self._signals:
            os.kill(os.getpid(), signum)
            time.sleep(0.01)  # else two of the same kind may arrive as one
        self.sent.set()


def plain(signaller: Signaller) -> Callable[[Any], float]:
    def objective(trial: Any) -> float:
        trial.suggest_float("x", 0, 1)
        try:
            signaller.running()
            for step in range(100_000):
                trial.report(step, step)
                time.sleep(0.001)
        finally:
            signaller.sent.wait()  # it takes its time to clean up: a second signal comes meanwhile
        return 1.0

    return objective


def stuck(signaller: Signaller) -> Callable[[Any], float]:
    def objective(trial: Any) -> float:
        signaller.running()
        threading.Event().wait()  # never to call its trial again
        return 1.0

    return objective


def coroutine(signaller: Signaller, after: asyncio.Event | None = None) -> Callable[[Any], Any]:
    async def objective(trial: Any) -> float:
        trial.suggest_float("x", 0, 1)
        if after is not None:
            await after.wait()
        try:
            signaller.running()
            await asyncio.sleep(3600)
        finally:
            while not signaller.sent.is_set():  # noqa: ASYNC110
                # Mostly idle: KeyboardInterrupt, when asyncio raises it for a second Ctrl-C between
                # two lines of the loop's own code, may lose what the loop was about to do.
                await asyncio.sleep(0.05)
        return 1.0

    return objective


def coroutine_that_blocks(signaller: Signaller) -> Callable[[Any], Any]:
    async def objective(trial: Any) -> float:
        signaller.running()
        while not signaller.sent.is_set():
            # The signal arrives in the objective's own code.
            time.sleep(0.001)  # noqa: ASYNC251
        await asyncio.sleep(3600)
        return 1.0

    return objective


def in_place(study: ahpo.Study, signaller: Signaller) -> None:
    study.optimize(plain(signaller), n_jobs=1)


def threads(study: ahpo.Study, signaller: Signaller) -> None:
    study.optimize(plain(signaller), n_jobs=N_JOBS)


def stuck_threads(study: ahpo.Study, signaller: Signaller) -> None:
    study.optimize(stuck(signaller), n_jobs=N_JOBS)


def own_loop(study: ahpo.Study, signaller: Signaller) -> None:
    study.optimize(coroutine(signaller), n_jobs=N_JOBS)


def _async(study: ahpo.Study) -> Any:
    return ahpo.AsyncStudy(study._session)


def loop(study: ahpo.Study, signaller: Signaller) -> None:
    asyncio.run(_async(study).optimize(coroutine(signaller), n_jobs=N_JOBS))


def blocked_loop(study: ahpo.Study, signaller: Signaller) -> None:
    ahpo.logging.set_verbosity(ahpo.logging.ERROR)
    asyncio.run(_async(study).optimize(coroutine_that_blocks(signaller), n_jobs=1))


def uv(study: ahpo.Study, signaller: Signaller) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_async(study).optimize(coroutine(signaller), n_jobs=N_JOBS))


def loop_threads(study: ahpo.Study, signaller: Signaller) -> None:
    asyncio.run(_async(study).optimize(plain(signaller), n_jobs=N_JOBS))


def stream(study: ahpo.Study, signaller: Signaller) -> None:
    async def main() -> None:
        async with aclosing(_async(study).stream(coroutine(signaller), n_jobs=N_JOBS)) as trials:
            async for _ in trials:
                pass

    asyncio.run(main())


def two_studies(study: ahpo.Study, signaller: Signaller) -> None:
    other = ahpo.create_study()

    async def quick(trial: Any) -> float:
        return 0.0

    async def main() -> None:
        ended = asyncio.Event()

        async def ends_first() -> None:  # and leaves the other one its handler
            await _async(other).optimize(quick, n_trials=1)
            ended.set()

        optimizing = _async(study).optimize(coroutine(signaller, ended), n_jobs=N_JOBS)
        await asyncio.gather(ends_first(), optimizing)

    asyncio.run(main())


def block(study: ahpo.Study, signaller: Signaller) -> None:
    async def main() -> None:
        async with _async(study).trial() as trial:
            await coroutine(signaller)(trial)

    asyncio.run(main())


def blocks(study: ahpo.Study, signaller: Signaller) -> None:
    async def one() -> None:
        async with _async(study).trial() as trial:
            await coroutine(signaller)(trial)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(N_JOBS):
                group.create_task(one())

    asyncio.run(main())


# How many trials run when the signal comes.
WAYS: dict[str, tuple[Callable[[ahpo.Study, Signaller], None], int]] = {
    "in place": (in_place, 1),
    "threads": (threads, N_JOBS),
    "stuck threads": (stuck_threads, N_JOBS),
    "own loop": (own_loop, N_JOBS),
    "asyncio": (loop, N_JOBS),
    "blocked asyncio": (blocked_loop, 1),
    "uvloop": (uv, N_JOBS),
    "asyncio with threads": (loop_threads, N_JOBS),
    "stream": (stream, N_JOBS),
    "two studies": (two_studies, N_JOBS),
    "block": (block, 1),
    "blocks": (blocks, N_JOBS),
}


def run(way: str, scenario: str) -> dict[str, Any]:
    """Run one scenario on a new study, and return how it went."""
    run_study, n_running = WAYS[way]
    study = ahpo.create_study(sampler=ahpo.samplers.RandomSampler())
    signaller = Signaller(SCENARIOS[scenario], n_running)
    raised: BaseException | None = None
    try:
        run_study(study, signaller)
    except BaseException as error:
        raised = error
    while (
        signaller.sending and not signaller.sent.is_set()
    ):  # a second signal may still come: it meets nobody here
        try:
            signaller.sent.wait()
            time.sleep(0.05)
        except (KeyboardInterrupt, SystemExit):
            pass
    if way != "stuck threads":
        for thread in threading.enumerate():
            if thread is not threading.main_thread():
                thread.join(timeout=5)  # one that is just ending is no leak
    result = {
        "scenario": scenario,
        "raised": repr(raised),
        "states": [trial.state.name for trial in study.trials],
        "reasons": [trial.system_attrs.get("fail_reason") for trial in study.trials],
        "numbers": [trial.number for trial in study.trials],
        "threads": sorted(
            t.name for t in threading.enumerate() if t is not threading.main_thread()
        ),
        "handlers": [str(signal.getsignal(s)) for s in (INT, TERM)],
    }
    n_before = len(study.trials)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    result["went on"] = [trial.state.name for trial in study.trials[n_before:]]
    return result


def main() -> None:
    ahpo.logging.set_verbosity(ahpo.logging.CRITICAL)
    way = sys.argv[1]
    if len(sys.argv) > 2:
        run_study, n_running = WAYS[way]
        run_study(ahpo.create_study(), Signaller(SCENARIOS[sys.argv[2]], n_running))
        return
    before = [str(signal.getsignal(s)) for s in (INT, TERM)]
    for scenario in SCENARIOS:
        if (way == "stuck threads") != (scenario == "ctrl-c three times"):
            continue  # fewer signals wait for the threads that there are
        if way == "blocked asyncio" and scenario != "ctrl-c":
            continue
        result = run(way, scenario)
        result["before"] = before
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
