"""From losses to one figure: the geometric mean of regret ratios, and how sure it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.runs import CHECKPOINTS

# A BBOB regret below this is as good as zero.
SOLVED = 1e-8
# A model's regret is not told apart below this part of what chance alone leaves to gain.
RESOLUTION = 0.01
RESAMPLES = 4_000

# task -> array (seeds, checkpoints) of best losses so far
Losses = dict[str, NDArray[np.float64]]


def regrets(task: str, losses: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Return regrets, arrays (seeds, checkpoints); a model's are against the best loss in any."""
    if task.startswith("bbob"):
        return [np.maximum(loss, SOLVED) for loss in losses]
    known = min(float(loss.min()) for loss in losses)
    span = float(np.median(np.concatenate([loss[:, 0] for loss in losses]))) - known
    return [np.maximum(loss - known, RESOLUTION * span) for loss in losses]


def log_ratios(mine: Losses, theirs: Losses, tasks: list[str], budget: int) -> NDArray[np.float64]:
    """Return log(regret of mine / of theirs) after `budget` trials, array (tasks, seeds)."""
    at = CHECKPOINTS.index(budget)
    rows = []
    for task in tasks:
        a, b = regrets(task, [mine[task], theirs[task]])
        rows.append(np.log(a[:, at]) - np.log(b[:, at]))
    return np.array(rows)


def geometric_mean(ratios: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the geometric mean of the ratios with its bootstrap 95 % interval.

    Tasks are drawn with replacement, and seeds within each task: array (tasks, seeds) of logs.
    """
    rng = np.random.default_rng(0)
    tasks, seeds = ratios.shape
    which_task = rng.integers(tasks, size=(RESAMPLES, tasks, 1))
    which_seed = rng.integers(seeds, size=(RESAMPLES, tasks, seeds))
    means = ratios[which_task, which_seed].mean(axis=(1, 2))
    low, high = np.percentile(means, [2.5, 97.5])
    return float(np.exp(ratios.mean())), float(np.exp(low)), float(np.exp(high))
