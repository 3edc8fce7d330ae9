"""l(x): the density of the good trials, from which candidates are drawn.

A mixture of one kernel for each good trial and one wide kernel, the prior, around the middle of the
space (Bergstra 2011, section 4). A kernel is a product: for smooth parameters a normal density
truncated to the range, with a bandwidth of its own; for table parameters the masses of all values,
which for numbers are those of such a normal density, and for choices favour the one of the trial.

The logarithms of the kernels at candidates are a product of matrices: what a candidate is described
by, times the factors of the kernels. See `Points` for the description, which g(x) shares.

Shapes: K kernels, the prior last; m candidates; t values of all tables, one table after the other.
"""

from __future__ import annotations

from math import log
from typing import NamedTuple

import numpy as np

from ahpo.samplers.tpe.kernels import (
    LEAST_MASS,
    Kernels,
    choice_tables,
    neighbour_bandwidths,
    number_tables,
)
from ahpo.samplers.tpe.space import Candidates, Floats, Ints, UnitSpace

__all__ = ("GoodMixture", "Points", "describe")


class Points(NamedTuple):
    """Describe m candidates by ``features``, (m, F).

    Features, with u counted from the middle of the space, so that squares stay small: u of plain
    parameters, a one, an indicator of each value of table parameters, two places for each graded
    parameter that g(x) fills, and u**2 of plain parameters (``squares``).
    """

    candidates: Candidates
    features: Floats
    squares: Floats


def describe(space: UnitSpace, candidates: Candidates) -> Points:
    """Return the description of candidates."""
    m, d = len(candidates.unit), space.plain
    first = d + 1
    n_values = len(space.table_of)
    n_graded = space.smooth - d
    features = np.zeros((m, first + n_values + 2 * n_graded + d))
    squares = features[:, first + n_values + 2 * n_graded :]
    np.subtract(candidates.unit[:, :d], 0.5, out=features[:, :d])
    np.square(features[:, :d], out=squares)
    features[:, d] = 1.0
    if space.n_tables:
        chosen = candidates.indices[:, : space.n_tables] + space.first
        chosen += first
        features[np.arange(m)[:, None], chosen] = 1.0
    return Points(candidates, features, squares)


