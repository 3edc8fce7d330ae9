"""g(x) of each parameter for itself: the density of the trials that are not good.

As l(x), but with one bandwidth for all kernels, the mean distance to a neighbour. Numeric
parameters are a sum over n kernels for each of m candidates, in float32. Parameters with few
values need only the total weight of the kernels at each value.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import log, pi
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ahpo.samplers.tpe.kernels import LEAST_MASS, Kernels, choice_tables, single_bandwidth
from ahpo.samplers.tpe.rows import Pending, UnitRows
from ahpo.samplers.tpe.space import COARSE, Candidates, Floats, Ints, UnitSpace

__all__ = ("log_rest_singly",)

Floats32 = NDArray[np.float32]

_LOG_ROOT_2_PI = 0.5 * log(2.0 * pi)
_LEAST_LOG = np.float32(-60.0)
_AT_ONCE = 1 << 20  # kernels at candidates, so that memory stays small and in the cache
_EPOCHS = 2


class _Features(NamedTuple):
    """Hold the first ``n`` rows: ``unit`` (dn, capacity) and the inverse mass in the range."""

    space: UnitSpace
    bandwidth: float
    n: int
    unit: Floats32
    inverse: Floats32


def _features_of(rows: UnitRows, cache: dict[Hashable, Any], bandwidth: float) -> _Features:
    """Return the features of ``rows``, extended from what ``cache`` holds for this bandwidth."""
    key = ("tpe", "single", rows.space.names)
    found: tuple[_Features, ...] = cache.get(key, ())
    known = [features for features in found if features.space is rows.space]
    features = next((f for f in known if f.bandwidth == bandwidth), None)
    if features is None:
        empty = np.empty((len(rows.space.numeric), 0), np.float32)
        features = _Features(rows.space, bandwidth, 0, empty, empty)
    if features.n < rows.n:
        start, end = features.n, rows.n
        _, _, _, unit, inverse = features
        if end > unit.shape[1]:
            unit = np.empty((len(unit), len(rows.usable)), np.float32)
            inverse = np.empty_like(unit)
            unit[:, :start] = features.unit[:, :start]
            inverse[:, :start] = features.inverse[:, :start]
        new = np.where(rows.usable[start:end], rows.unit[:, start:end], 0.5)
        unit[:, start:end] = new
        inverse[:, start:end] = 1.0 / _mass(new, bandwidth)
        features = features._replace(n=end, unit=unit, inverse=inverse)
        rest = [f for f in known if f.bandwidth != bandwidth]
        cache[key] = (features, *rest[: _EPOCHS - 1])
    return features


def _mass(unit: Floats, bandwidth: float) -> Floats:
    """Return how much of kernels is in the range."""
    from scipy.special import ndtr

    mass: Floats = ndtr((1.0 - unit) / bandwidth)
    mass -= ndtr(unit / -bandwidth)
    return mass


def log_rest_singly(
    candidates: Candidates,
    rows: UnitRows,
    pending: Pending,
    cache: dict[Hashable, Any],
    weights: Floats,
    n_kernels: int,
    log_prior: Floats,
    kernels: Kernels,
) -> Floats:
    """Return the logarithm of g of each parameter at the candidates, (m, D), but for constants.

    :param candidates: the m candidates.
    :param rows: the finished trials, of which the first n count.
    :param pending: the p running trials.
    :param cache: where features are kept.
    :param weights: (n + p,), 0 for the rows that do not belong to g.
    :param n_kernels: how many trials belong to g.
    :param log_prior: the logarithm of the prior at the candidates, (m, D).
    :param kernels: how kernels are made.
    """
    space = rows.space
    n = len(weights) - pending.unit.shape[1]
    log_prior = log_prior + kernels.log_prior_weight
    if n_kernels == 0:
        return log_prior
    bandwidth = single_bandwidth(n_kernels, kernels)
    is_coarse = (space.cells > 0) & (space.cells <= COARSE)
    coarse, smooth = np.flatnonzero(is_coarse), np.flatnonzero(~is_coarse)
    dn = len(space.cells)
    total = np.empty_like(log_prior)
    if len(smooth):
        features = _features_of(rows, cache, bandwidth)
        unit, scaled = features.unit[:, :n], features.inverse[:, :n] * weights[:n].astype(np.float32)
        if pending.unit.shape[1]:
            unit = np.concatenate((unit, pending.unit), axis=1, dtype=np.float32)
            more = weights[n:] / _mass(pending.unit, bandwidth)
            scaled = np.concatenate((scaled, more), axis=1, dtype=np.float32)
        total[:, smooth] = _log_smooth(space, candidates, smooth, unit, scaled, bandwidth)
    if len(coarse):
        unit = np.concatenate((rows.unit[coarse, :n], pending.unit[coarse]), axis=1)
        at_values = _weights_at(space.cells_of(coarse, unit), weights, np.full(len(coarse), COARSE))
        masses = np.exp(space.log_masses(coarse, bandwidth, truncated=True))
        cells = candidates.cell[:, np.searchsorted(space.discrete, coarse)]
        found = (masses * at_values.reshape(-1, 1, COARSE)).sum(axis=2)[np.arange(len(coarse)), cells]
        total[:, coarse] = np.log(np.maximum(found, LEAST_MASS))
    if len(space.n_choices):
        same, other = choice_tables(space.n_choices, n_kernels + 1, kernels)
        choice = np.concatenate((rows.choice[:, :n], pending.choice), axis=1)
        at_values = _weights_at(choice, weights, space.n_choices)
        first = np.cumsum(space.n_choices) - space.n_choices
        found = other * weights.sum() + (same - other) * at_values[first + candidates.choice]
        total[:, dn:] = np.log(found)
    return np.logaddexp(total, log_prior, out=total)


def _weights_at(value: Ints, weights: Floats, counts: Ints) -> Floats:
    """Return the total weight at each value of each parameter, one parameter after the other.

    :param value: (d, n), indices; those of rows without weight may be anything below ``counts``.
    :param weights: (n,).
    :param counts: the number of values of each parameter, (d,).
    """
    return np.concatenate(
        [
            np.bincount(row, weights, minlength=count)
            for row, count in zip(value, counts.tolist(), strict=True)
        ]
    )


def _log_smooth(
    space: UnitSpace,
    candidates: Candidates,
    smooth: Ints,
    unit: Floats32,
    scaled: Floats32,
    bandwidth: float,
) -> Floats:
    """Return the logarithm of the sum of kernels at candidates, (m, len(smooth))."""
    m, n = len(candidates.unit), unit.shape[1]
    variance = np.full((len(smooth), m), bandwidth**2)
    log_width = np.zeros((len(smooth), m))
    fine = np.flatnonzero(space.cells[smooth])
    if len(fine):
        at = np.searchsorted(space.discrete, smooth[fine])
        width = (candidates.upper[:, at] - candidates.lower[:, at]).T
        variance[fine] += width * width / 12.0
        log_width[fine] = np.log(width) - _LOG_ROOT_2_PI
    points = candidates.unit[:, smooth].T
    factor = np.sqrt(0.5 / variance).astype(np.float32)
    total = np.empty((len(smooth), m), np.float32)
    step = max(_AT_ONCE // (m * n), 1)
    for start in range(0, len(smooth), step):
        part = slice(start, start + step)
        axes = smooth[part]
        logs = np.subtract(
            points[part].astype(np.float32)[:, :, None], unit[axes, None, :], dtype=np.float32
        )
        logs *= factor[part, :, None]
        logs *= logs
        np.negative(logs, out=logs)
        # What is so small adds nothing, and would become subnormal numbers, which are slow.
        np.maximum(logs, _LEAST_LOG, out=logs)
        np.exp(logs, out=logs)
        np.matmul(logs, scaled[axes, :, None], out=total[part, :, None])
    result: Floats = np.log(total.astype(float)) - 0.5 * np.log(variance) + log_width
    return result.T
