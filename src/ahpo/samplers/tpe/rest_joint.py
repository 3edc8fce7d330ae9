"""g(x) over all parameters jointly: the density of the trials that are not good.

As l(x), but with one bandwidth for all kernels, Scott's rule: there are many trials, and what
counts is where they are dense. So the logarithms of n kernels at m candidates are a product of
matrices (m, F) and (F, n), where a kernel's column of F features is computed once, in float32:

- ``mu`` for each numeric parameter whose kernel is taken as normal, and ``mu**2`` for those of
  them that are discrete; a cell of width h widens the kernel's variance by h**2 / 12;
- one bias: ``-sum(mu**2) / (2 s**2)`` of the continuous ones, minus the logarithm of the mass
  that is in the range;
- one indicator for each value of coarse discrete parameters and of choices, whose factors are
  logarithms of exact masses.

Bandwidths change in steps, so the columns are rarely computed anew.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import log, pi
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ahpo.samplers.tpe.good import Kernels, choice_tables, smallest_bandwidth
from ahpo.samplers.tpe.rows import Pending, UnitRows
from ahpo.samplers.tpe.space import Candidates, Floats, Ints, UnitSpace

__all__ = ("JointFeatures", "joint_features", "log_joint", "scott_bandwidth")

Floats32 = NDArray[np.float32]

_COARSE = 16  # values: up to so many, a discrete parameter has a table of masses
_NARROW = 64  # choices: up to so many, each has an indicator
_NEVER = -1e30  # the bias of rows that are not usable
_LEAST_MASS = 1e-30
_LEAST_LOG = np.float32(-60.0)
_LOG_ROOT_2_PI = 0.5 * log(2.0 * pi)
_EPOCHS = 2  # bandwidths that are kept: the number of running trials goes up and down


def scott_bandwidth(n: int, d: int, kernels: Kernels) -> float:
    """Return the bandwidth of ``n`` kernels in ``d`` dimensions, equal for slightly more kernels.

    ``n`` is cut to its five leading bits, which changes the result by less than 1.3 %.
    """
    cut = max(n.bit_length() - 5, 0)
    rounded = max(n >> cut << cut, 1)
    return min(max(0.2 * rounded ** (-1.0 / (d + 4)), smallest_bandwidth(n + 1, kernels)), 1.0)


class _Layout(NamedTuple):
    """Say which parameters have which features; numeric and choice ones by their positions."""

    smooth: Ints  # mu
    fine: Ints  # mu**2, discrete
    continuous: Ints
    coarse: list[tuple[int, int, int]]  # numeric axis, first feature, number of values
    narrow: list[tuple[int, int, int]]  # choice axis, first feature, number of choices
    wide: list[int]  # choice axes
    bias: int
    n_features: int


def _layout(space: UnitSpace) -> _Layout:
    coarse_axes = [axis for axis in space.discrete.tolist() if space.cells[axis] <= _COARSE]
    fine = np.array(
        [axis for axis in space.discrete.tolist() if space.cells[axis] > _COARSE], dtype=np.intp
    )
    smooth = np.concatenate((space.continuous, fine))
    bias = len(smooth) + len(fine)
    first = bias + 1
    coarse: list[tuple[int, int, int]] = []
    narrow: list[tuple[int, int, int]] = []
    for axis in coarse_axes:
        coarse.append((axis, first, int(space.cells[axis])))
        first += int(space.cells[axis])
    for axis, count in enumerate(space.n_choices.tolist()):
        if count <= _NARROW:
            narrow.append((axis, first, count))
            first += count
    wide = [axis for axis, count in enumerate(space.n_choices.tolist()) if count > _NARROW]
    return _Layout(smooth, fine, space.continuous, coarse, narrow, wide, bias, first)


class JointFeatures(NamedTuple):
    """Hold the features of the first ``n`` rows: ``columns`` is (F, capacity), float32."""

    space: UnitSpace
    layout: _Layout
    bandwidth: float
    n: int
    columns: Floats32
    tables: list[Floats32]  # of the coarse parameters: logarithms of masses, (value, kernel)


def joint_features(rows: UnitRows, cache: dict[Hashable, Any], bandwidth: float) -> JointFeatures:
    """Return the features of ``rows``, extended from what ``cache`` holds for this bandwidth."""
    key = ("tpe", "joint", *rows.space.names)
    found: tuple[JointFeatures, ...] = cache.get(key, ())
    known = [features for features in found if features.space is rows.space]
    features = next((f for f in known if f.bandwidth == bandwidth), None)
    if features is None:
        layout = known[0].layout if known else _layout(rows.space)
        features = _no_features(rows.space, layout, bandwidth)
    if features.n < rows.n:
        features = _extended(features, rows)
        rest = [f for f in known if f.bandwidth != bandwidth]
        cache[key] = (features, *rest[: _EPOCHS - 1])
    return features


def _no_features(space: UnitSpace, layout: _Layout, bandwidth: float) -> JointFeatures:
    from scipy.special import ndtr

    tables: list[Floats32] = []
    for axis, _, _ in layout.coarse:
        edges = space.cell_edges(axis)
        centers = 0.5 * (edges[1:] + edges[:-1])
        masses = np.diff(ndtr((edges[:, None] - centers) / bandwidth), axis=0)
        tables.append(np.log(np.maximum(masses, _LEAST_MASS)).astype(np.float32))
    columns = np.empty((layout.n_features, 0), np.float32)
    return JointFeatures(space, layout, bandwidth, 0, columns, tables)


def _extended(features: JointFeatures, rows: UnitRows) -> JointFeatures:
    start, end = features.n, rows.n
    columns = features.columns
    if end > columns.shape[1]:
        columns = np.empty((len(columns), len(rows.usable)), np.float32)
        columns[:, :start] = features.columns[:, :start]
    new = columns[:, start:end]
    _set_columns(new, features, rows.unit[:, start:end], rows.choice[:, start:end])
    usable = rows.usable[start:end]
    if not usable.all():
        # Their coordinates may be anything: nothing of them must get into a product.
        new[:, ~usable] = 0.0
        new[features.layout.bias, ~usable] = _NEVER
    return features._replace(n=end, columns=columns)


def _set_columns(columns: Floats32, features: JointFeatures, unit: Floats, choice: Ints) -> None:
    """Set the features, (F, n), of points."""
    from scipy.special import ndtr

    layout, space = features.layout, features.space
    n_smooth, n_continuous = len(layout.smooth), len(layout.continuous)
    # The middle of the space is the origin here: squares stay small, and differences exact.
    middle = (unit if n_continuous == len(unit) else unit[layout.smooth]) - 0.5
    columns[:n_smooth] = middle
    inverse = 1.0 / features.bandwidth
    squares = middle[:n_continuous]
    bias = (squares * squares).sum(axis=0)
    bias *= -0.5 * inverse * inverse
    if len(layout.fine):
        columns[n_smooth : layout.bias] = middle[n_continuous:] ** 2
    if len(unit):
        mass = ndtr((1.0 - unit) * inverse)
        mass -= ndtr(unit * -inverse)
        bias -= np.log(mass, out=mass).sum(axis=0)
    columns[layout.bias] = bias
    columns[layout.bias + 1 :] = 0.0
    every = np.arange(columns.shape[1])
    for axis, first, _ in layout.coarse:
        columns[first + space.cell_of(axis, unit[axis]), every] = 1.0
    for axis, first, _ in layout.narrow:
        columns[first + choice[axis], every] = 1.0


def _factors(
    features: JointFeatures, candidates: Candidates, same: Floats, other: Floats
) -> tuple[Floats32, Floats]:
    """Return what features are multiplied by, (m, F), and what all kernels have in common, (m,)."""
    layout, space = features.layout, features.space
    m = len(candidates.unit)
    factors = np.zeros((m, layout.n_features), np.float32)
    n_continuous, n_smooth = len(layout.continuous), len(layout.smooth)
    inverse = 1.0 / features.bandwidth**2
    middle = candidates.unit[:, layout.continuous] - 0.5
    scaled = middle * inverse
    factors[:, :n_continuous] = scaled
    common: Floats = (middle * scaled).sum(axis=1)
    common *= -0.5
    common -= n_continuous * log(features.bandwidth)
    if len(layout.fine):
        at = np.searchsorted(space.discrete, layout.fine)
        cell = candidates.upper[:, at] - candidates.lower[:, at]
        variance = cell * cell / 12.0 + features.bandwidth**2
        middle = candidates.unit[:, layout.fine] - 0.5
        factors[:, n_continuous:n_smooth] = middle / variance
        factors[:, n_smooth : layout.bias] = -0.5 / variance
        logs = np.log(cell) - 0.5 * np.log(variance) - _LOG_ROOT_2_PI
        common += (logs - 0.5 * middle * middle / variance).sum(axis=1)
    factors[:, layout.bias] = 1.0
    for (axis, first, count), table in zip(layout.coarse, features.tables, strict=True):
        cell_index = candidates.cell[:, np.searchsorted(space.discrete, axis)]
        factors[:, first : first + count] = table[cell_index]
    if len(same):
        ratio = np.log(same / other)
        every = np.arange(m)
        for axis, first, _ in layout.narrow:
            factors[every, first + candidates.choice[:, axis]] = ratio[axis]
        common += np.log(other).sum()
    return factors, common


def log_joint(
    candidates: Candidates,
    rows: UnitRows,
    pending: Pending,
    cache: dict[Hashable, Any],
    good: Ints,
    weights: Floats,
    log_prior: Floats,
    kernels: Kernels,
    n: int,
) -> Floats:
    """Return the logarithm of g at the candidates, (m,), but for a constant.

    :param candidates: the m candidates.
    :param rows: the finished trials, of which the first ``n`` count.
    :param pending: the p running trials.
    :param cache: where features are kept.
    :param good: rows that do not belong to g.
    :param weights: (n + p,), 0 for the rows that do not.
    :param log_prior: the logarithm of the prior at the candidates, (m,).
    :param kernels: how kernels are made.
    :param n: how many rows.
    """
    space = rows.space
    p = pending.unit.shape[1]
    n_kernels = int(np.count_nonzero(weights))
    with np.errstate(divide="ignore"):
        log_prior = log_prior + np.log(kernels.prior_weight)
    if n_kernels == 0:
        return log_prior
    d = len(space.names)
    features = joint_features(rows, cache, scott_bandwidth(n_kernels, d, kernels))
    same, other = choice_tables(space.n_choices, n_kernels + 1, kernels)
    factors, common = _factors(features, candidates, same, other)
    logs = np.empty((len(factors), n + p), np.float32)
    np.matmul(factors, features.columns[:, :n], out=logs[:, :n])
    if p:
        columns = np.empty((len(features.columns), p), np.float32)
        _set_columns(columns, features, pending.unit, pending.choice)
        np.matmul(factors, columns, out=logs[:, n:])
    for axis in features.layout.wide:
        chosen = np.concatenate((rows.choice[axis, :n], pending.choice[axis]))
        logs += (chosen == candidates.choice[:, axis, None]) * np.float32(
            log(same[axis] / other[axis])
        )
    logs[:, good] = _NEVER
    top = logs.max(axis=1)
    logs -= top[:, None]
    # What is so small adds nothing, and would become subnormal numbers, which are slow.
    np.maximum(logs, _LEAST_LOG, out=logs)
    np.exp(logs, out=logs)
    total = logs @ weights.astype(np.float32)
    with np.errstate(divide="ignore"):
        result: Floats = np.logaddexp(np.log(total.astype(float)) + top + common, log_prior)
    return result
