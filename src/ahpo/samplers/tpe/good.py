"""l(x): the density of the good trials, from which candidates are drawn.

A mixture of one kernel for each good trial and one wide kernel, the prior, around the middle of the
space (Bergstra 2011, section 4). A kernel is a product: for numeric parameters a normal density
truncated to the range, with a bandwidth of its own; for choices a table that favours the choice of
the trial. Values that are discrete have the mass of their cell.

Shapes: K kernels, the prior last; D = dn + dc parameters, the numeric ones first; m candidates.
"""

from __future__ import annotations

import numpy as np

from ahpo.samplers.tpe.kernels import (
    LEAST_MASS,
    Kernels,
    choice_tables,
    neighbour_bandwidths,
)
from ahpo.samplers.tpe.space import Candidates, Floats, Ints, UnitSpace

__all__ = ("GoodMixture",)


class GoodMixture:
    """Draw candidates from l(x), and weigh them.

    :param space: the space.
    :param unit: coordinates of the good trials, (dn, K - 1).
    :param choice: choices of the good trials, (dc, K - 1).
    :param weights: weights of the good trials, (K - 1,).
    :param kernels: how kernels are made.
    """

    def __init__(
        self, space: UnitSpace, unit: Floats, choice: Ints, weights: Floats, kernels: Kernels
    ) -> None:
        from scipy.special import ndtr

        dn, n = unit.shape
        self._space = space
        self._center = center = np.full((n + 1, dn), 0.5)
        width = np.ones((n + 1, dn))
        center[:n] = unit.T
        width[:n] = neighbour_bandwidths(unit, kernels).T
        self._width = width
        self._inverse = inverse = 1.0 / width
        # Where each kernel's range begins, and how far it goes, in its distribution function.
        ends = np.empty((2, n + 1, dn))
        np.multiply(center, inverse, out=ends[0])
        np.negative(ends[0], out=ends[0])
        np.add(ends[0], inverse, out=ends[1])
        self._below, above = ndtr(ends, out=ends)
        self._mass = above - self._below
        # The factor of densities where values are continuous, of masses where they are not.
        factor = inverse / self._mass
        if len(space.discrete):
            factor[:, space.discrete] *= width[:, space.discrete]
        self._log_factor = np.log(factor, out=factor)
        self._weights = np.empty(n + 1)
        self._weights[:n] = weights
        self._weights[n] = kernels.prior_weight or not weights.any()
        self._cumulated = self._weights.cumsum()
        self._set_factors()
        if len(space.choice):
            self._set_choices(choice, kernels)

    def _set_factors(self) -> None:
        """Set by what (u, u**2, 1) of the continuous parameters is multiplied, (2 c + 1, K)."""
        axes = self._space.continuous
        d = len(axes)
        center, inverse = self._center.T, self._inverse.T
        if d < len(center):
            center, inverse = center[axes], inverse[axes]
        # The middle of the space is the origin here: squares stay small, and differences exact.
        middle = center - 0.5
        self._factors = factors = np.empty((2 * d + 1, middle.shape[1]))
        precision = np.square(inverse, out=factors[d:-1])
        np.multiply(middle, precision, out=factors[:d])
        precision *= -0.5
        middle *= middle
        middle *= precision
        np.add.reduce(middle, axis=0, out=factors[-1])
        factors[-1] += np.add.reduce(self._log_factor, axis=1)

    def _set_choices(self, choice: Ints, kernels: Kernels) -> None:
        """Set the tables of all kernels, and their logarithms (values of all, K)."""
        counts = self._space.n_choices
        n = choice.shape[1]
        same, other = choice_tables(counts, n + 1, kernels)
        self._choice = choice
        # A table is a uniform one with this chance, and the kernel's own choice otherwise.
        self._any_choice = np.ones((n + 1, len(counts)))
        self._any_choice[:n] = other * counts
        self._first = np.cumsum(counts) - counts
        logs = np.empty((int(counts.sum()), n + 1))
        logs[:, :n] = np.repeat(np.log(other), counts)[:, None]
        logs[self._first[:, None] + choice, np.arange(n)] = np.log(same)[:, None]
        logs[:, n] = np.repeat(-np.log(counts), counts)
        self._choice_logs = logs

    def draw(self, rng: np.random.Generator, m: int, jointly: bool) -> Candidates:
        """Draw ``m`` candidates: each from one kernel, or each parameter from its own."""
        from scipy.special import ndtri

        dn, dc = self._width.shape[1], len(self._space.choice)
        d = dn + dc
        uniforms = rng.random((m, d + (1 if jointly else d)))
        which = uniforms[:, d] if jointly else uniforms[:, d:]
        which *= self._cumulated[-1]
        # A last uniform that is rounded up would lie beyond the end.
        picked = self._cumulated[:-1].searchsorted(which, side="right")
        at = picked if jointly else (picked[:, :dn], np.arange(dn))
        unit = self._mass[at]
        unit *= uniforms[:, :dn]
        unit += self._below[at]
        ndtri(unit, out=unit)
        unit *= self._width[at]
        unit += self._center[at]
        np.maximum(unit, 0.0, out=unit)
        np.minimum(unit, 1.0, out=unit)
        if not dc:
            return self._space.snap(unit, np.empty((m, 0), dtype=np.intp))
        choosing = picked if jointly else picked[:, dn:]
        return self._space.snap(unit, self._draw_choices(choosing, uniforms[:, dn:d]))

    def _draw_choices(self, kernel: Ints, uniforms: Floats) -> Ints:
        counts = self._space.n_choices
        axes = np.arange(len(counts))
        anyway = self._any_choice[kernel] if kernel.ndim == 1 else self._any_choice[kernel, axes]
        choice: Ints = (uniforms / anyway * counts).astype(np.intp)
        n = self._choice.shape[1]
        if n:
            kernel = np.minimum(kernel, n - 1)
            own = self._choice[:, kernel].T if kernel.ndim == 1 else self._choice[axes, kernel]
            choice = np.where(uniforms < anyway, choice, own)
        return np.minimum(choice, counts - 1)

    def log_kernels(self, candidates: Candidates) -> Floats:
        """Return the logarithm of each kernel's density over all parameters, (m, K).

        The constant of the normal density is left out where values are continuous.
        """
        space = self._space
        d = len(space.continuous)
        points = np.ones((len(candidates.unit), 2 * d + 1))
        unit = candidates.unit
        if d < unit.shape[1]:
            unit = unit[:, space.continuous]
        np.subtract(unit, 0.5, out=points[:, :d])
        np.square(points[:, :d], out=points[:, d:-1])
        logs: Floats = points @ self._factors
        if len(space.discrete):
            logs += np.add.reduce(self._log_cells(candidates), axis=2)
        if len(space.choice):
            chosen = self._choice_logs[self._first + candidates.choice]
            logs += np.add.reduce(chosen, axis=1)
        return logs

    def log_terms(self, candidates: Candidates) -> Floats:
        """Return the logarithm of each kernel's density along each parameter, (m, K, D).

        The constant of the normal density is left out where values are continuous.
        """
        unit = candidates.unit
        m, dn = unit.shape
        space = self._space
        terms = np.empty((m, len(self._width), dn + len(space.choice)))
        numeric = terms[:, :, :dn]
        np.subtract(unit[:, None, :], self._center, out=numeric)
        numeric *= self._inverse
        numeric *= numeric
        numeric *= -0.5
        if len(space.discrete):
            numeric[:, :, space.discrete] = self._log_cells(candidates)
        numeric += self._log_factor
        if len(space.choice):
            chosen = self._choice_logs[self._first + candidates.choice]
            terms[:, :, dn:] = chosen.transpose(0, 2, 1)
        return terms

    def _log_cells(self, candidates: Candidates) -> Floats:
        """Return the logarithms of what kernels have in the cells of candidates, (m, K, dd)."""
        from scipy.special import ndtr

        found = self._space.discrete
        center, inverse = self._center[:, found], self._inverse[:, found]
        edges = np.stack((candidates.lower, candidates.upper))[:, :, None, :] - center
        edges *= inverse
        below, above = ndtr(edges, out=edges)
        above -= below
        np.maximum(above, LEAST_MASS, out=above)
        logs: Floats = np.log(above, out=above)
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
