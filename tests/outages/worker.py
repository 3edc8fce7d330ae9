"""A worker as a program: ``worker.py URL HOW [ARGUMENT ...]``; it prints what was acknowledged."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import ahpo
from tests.outages.checking import opened, place_of

LEASES = {"heartbeat_interval": 0.3, "grace_period": 1.0}


async def tell_for_ever(url: str) -> None:
    """Ask and tell, several at once, and print each number and value after `tell` has returned."""
    study = await opened(place_of(url))

    async def one(after: int) -> None:
        while True:
            trial = await study.ask()
            x = trial.suggest_float("x", 0, 1)
            trial.set_user_attr("x", x)
            trial.report(x, after)
            await study.tell(trial, x)
            print(trial.number, x.hex(), flush=True)

    await asyncio.gather(*map(one, range(3)))


async def run_long(url: str, how: str) -> None:
    """Run one trial that waits for ever; print its number, and how it ended."""
    study = await opened(place_of(url, **LEASES))

    async def wait(trial: Any) -> float:
        trial.suggest_float("x", 0, 1)
        await trial.should_prune()
        print(trial.number, flush=True)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            print("cancelled", flush=True)
            raise
        return 1.0

    try:
        if how == "optimize":
            await study.optimize(wait, n_trials=1)
        elif how == "block":
            async with study.trial() as block:
                await wait(block)
        else:
            trial = await study.ask()
            trial.suggest_float("x", 0, 1)
            await trial.should_prune()
            print(trial.number, flush=True)
            while True:
                await asyncio.sleep(0.1)
                await trial.should_prune()
    except Exception as error:  # what it learns of
        print(type(error).__name__, flush=True)
    print([(t.number, t.state.name, t.value) for t in study.trials], flush=True)


def main() -> None:
    ahpo.logging.set_verbosity(ahpo.logging.ERROR)
    _, url, how = sys.argv
    asyncio.run(tell_for_ever(url) if how == "tell" else run_long(url, how))


main()