class GoodMixture:
    """Draw candidates from l(x), and weigh them.

    :param space: the space.
    :param unit: coordinates of the good trials, (ds, K - 1).
    :param index: indices of the good trials, (dt + dw, K - 1).
    :param weights: weights of the good trials, (K - 1,).
    :param kernels: how kernels are made.
    """

    def __init__(
        self, space: UnitSpace, unit: Floats, index: Ints, weights: Floats, kernels: Kernels
    ) -> None:
        n = unit.shape[1]
        self._space = space
        self._weights = np.empty(n + 1)
        self._weights[:n] = weights
        self._weights[n] = kernels.prior_weight or not weights.any()
        self._cumulated = self._weights.cumsum()
        numbers, ds = space.n_number_tables, space.smooth
        if numbers:
            places = np.arange(numbers)[:, None]
            unit = np.concatenate((unit, space.centers[places, index[:numbers]]))
        width = neighbour_bandwidths(unit, kernels)
        self._set_smooth(unit[:ds], width[:ds])
        self._set_factors()
        if len(space.counts):
            same, other = choice_tables(space.counts, n + 1, kernels)
            if space.n_tables:
                self._set_tables(unit[ds:], width[ds:], index, same, other)
            self._wide = index[space.n_tables :]
            self._log_same = np.log(same[space.n_tables :])
            self._log_other = np.log(other[space.n_tables :])
            self._other = other[space.n_tables :]

    def _set_smooth(self, unit: Floats, width: Floats) -> None:
        """Set what values of smooth parameters are drawn by, (K, 4, ds).

        How far the range goes in each kernel's distribution function, where it begins there, the
        kernel's bandwidth and its centre.
        """
        from scipy.special import ndtr

        ds, n = unit.shape
        self._by = by = np.empty((n + 1, 4, ds))
        mass, below, by_width, center = by[:, 0], by[:, 1], by[:, 2], by[:, 3]
        by_width[:n], by_width[n] = width.T, 1.0
        center[:n], center[n] = unit.T, 0.5
        self._inverse = inverse = 1.0 / by_width
        np.multiply(center, inverse, out=below)
        np.subtract(inverse, below, out=mass)
        np.negative(below, out=below)
        ndtr(by[:, :2], out=by[:, :2])
        mass -= below

    def _set_factors(self) -> None:
        """Set by what the features of candidates are multiplied, (F, K)."""
        space = self._space
        d, n_values = space.plain, len(space.table_of)
        n_kernels = len(self._by)
        self._factors = factors = np.zeros((2 * space.smooth + 1 + n_values, n_kernels))
        # The factor of densities where values are plain, of masses where they are graded.
        scale = self._inverse.T / self._by[:, 0].T
        precision = factors[len(factors) - d :]
        np.square(self._inverse[:, :d].T, out=precision)
        if space.stepped:
            # As wide as the kernel and the cell together.
            widened = 1.0 + precision * (space.cell_width**2 / 12.0)[:, None]
            precision /= widened
            scale[:d] /= np.sqrt(widened, out=widened)
        if space.smooth > d:
            scale[d:] /= self._inverse[:, d:].T
        self._log_scale = np.log(scale, out=scale)
        middle = self._by[:, 3, :d].T - 0.5
        np.multiply(middle, precision, out=factors[:d])
        precision *= -0.5
        middle *= middle
        middle *= precision
        np.add.reduce(middle, axis=0, out=factors[d])
        factors[d] += np.add.reduce(self._log_scale, axis=0)
        self._negative_half_precision = precision

    def _set_tables(
        self, unit: Floats, width: Floats, index: Ints, same: Floats, other: Floats
    ) -> None:
        """Set the masses of values: their sums, by which values are drawn, and logarithms."""
        space = self._space
        counts = space.counts[: space.n_tables]
        numbers, n = space.n_number_tables, index.shape[1]
        most = space.centers.shape[1]
        tables = np.empty((n + 1, space.n_tables, most))
        if numbers:
            center, inverse = np.full((2, n + 1, numbers), 0.5)
            center[:n], inverse[n] = unit.T, 1.0
            np.divide(1.0, width.T, out=inverse[:n])
            tables[:, :numbers] = number_tables(space, center, inverse)
        if numbers < space.n_tables:
            part = tables[:, numbers:]
            part[:n] = other[numbers : space.n_tables, None]
            part[n] = 1.0 / counts[numbers:, None]
            chosen = index[numbers : space.n_tables].T
            places = np.arange(space.n_tables - numbers)
            part[np.arange(n)[:, None], places, chosen] = same[numbers : space.n_tables]
            part *= np.arange(most) < counts[numbers:, None]  # or sums of one reach into the next
        # One ascending sequence: that of each table begins where the one before it ends.
        sums = tables.cumsum(axis=2).reshape(-1, most)
        sums += np.arange(len(sums))[:, None]
        self._sums = sums.ravel()
        values = tables.reshape(n + 1, -1).take(space.value_at, axis=1)
        logs = np.log(np.maximum(values, LEAST_MASS, out=values), out=values)
        first = space.plain + 1
        self._table_logs = self._factors[first : first + len(space.table_of)]
        self._table_logs[:] = logs.T

    def draw(self, rng: np.random.Generator, m: int, jointly: bool) -> Candidates:
        """Draw ``m`` candidates: each from one kernel, or each parameter from its own."""
        from scipy.special import ndtri

        space = self._space
        ds = space.smooth
        d = ds + len(space.counts)
        uniforms = rng.random((m, d + (1 if jointly else d)))
        which = uniforms[:, d] if jointly else uniforms[:, d:]
        which *= self._cumulated[-1]
        # A last uniform that is rounded up would lie beyond the end.
        picked = self._cumulated[:-1].searchsorted(which, side="right")
        if jointly:
            by = self._by[picked]
        else:
            by = self._by[picked[:, :ds], :, np.arange(ds)].transpose(0, 2, 1)
        unit = by[:, 0]
        unit *= uniforms[:, :ds]
        unit += by[:, 1]
        ndtri(unit, out=unit)
        unit *= by[:, 2]
        unit += by[:, 3]
        np.maximum(unit, 0.0, out=unit)
        np.minimum(unit, 1.0, out=unit)
        index = np.empty((m, d - ds), dtype=np.intp)
        if space.n_tables:
            end = ds + space.n_tables
            chosen = picked if jointly else picked[:, ds:end]
            self._draw_from_tables(index[:, : space.n_tables], chosen, uniforms[:, ds:end])
        if d - ds > space.n_tables:
            for axis in range(space.n_tables, d - ds):
                chosen = picked if jointly else picked[:, ds + axis]
                index[:, axis] = self._draw_wide(axis, chosen, uniforms[:, ds + axis])
        return space.snap(unit, index)

    def _draw_from_tables(self, index: Ints, picked: Ints, uniforms: Floats) -> None:
        dt = index.shape[1]
        table = (picked[:, None] if picked.ndim == 1 else picked) * dt + np.arange(dt)
        found = self._sums.searchsorted(uniforms + table, side="right")
        table *= self._space.centers.shape[1]
        found -= table
        # Sums are rounded: they may end below the uniform, or begin above it.
        np.maximum(found, 0, out=found)
        np.minimum(found, self._space.counts[:dt] - 1, out=index)

    def _draw_wide(self, axis: int, picked: Ints, uniforms: Floats) -> Ints:
        # A kernel's table is a uniform one with the chance `anyway`, else the trial's own choice.
        own = self._wide[axis - self._space.n_tables]
        count = self._space.counts[axis]
        anyway = np.append(
            np.full(len(own), count * self._other[axis - self._space.n_tables]), 1.0
        )[picked]
        chosen = np.minimum((uniforms / anyway * count).astype(np.intp), count - 1)
        return np.where(uniforms < anyway, chosen, np.append(own, 0)[picked])

    def log_kernels(self, points: Points) -> Floats:
        """Return the logarithm of each kernel's density over all parameters, (m, K).

        The constant of the normal density is left out for plain parameters.
        """
        logs: Floats = points.features @ self._factors
        space = self._space
        if space.smooth > space.plain:
            logs += np.add.reduce(self._log_graded(points.candidates), axis=2)
        for axis in range(space.n_tables, len(space.counts)):
            logs += self._log_wide(axis, points.candidates)
        return logs

    def log_terms(self, candidates: Candidates) -> Floats:
        """Return the logarithm of each kernel's density along each parameter, (m, K, D).

        The parameters are in the order of coordinates: smooth, table, wide. The constant of the
        normal density is left out for plain parameters.
        """
        space = self._space
        d, ds = space.plain, space.smooth
        m = len(candidates.unit)
        terms = np.empty((m, len(self._weights), ds + len(space.counts)))
        plain = terms[:, :, :d]
        np.subtract(candidates.unit[:, None, :d], self._by[:, 3, :d], out=plain)
        plain *= plain
        plain *= self._negative_half_precision.T
        if ds > d:
            terms[:, :, d:ds] = self._log_graded(candidates)
        terms[:, :, :ds] += self._log_scale.T
        if space.n_tables:
            chosen = self._table_logs[candidates.indices[:, : space.n_tables] + space.first]
            terms[:, :, ds : ds + space.n_tables] = chosen.transpose(0, 2, 1)
        for axis in range(space.n_tables, len(space.counts)):
            terms[:, :, ds + axis] = self._log_wide(axis, candidates)
        return terms

    def _log_graded(self, candidates: Candidates) -> Floats:
        """Return the logarithms of what kernels have in the cells of candidates, (m, K, dg)."""
        from scipy.special import ndtr

        d = self._space.plain
        edges = np.stack((candidates.lower, candidates.upper))[:, :, None, :] - self._by[:, 3, d:]
        edges *= self._inverse[:, d:]
        below, above = ndtr(edges, out=edges)
        above -= below
        np.maximum(above, LEAST_MASS, out=above)
        logs: Floats = np.log(above, out=above)
        return logs

    def _log_wide(self, axis: int, candidates: Candidates) -> Floats:
        """Return the logarithms of the masses of candidates at kernels, (m, K)."""
        at = axis - self._space.n_tables
        logs = np.empty((len(candidates.unit), len(self._weights)))
        same = candidates.indices[:, axis, None] == self._wide[at]
        logs[:, :-1] = np.where(same, self._log_same[at], self._log_other[at])
        logs[:, -1] = -log(self._space.counts[axis])
        return logs

    def log_mixture(self, logs: Floats) -> Floats:
        """Return the logarithm of the mixture, but for a constant.

        :param logs: those of the kernels, (m, K) or (m, K, D).
        """
        top = np.maximum.reduce(logs, axis=1, keepdims=True)
        densities = logs - top
        np.exp(densities, out=densities)
        if logs.ndim == 2:
            total: Floats = densities @ self._weights
        else:
            total = np.einsum("mkd,k->md", densities, self._weights)
        np.log(total, out=total)
        total += top.reshape(total.shape)
        return total
