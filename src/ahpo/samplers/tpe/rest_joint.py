"""g(x) over all parameters jointly: the density of the trials that are not good.

As l(x), but with one bandwidth for all kernels, Scott's rule: there are many trials, and what
counts is where they are dense. So the logarithms of n kernels at m candidates are a product of
matrices (m, F) and (F, n), where a kernel's column of F features is computed once, in float32:

- ``u`` for each numeric parameter whose kernel is taken as normal, and ``u**2`` for those of them
  that are discrete; a cell of width h widens the kernel's variance by h**2 / 12;
- one bias: ``-sum(u**2) / (2 s**2)`` of the continuous ones, minus the logarithm of the mass that
  is in the range;
- one indicator for each value of coarse discrete parameters and of choices, whose factors are
  logarithms of masses.

Bandwidths change in steps, so the columns are rarely computed anew.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import log, pi
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ahpo.samplers.tpe.kernels import Kernels, choice_tables, scott_bandwidth
from ahpo.samplers.tpe.rows import Pending, UnitRows
from ahpo.samplers.tpe.space import COARSE, Candidates, Floats, Ints, UnitSpace

__all__ = ("log_rest_jointly",)

Floats32 = NDArray[np.float32]

_NARROW = 64  # choices: up to so many, each has an indicator
_NEVER = np.float32(-1e30)  # the logarithm of kernels that do not count
_LEAST_LOG = np.float32(-60.0)  # below the largest logarithm
_LOG_ROOT_2_PI = 0.5 * log(2.0 * pi)
_EPOCHS = 2  # bandwidths that are kept: the number of running trials goes up and down


class _Layout(NamedTuple):
    """Say which parameters have which features, by their positions among their kind."""

    smooth: Ints  # numeric, the continuous ones first
    fine: Ints  # discrete with many values; and where they are among the discrete ones
    fine_cells: Ints
    coarse: Ints  # discrete with few values; likewise
    coarse_cells: Ints
    narrow: Ints  # choices
    wide: list[int]
    bias: int  # features: where each kind begins
    coarse_first: Ints
    narrow_first: Ints
    n_features: int


def _layout(space: UnitSpace) -> _Layout:
    discrete = space.discrete
    is_coarse = space.cells[discrete] <= COARSE
    fine, coarse = discrete[~is_coarse], discrete[is_coarse]
    smooth = np.concatenate((space.continuous, fine))
    is_narrow = space.n_choices <= _NARROW
    narrow = np.flatnonzero(is_narrow)
    bias = len(smooth) + len(fine)
    start = bias + 1
    coarse_first = start + COARSE * np.arange(len(coarse))
    start += COARSE * len(coarse)
    counts = space.n_choices[narrow]
    narrow_first = start + np.cumsum(counts) - counts
    return _Layout(
        smooth=smooth,
        fine=fine,
        fine_cells=np.flatnonzero(~is_coarse),
        coarse=coarse,
        coarse_cells=np.flatnonzero(is_coarse),
        narrow=narrow,
        wide=np.flatnonzero(~is_narrow).tolist(),
        bias=bias,
        coarse_first=coarse_first,
        narrow_first=narrow_first,
        n_features=start + int(counts.sum()),
    )


class _Features(NamedTuple):
    """Hold the features of the first ``n`` rows.

    ``columns``: (F, capacity); ``tables``: (coarse parameters, COARSE, COARSE), logarithms of the
    masses of values at kernels.
    """

    space: UnitSpace
    layout: _Layout
    bandwidth: float
    n: int
    columns: Floats32
    tables: Floats32


def _features_of(rows: UnitRows, cache: dict[Hashable, Any], bandwidth: float) -> _Features:
    """Return the features of ``rows``, extended from what ``cache`` holds for this bandwidth."""
    key = ("tpe", "joint", rows.space.names)
    found: tuple[_Features, ...] = cache.get(key, ())
    known = [features for features in found if features.space is rows.space]
    features = next((f for f in known if f.bandwidth == bandwidth), None)
    if features is None:
        layout = known[0].layout if known else _layout(rows.space)
        tables = rows.space.log_masses(layout.coarse, bandwidth)
        columns = np.empty((layout.n_features, 0), np.float32)
        features = _Features(rows.space, layout, bandwidth, 0, columns, tables)
    if features.n < rows.n:
        features = _extended(features, rows)
        rest = [f for f in known if f.bandwidth != bandwidth]
        cache[key] = (features, *rest[: _EPOCHS - 1])
    return features


def _extended(features: _Features, rows: UnitRows) -> _Features:
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


def _set_columns(columns: Floats32, features: _Features, unit: Floats, choice: Ints) -> None:
    """Set the features, (F, n), of points."""
    from scipy.special import ndtr

    layout, space = features.layout, features.space
    n_smooth, n_continuous = len(layout.smooth), len(space.continuous)
    inverse = 1.0 / features.bandwidth
    # The middle of the space is the origin here: squares stay small, and differences exact.
    middle = (unit if n_continuous == len(unit) else unit[layout.smooth]) - 0.5
    columns[:n_smooth] = middle
    middle *= middle
    bias = middle[:n_continuous].sum(axis=0)
    bias *= -0.5 * inverse * inverse
    if len(unit):
        mass = ndtr((1.0 - unit) * inverse)
        mass -= ndtr(unit * -inverse)
        bias -= np.log(mass, out=mass).sum(axis=0)
    columns[layout.bias] = bias
    if n_continuous == len(space.names):
        return
    columns[n_smooth : layout.bias] = middle[n_continuous:]
    columns[layout.bias + 1 :] = 0.0
    every = np.arange(columns.shape[1])
    if len(layout.coarse):
        cells = space.cells_of(layout.coarse, unit[layout.coarse])
        columns[layout.coarse_first[:, None] + cells, every] = 1.0
    if len(layout.narrow):
        columns[layout.narrow_first[:, None] + choice[layout.narrow], every] = 1.0


def _factors_of(
    features: _Features, candidates: Candidates, same: Floats, other: Floats
) -> tuple[Floats32, Floats]:
    """Return what features are multiplied by, (m, F), and what all kernels have in common, (m,)."""
    layout, space = features.layout, features.space
    m, dn = candidates.unit.shape
    n_continuous, n_smooth = len(space.continuous), len(layout.smooth)
    factors = np.zeros((m, layout.n_features), np.float32)
    inverse = features.bandwidth**-2
    unit = candidates.unit if n_continuous == dn else candidates.unit[:, layout.smooth]
    middle = unit[:, :n_continuous] - 0.5
    np.multiply(middle, inverse, out=factors[:, :n_continuous], casting="same_kind")
    middle *= middle
    common: Floats = np.add.reduce(middle, axis=1)
    common *= -0.5 * inverse
    common -= n_continuous * log(features.bandwidth)
    factors[:, layout.bias] = 1.0
    if n_continuous == len(space.names):
        return factors, common
    if len(layout.fine):
        width = (candidates.upper - candidates.lower)[:, layout.fine_cells]
        precision = 1.0 / (width * width / 12.0 + features.bandwidth**2)
        middle = unit[:, n_continuous:] - 0.5
        factors[:, n_continuous:n_smooth] = middle * precision
        factors[:, n_smooth : layout.bias] = -0.5 * precision
        middle *= middle
        logs = np.log(width * np.sqrt(precision)) - _LOG_ROOT_2_PI - 0.5 * middle * precision
        common += logs.sum(axis=1)
    if len(layout.coarse):
        cells = candidates.cell[:, layout.coarse_cells]
        logs = features.tables[np.arange(len(layout.coarse)), cells]
        first = layout.bias + 1
        factors[:, first : first + COARSE * len(layout.coarse)] = logs.reshape(m, -1)
    if len(same):
        ratio = np.log(same / other)
        chosen = candidates.choice[:, layout.narrow]
        factors[np.arange(m)[:, None], layout.narrow_first + chosen] = ratio[layout.narrow]
        common += np.log(other).sum()
    return factors, common


def log_rest_jointly(
    candidates: Candidates,
    rows: UnitRows,
    pending: Pending,
    cache: dict[Hashable, Any],
    good: Ints,
    weights: Floats,
    n_kernels: int,
    log_prior: Floats,
    kernels: Kernels,
) -> Floats:
    """Return the logarithm of g at the candidates, (m,), but for a constant.

    :param candidates: the m candidates.
    :param rows: the finished trials, of which the first n count.
    :param pending: the p running trials.
    :param cache: where features are kept.
    :param good: rows that do not belong to g.
    :param weights: (n + p,), 0 for the rows that do not.
    :param n_kernels: how many trials belong to g.
    :param log_prior: the logarithm of the prior at the candidates, (m,).
    :param kernels: how kernels are made.
    """
    space = rows.space
    p = pending.unit.shape[1]
    n = len(weights) - p
    log_prior = log_prior + kernels.log_prior_weight
    if n_kernels == 0:
        return log_prior
    bandwidth = scott_bandwidth(n_kernels, len(space.names), kernels)
    features = _features_of(rows, cache, bandwidth)
    same, other = choice_tables(space.n_choices, n_kernels + 1, kernels)
    factors, common = _factors_of(features, candidates, same, other)
    logs = np.empty((len(factors), n + p), np.float32)
    np.matmul(factors, features.columns[:, :n], out=logs[:, :n])
    if p:
        columns = np.empty((len(features.columns), p), np.float32)
        _set_columns(columns, features, pending.unit, pending.choice)
        np.matmul(factors, columns, out=logs[:, n:])
    for axis in features.layout.wide:
        chosen = np.concatenate((rows.choice[axis, :n], pending.choice[axis]))
        ratio = np.float32(log(same[axis] / other[axis]))
        logs += (chosen == candidates.choice[:, axis, None]) * ratio
    logs[:, good] = _NEVER
    top = np.maximum.reduce(logs, axis=1)
    logs -= top[:, None]
    # What is so small adds nothing, and would become subnormal numbers, which are slow.
    np.maximum(logs, _LEAST_LOG, out=logs)
    np.exp(logs, out=logs)
    total = np.log(logs @ weights.astype(np.float32))
    common += total
    common += top
    return np.logaddexp(common, log_prior, out=common)
