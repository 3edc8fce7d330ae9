"""Tune a training script that runs in child processes, and stop it whenever you like by Ctrl-C.

    python examples/subprocess_training.py [--trials 20] [--jobs 2] [--epochs 15]

Each trial is one run of train.py, which prints a line of JSON per epoch. The objective reads these
lines, and terminates the child when the pruner says so. However the study ends, no child stays
behind and no trial is left RUNNING.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import ahpo
from ahpo import aio
from ahpo.trial import TrialState

SCRIPT = Path(__file__).with_name("train.py")


@contextlib.asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run train.py, and see it end in any case: it is terminated if the block is left early."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SCRIPT), *arguments),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # children share the cores: one for each
        start_new_session=True,  # a Ctrl-C in the terminal is for us alone: we end the children
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
                process.terminate()
        try:  # a trial is cancelled once, so this is waited for
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def tune(args: argparse.Namespace) -> None:
    """Run the study; print a summary at its end, and also when it is interrupted."""

    async def objective(trial: ahpo.AsyncTrial) -> float:
        units = trial.suggest_int("units", 4, 128, log=True)
        learning_rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
        alpha = trial.suggest_float("alpha", 1e-6, 1e-1, log=True)
        arguments = [f"--units={units}", f"--learning-rate={learning_rate}", f"--alpha={alpha}"]
        accuracy = 0.0
        async with child(*arguments, f"--epochs={args.epochs}") as process:
            assert process.stdout is not None
            async for line in process.stdout:
                metrics = json.loads(line)
                accuracy = metrics["accuracy"]
                trial.report(accuracy, metrics["epoch"])
                if await trial.should_prune():
                    raise ahpo.TrialPruned()
            status = await process.wait()
        if status != 0:
            raise RuntimeError(f"{SCRIPT.name} ended with status {status}")
        return accuracy

    async with aio.create_study(
        direction="maximize",
        sampler=ahpo.samplers.TPESampler(seed=0),
        pruner=ahpo.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=2),
    ) as study:
        try:
            await study.optimize(objective, n_trials=args.trials, n_jobs=args.jobs)
        finally:
            print_summary(study)


def print_summary(study: ahpo.AsyncStudy) -> None:
    """Print how many trials ended how, and the best of them."""
    states = Counter(trial.state for trial in study.trials)
    counts = ", ".join(f"{states[state]} {state.name}" for state in TrialState)
    print(f"\n{len(study.trials)} trials: {counts}")
    if states[TrialState.COMPLETE]:
        print(f"best accuracy {study.best_value:.4f} with {study.best_params}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2, help="children at once")
    parser.add_argument("--epochs", type=int, default=15)
    try:
        asyncio.run(tune(parser.parse_args()))
    except KeyboardInterrupt:
        sys.exit("interrupted: all children have ended")
