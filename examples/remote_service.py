"""Tune against a training service: 32 trainings at once, and no epoch more than needed.

    python examples/remote_service.py [--trials 128] [--jobs 32] [--epochs 20] [--latency 0.2]

Starts the service of training_service.py as a process of its own, and asks it over HTTP to train
classifiers on real data. Each epoch's score arrives as a line of JSON; when the pruner says so, the
objective hangs up, and the service stops that training. One process and one event loop hold all the
conversations. At the end it prints what concurrency and pruning saved.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

import ahpo
from ahpo import aio

SERVICE = Path(__file__).with_name("training_service.py")
MEASURED_ALONE = 3


@asynccontextmanager
async def training_service(latency: float) -> AsyncIterator[httpx.AsyncClient]:
    """Start the service, yield a client of it, and see the service end in any case."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SERVICE), "--latency", str(latency)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C in the terminal is for us alone: we end the service
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = (await process.stdout.readline()).decode().strip()
        if not address:
            raise RuntimeError(f"{SERVICE.name} ended before it printed its address")
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=address, limits=limits, timeout=60) as client:
            yield client
    finally:
        process.stdin.close()  # ends the service, also if this process is killed
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def scores(response: httpx.Response) -> AsyncIterator[tuple[int, float]]:
    """Yield each epoch and its accuracy, as the service reports them."""
    response.raise_for_status()
    async for line in response.aiter_lines():
        score = json.loads(line)
        yield score["epoch"], score["accuracy"]


async def tune(client: httpx.AsyncClient, args: argparse.Namespace) -> ahpo.AsyncStudy:
    """Run the study, and return it."""

    async def objective(trial: ahpo.AsyncTrial) -> float:
        job = {
            "loss": trial.suggest_categorical("loss", ["hinge", "log_loss", "perceptron"]),
            "alpha": trial.suggest_float("alpha", 1e-7, 1e-1, log=True),
            "eta0": trial.suggest_float("eta0", 1e-4, 1e1, log=True),
            "epochs": args.epochs,
        }
        accuracy = 0.0
        async with client.stream("POST", "/train", json=job) as response:
            async for epoch, accuracy in scores(response):
                trial.report(accuracy, epoch)
                if await trial.should_prune():
                    raise ahpo.TrialPruned()  # leaving the block hangs up
        return accuracy

    async with aio.create_study(
        direction="maximize",
        sampler=ahpo.samplers.TPESampler(seed=0),
        pruner=ahpo.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=3),
    ) as study:
        await study.optimize(
            objective,
            n_trials=args.trials,
            n_jobs=args.jobs,
            catch=(httpx.HTTPError,),  # a lost connection fails its trial, not the study
            callbacks=[print_progress],
        )
    return study


def print_progress(study: ahpo.Study, trial: ahpo.trial.FrozenTrial) -> None:
    """Print a line whenever a trial is the best so far."""
    if trial.state == ahpo.trial.TrialState.COMPLETE and trial.number == study.best_trial.number:
        print(f"trial {trial.number:3}: accuracy {trial.value:.4f}, the best so far", flush=True)


async def seconds_per_epoch_alone(
    client: httpx.AsyncClient, study: ahpo.AsyncStudy, epochs: int
) -> float:
    """Repeat a few of the trials to their end, one at a time, and measure the time of an epoch."""
    n = len(study.trials)
    sample = [study.trials[i * (n - 1) // (MEASURED_ALONE - 1)] for i in range(MEASURED_ALONE)]
    started = time.perf_counter()
    for trial in sample:
        job = {**trial.params, "epochs": epochs}
        async with client.stream("POST", "/train", json=job) as response:
            async for _ in scores(response):
                pass
    return (time.perf_counter() - started) / (epochs * len(sample))


async def service_counts(client: httpx.AsyncClient) -> dict[str, int]:
    """Ask the service what it did, once it has noticed the last hang-up."""
    while True:
        counts: dict[str, int] = (await client.get("/statistics")).json()
        if counts["running"] == 0:
            return counts
        await asyncio.sleep(0.05)


def print_savings(
    study: ahpo.AsyncStudy, args: argparse.Namespace, trained: int, wall: float, per_epoch: float
) -> None:
    """Compare the time it took with that of the same epochs, and of all epochs, one at a time."""
    wanted = len(study.trials) * args.epochs
    all_alone, needed_alone = wanted * per_epoch, trained * per_epoch
    rows = [
        (f"one at a time, all {wanted} epochs", all_alone, "estimated"),
        (f"one at a time, the {trained} epochs trained", needed_alone, "estimated"),
        (f"{args.jobs} at a time, the {trained} epochs trained", wall, "measured"),
    ]
    for what, seconds, how in rows:
        print(f"  {what:<40} {seconds:7.1f} s {how}")
    print(
        f"Pruning saved {all_alone - needed_alone:.1f} s ({1 - trained / wanted:.0%}); concurrency "
        f"saved {needed_alone - wall:.1f} s more ({needed_alone / wall:.1f} times as fast)."
    )
    print(
        f"(Estimated: {per_epoch:.4f} s per epoch, measured on {MEASURED_ALONE} of the trials "
        "trained again, to the end and alone.)"
    )


async def main(args: argparse.Namespace) -> None:
    ahpo.logging.set_verbosity(ahpo.logging.WARNING)
    async with training_service(args.latency) as client:
        print(f"training service: {client.base_url}, epochs with {args.latency} s of added latency")
        started = time.perf_counter()
        study = await tune(client, args)
        wall = time.perf_counter() - started
        counts = await service_counts(client)
        per_epoch = await seconds_per_epoch_alone(client, study, args.epochs)

    print(f"\nbest accuracy {study.best_value:.4f} with {study.best_params}")
    print(f"{len(study.trials)} trials of up to {args.epochs} epochs:")
    print_savings(study, args, counts["epochs"], wall, per_epoch)
    reported = sum(len(trial.intermediate_values) for trial in study.trials)
    print(
        f"The service counted {counts['epochs']} epochs (we read {reported}), {counts['finished']} "
        f"trainings finished, and {counts['hung_up']} that we hung up on."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=128)
    parser.add_argument("--jobs", type=int, default=32, help="trainings at once")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds added to each epoch")
    try:
        asyncio.run(main(parser.parse_args()))
    except KeyboardInterrupt:
        sys.exit("interrupted; the service has ended")
