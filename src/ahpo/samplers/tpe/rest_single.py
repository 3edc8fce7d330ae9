"""g(x) of each parameter for itself: the density of the trials that are not good.

As l(x), but with one bandwidth for all kernels, the mean distance to a neighbour. Smooth parameters
are a sum over n kernels for each of m candidates, in float32; a cell of width h widens the kernel's
variance by h**2 / 12. The others need only the total weight of the kernels at each value.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import log, pi
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ahpo.samplers.tpe.kernels import (
    LEAST_MASS,
    Kernels,
    choice_tables,
    rounded,
    shared_tables,
    single_bandwidth,
)
from ahpo.samplers.tpe.rows import Pending, UnitRows
from ahpo.samplers.tpe.space import Candidates, Floats, Ints, UnitSpace

__all__ = ("log_rest_singly",)

Floats32 = NDArray[np.float32]

_LOG_ROOT_2_PI = 0.5 * log(2.0 * pi)
_LEAST_LOG = np.float32(-60.0)
_AT_ONCE = 1 << 20  # kernels at candidates, so that memory stays small and in the cache


class _Factors(NamedTuple):
    """Hold the first ``n`` rows: ``unit`` (ds, capacity) and the inverse mass in the range."""

    space: UnitSpace
    bandwidth: float
    n: int
    unit: Floats32
    inverse: Floats32


def _factors_of(rows: UnitRows, cache: dict[Hashable, Any], bandwidth: float) -> _Factors:
    """Return the factors of ``rows``, extended from what ``cache`` holds for this bandwidth."""
    space = rows.space
    key = ("tpe", "single", space.names)
    found: tuple[_Factors, ...] = cache.get(key, ())
    factors = rest = None
    for known in found:
        if known.space is space and known.bandwidth == bandwidth:
            factors = known
        else:
            rest = known
    if factors is None:
        empty = np.empty((space.smooth, 0), np.float32)
        factors = _Factors(space, bandwidth, 0, empty, empty)
        rest = found[0] if found else None
    if factors.n < rows.n:
        start, end = factors.n, rows.n
        _, _, _, unit, inverse = factors
        if end > unit.shape[1]:
            unit = np.empty((len(unit), len(rows.at)), np.float32)
            inverse = np.empty_like(unit)
            unit[:, :start] = factors.unit[:, :start]
            inverse[:, :start] = factors.inverse[:, :start]
        unit[:, start:end] = rows.unit[:, start:end]
        inverse[:, start:end] = 1.0 / _mass(rows.unit[:, start:end], bandwidth)
        factors = _Factors(space, bandwidth, end, unit, inverse)
        cache[key] = (factors,) if rest is None else (factors, rest)
    return factors


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
    weights: Floats32,
    n_kernels: int,
    log_prior: Floats,
    kernels: Kernels,
) -> Floats:
    """Return the logarithm of g of each parameter at the candidates, (m, D), but for constants.

    :param candidates: the m candidates.
    :param rows: the finished trials, of which the first n count.
    :param pending: the p running trials.
    :param cache: where factors are kept.
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
    bandwidth = single_bandwidth(rounded(n_kernels, 5), kernels)
    total = np.empty_like(log_prior)
    if space.smooth:
        factors = _factors_of(rows, cache, bandwidth)
        unit, scaled = factors.unit[:, :n], factors.inverse[:, :n] * weights[:n]
        if len(weights) > n:
            unit = np.concatenate((unit, pending.unit), axis=1, dtype=np.float32)
            more = weights[n:] / _mass(pending.unit, bandwidth)
            scaled = np.concatenate((scaled, more), axis=1, dtype=np.float32)
        total[:, : space.smooth] = _log_smooth(space, candidates, unit, scaled, bandwidth)
    if len(space.counts):
        index = np.concatenate((rows.indices[:, :n], pending.indices), axis=1)
        mass = _mass_of_indexed(
            space, candidates.indices, index, weights, bandwidth, n_kernels, kernels
        )
        np.log(np.maximum(mass, LEAST_MASS), out=total[:, space.smooth :])
    return np.logaddexp(total, log_prior, out=total)


def _log_smooth(
    space: UnitSpace, candidates: Candidates, unit: Floats32, scaled: Floats32, bandwidth: float
) -> Floats:
    """Return the logarithm of the sum of kernels at candidates, (m, ds)."""
    m, n = len(candidates.unit), unit.shape[1]
    width = np.empty((space.smooth, m))
    width[: space.plain] = space.cell_width[:, None]
    width[space.plain :] = (candidates.upper - candidates.lower).T
    variance = width * width / 12.0 + bandwidth**2
    points = candidates.unit.T.astype(np.float32)
    factor = np.sqrt(0.5 / variance).astype(np.float32)
    total = np.empty((space.smooth, m), np.float32)
    step = max(_AT_ONCE // (m * n), 1)
    for start in range(0, space.smooth, step):
        part = slice(start, start + step)
        logs = points[part, :, None] - unit[part, None, :]
        logs *= factor[part, :, None]
        logs *= logs
        np.negative(logs, out=logs)
        # What is so small adds nothing, and would become subnormal numbers, which are slow.
        np.maximum(logs, _LEAST_LOG, out=logs)
        np.exp(logs, out=logs)
        np.matmul(logs, scaled[part, :, None], out=total[part, :, None])
    result: Floats = np.log(total.astype(float))
    result -= 0.5 * np.log(variance)
    result[space.plain :] += np.log(width[space.plain :]) - _LOG_ROOT_2_PI
    return result.T


def _mass_of_indexed(
    space: UnitSpace,
    chosen: Ints,
    index: Ints,
    weights: Floats32,
    bandwidth: float,
    n_kernels: int,
    kernels: Kernels,
) -> Floats:
    """Return the sum of kernels at candidates ``chosen`` (m, dt + dw), likewise (m, dt + dw)."""
    most = int(space.counts.max())
    # The total weight of the kernels at each value of each parameter.
    at_values = np.empty((len(space.counts), most))
    for row, values in enumerate(index):
        at_values[row] = np.bincount(values, weights, minlength=most)
    mass = np.empty(chosen.shape)
    t = space.n_tables
    places = np.arange(len(space.counts))
    if t:
        tables = shared_tables(space, bandwidth, n_kernels + 1, kernels)
        sums = np.matmul(tables, at_values[:t, : tables.shape[1], None])[:, :, 0]
        mass[:, :t] = sums[places[:t], chosen[:, :t]]
    if t < len(space.counts):
        same, other = choice_tables(space.counts, n_kernels + 1, kernels)
        own = at_values[places, chosen][:, t:]
        mass[:, t:] = other[t:] * weights.sum(dtype=float) + (same - other)[t:] * own
    return mass
