"""g(x) over all parameters jointly: the density of the trials that are not good.

As l(x), but with one bandwidth for all kernels, Scott's rule: there are many trials, and what
counts is where they are dense. So all that depends on a trial is a column of factors, computed once
and in float32, and the logarithms of n kernels at m candidates are one product of matrices. For
graded parameters, a cell of width h widens the kernel's variance by h**2 / 12.

Bandwidths change in steps, so the columns are rarely computed anew.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import erf, log, pi, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ahpo.samplers.tpe.good import Points
from ahpo.samplers.tpe.kernels import (
    LEAST_MASS,
    Kernels,
    choice_tables,
    rounded,
    scott_bandwidth,
    shared_tables,
)
from ahpo.samplers.tpe.rows import Pending, UnitRows
from ahpo.samplers.tpe.space import Floats, Ints, UnitSpace

__all__ = ("log_rest_jointly",)

Floats32 = NDArray[np.float32]

_NEVER = np.float32(-1e30)  # the logarithm of kernels that do not count
_LEAST_LOG = np.float32(-60.0)  # below the largest logarithm
_LOG_ROOT_2_PI = 0.5 * log(2.0 * pi)
_EPOCHS = 2  # that are kept: the number of running trials goes up and down


class _Epoch(NamedTuple):
    """Say what all kernels share as long as the rounded number of kernels stays the same.

    ``precision``: (dp,), inverse variances; ``logs``: (t, c), logarithms of the masses of all
    values of table parameters, each at kernels at the c values of its parameter.
    """

    space: UnitSpace
    n_kernels: int
    kernels: Kernels
    bandwidth: float
    precision: Floats
    bias: float
    logs: Floats32


class _Factors(NamedTuple):
    """Hold the columns of the first ``n`` rows, (F, capacity)."""

    epoch: _Epoch
    n: int
    columns: Floats32


def _new_epoch(space: UnitSpace, n_kernels: int, kernels: Kernels) -> _Epoch:
    bandwidth = scott_bandwidth(n_kernels, len(space.names), kernels)
    precision = 1.0 / (space.cell_width**2 / 12.0 + bandwidth**2)
    logs = np.empty((0, 0), np.float32)
    if space.n_tables:
        tables = shared_tables(space, bandwidth, n_kernels + 1, kernels)
        tables = tables.reshape(-1, tables.shape[2])[space.value_at]
        logs = np.log(np.maximum(tables, LEAST_MASS)).astype(np.float32)
    bias = 0.5 * float(np.log(precision).sum())
    return _Epoch(space, n_kernels, kernels, bandwidth, precision, bias, logs)


def _factors_of(
    rows: UnitRows, cache: dict[Hashable, Any], n_kernels: int, kernels: Kernels
) -> _Factors:
    """Return the columns of ``rows``, extended from what ``cache`` holds for this epoch."""
    space = rows.space
    key = ("tpe", "joint", space.names)
    found: tuple[_Factors, ...] = cache.get(key, ())
    factors = rest = None
    for known in found:
        epoch = known.epoch
        if epoch.space is space and epoch.n_kernels == n_kernels and epoch.kernels == kernels:
            factors = known
        else:
            rest = known
    if factors is None:
        epoch = _new_epoch(space, n_kernels, kernels)
        n_features = space.plain + 1 + len(epoch.logs) + 2 * (space.smooth - space.plain)
        factors = _Factors(epoch, 0, np.empty((n_features, 0), np.float32))
        rest = found[0] if found else None
    if factors.n < rows.n:
        factors = _extended(factors, rows)
        cache[key] = (factors,) if rest is None else (factors, rest)
    return factors


def _extended(factors: _Factors, rows: UnitRows) -> _Factors:
    epoch, start, columns = factors
    end = rows.n
    if end > columns.shape[1]:
        columns = np.empty((len(columns), len(rows.at)), np.float32)
        columns[:, :start] = factors.columns[:, :start]
    if end - start == 1:
        # The common case: a single trial costs less without arrays.
        point = rows.unit[:, start].tolist(), rows.indices[:, start].tolist()
        columns[:, start] = _column(epoch, *point)
    else:
        columns[:, start:end] = _columns(epoch, rows.unit[:, start:end], rows.indices[:, start:end])
    return _Factors(epoch, end, columns)


def _columns(epoch: _Epoch, unit: Floats, index: Ints) -> Floats32:
    """Return the columns of points, (F, n)."""
    from scipy.special import ndtr

    space = epoch.space
    d, n_values = space.plain, len(epoch.logs)
    columns = np.empty((d + 1 + n_values + 2 * (space.smooth - d), unit.shape[1]), np.float32)
    middle = unit - 0.5
    np.multiply(middle[:d], epoch.precision[:, None], out=columns[:d], casting="same_kind")
    bias = (middle[:d] * columns[:d]).sum(axis=0)
    bias *= -0.5
    bias += epoch.bias
    inverse = 1.0 / epoch.bandwidth
    mass = ndtr((1.0 - unit) * inverse)
    mass -= ndtr(unit * -inverse)
    bias -= np.log(mass, out=mass).sum(axis=0)
    columns[d] = bias
    if n_values:
        at = index[space.table_of]
        columns[d + 1 : d + 1 + n_values] = epoch.logs[np.arange(n_values)[:, None], at]
    if space.smooth > d:
        middle = middle[d:]
        columns[d + 1 + n_values :: 2] = middle
        columns[d + 2 + n_values :: 2] = middle * middle
    return columns


def _column(epoch: _Epoch, unit: list[float], index: list[int]) -> list[float]:
    """Return the column of one point."""
    space = epoch.space
    inverse = sqrt(0.5) / epoch.bandwidth
    bias = epoch.bias
    column: list[float] = []
    mass = 1.0
    for u, precision in zip(unit, epoch.precision.tolist(), strict=False):
        factor = (u - 0.5) * precision
        column.append(factor)
        bias -= 0.5 * factor * (u - 0.5)
    for u in unit:
        mass *= 0.5 * (erf(u * inverse) + erf((1.0 - u) * inverse))
        if mass < LEAST_MASS:
            bias -= log(mass)
            mass = 1.0
    column.append(bias - log(mass))
    if space.n_tables:
        at = np.array(index)[space.table_of]
        column += epoch.logs[np.arange(len(at)), at].tolist()
    for u in unit[space.plain :]:
        column += (u - 0.5, (u - 0.5) ** 2)
    return column


def _describe_graded(epoch: _Epoch, points: Points) -> Floats:
    """Fill the features of graded parameters; return what all kernels have in common, (m,)."""
    space = epoch.space
    candidates = points.candidates
    first = space.plain + 1 + len(epoch.logs)
    end = first + 2 * (space.smooth - space.plain)
    width = candidates.upper - candidates.lower
    precision = 1.0 / (width * width / 12.0 + epoch.bandwidth**2)
    middle = candidates.unit[:, space.plain :] - 0.5
    scaled = middle * precision
    points.features[:, first:end:2] = scaled
    points.features[:, first + 1 : end : 2] = -0.5 * precision
    logs = np.log(width * np.sqrt(precision)) - 0.5 * middle * scaled - _LOG_ROOT_2_PI
    common: Floats = logs.sum(axis=1)
    return common


def log_rest_jointly(
    points: Points,
    rows: UnitRows,
    pending: Pending,
    cache: dict[Hashable, Any],
    good: Ints,
    weights: Floats32,
    n_kernels: int,
    log_prior: Floats,
    kernels: Kernels,
) -> Floats:
    """Return the logarithm of g at the candidates, (m,), but for a constant.

    :param points: the m candidates.
    :param rows: the finished trials, of which the first n count.
    :param pending: the p running trials.
    :param cache: where factors are kept.
    :param good: rows that do not belong to g.
    :param weights: (n + p,), 0 for the rows that do not.
    :param n_kernels: how many trials belong to g.
    :param log_prior: the logarithm of the prior at the candidates, (m,).
    :param kernels: how kernels are made.
    """
    log_prior = log_prior + kernels.log_prior_weight
    if n_kernels == 0:
        return log_prior
    space = rows.space
    p = pending.unit.shape[1]
    n = len(weights) - p
    epoch, _, columns = _factors_of(rows, cache, rounded(n_kernels, 4), kernels)
    common = points.squares @ (-0.5 * epoch.precision)
    if space.smooth > space.plain:
        common += _describe_graded(epoch, points)
    features = points.features[:, : len(columns)].astype(np.float32)
    logs = np.empty((len(features), n + p), np.float32)
    np.matmul(features, columns[:, :n], out=logs[:, :n])
    if p:
        np.matmul(features, _columns(epoch, pending.unit, pending.indices), out=logs[:, n:])
    if len(space.counts) > space.n_tables:
        _add_wide(logs, points, rows, pending, kernels, n_kernels)
    logs[:, good] = _NEVER
    top = np.maximum.reduce(logs, axis=1)
    logs -= top[:, None]
    # What is so small adds nothing, and would become subnormal numbers, which are slow.
    np.maximum(logs, _LEAST_LOG, out=logs)
    np.exp(logs, out=logs)
    common += np.log(logs @ weights)
    common += top
    return np.logaddexp(common, log_prior, out=common)


def _add_wide(
    logs: Floats32,
    points: Points,
    rows: UnitRows,
    pending: Pending,
    kernels: Kernels,
    n_kernels: int,
) -> None:
    """Add the logarithms of the masses of wide parameters."""
    space = rows.space
    n = logs.shape[1] - pending.indices.shape[1]
    same, other = choice_tables(space.counts, n_kernels + 1, kernels)
    for axis in range(space.n_tables, len(space.counts)):
        chosen = np.concatenate((rows.indices[axis, :n], pending.indices[axis]))
        ratio = np.float32(log(same[axis] / other[axis]))
        logs += (chosen == points.candidates.indices[:, axis, None]) * ratio
        logs += np.float32(log(other[axis]))
