"""l(x): the density of the good trials, from which candidates are drawn.

A mixture of one kernel for each good trial and one wide kernel, the prior, around the middle of the
space (Bergstra 2011, section 4). A kernel is a product: for numeric parameters a normal density
truncated to the range, with a bandwidth of its own; for choices a table that favours the choice of
the trial. Values that are discrete have the mass of their cell.

Shapes: K kernels, the prior last; D = dn + dc parameters, the numeric ones first; m candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ahpo.samplers.tpe.space import Candidates, Floats, Ints, UnitSpace

__all__ = ("GoodMixture", "Kernels", "choice_tables", "neighbour_bandwidths", "smallest_bandwidth")

_LEAST_MASS = 1e-300
_LEAST_BANDWIDTH = 1e-12


@dataclass(frozen=True, slots=True)
class Kernels:
    """Say how kernels are made.

    ``prior_weight``: weight of the prior, where a trial weighs 1; ``magic_clip``: whether
    bandwidths have a lower bound; ``endpoints``: whether the ends of the range count as
    neighbours.
    """

    prior_weight: float = 1.0
    magic_clip: bool = True
    endpoints: bool = False


def smallest_bandwidth(n_kernels: int, kernels: Kernels) -> float:
    """Return the lower bound of bandwidths, the "magic clip" of Hyperopt (Watanabe 2023, 3.3.4)."""
    return 1.0 / min(100.0, 1.0 + n_kernels) if kernels.magic_clip else _LEAST_BANDWIDTH


def neighbour_bandwidths(unit: Floats, kernels: Kernels) -> Floats:
    """Return the distance to the farther of both neighbours along each axis, (dn, n).

    The outermost points have one neighbour (Bergstra 2011, section 4.2); a point that is alone has
    the ends of the range.

    :param unit: coordinates, (dn, n), of all kernels but the prior.
    """
    n = unit.shape[1]
    if n == 0:
        return np.empty_like(unit)
    order = unit.argsort(axis=1)
    ends = np.empty((len(unit), n + 2))
    ends[:, 1:-1] = np.take_along_axis(unit, order, axis=1)
    if kernels.endpoints or n == 1:
        ends[:, 0], ends[:, -1] = 0.0, 1.0
    else:
        ends[:, 0], ends[:, -1] = ends[:, 2], ends[:, -3]
    gaps = np.abs(ends[:, 1:] - ends[:, :-1])
    bandwidths = np.empty_like(unit)
    np.put_along_axis(bandwidths, order, np.maximum(gaps[:, :-1], gaps[:, 1:]), axis=1)
    return np.clip(bandwidths, smallest_bandwidth(n + 1, kernels), 1.0, out=bandwidths)


def choice_tables(n_choices: Ints, n_kernels: int, kernels: Kernels) -> tuple[Floats, Floats]:
    """Return the probabilities of the choice of a kernel's trial and of each other one, (dc,).

    Each choice has the share of the prior, ``prior_weight / n_kernels``, and the trial's own 1 more
    (Aitchison and Aitken's kernel, as in Watanabe 2023, section 3.3.1).
    """
    share = max(kernels.prior_weight / n_kernels, 1e-12)
    total = 1.0 + n_choices * share
    return (1.0 + share) / total, share / total


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
        self._center = np.full((n + 1, dn), 0.5)
        self._width = np.ones((n + 1, dn))
        self._center[:n] = unit.T
        self._width[:n] = neighbour_bandwidths(unit, kernels).T
        self._inverse = 1.0 / self._width
        # Where each kernel's range begins, and how far it goes, in its distribution function.
        self._below = ndtr(-self._center * self._inverse)
        self._mass = ndtr((1.0 - self._center) * self._inverse) - self._below
        self._log_mass = np.log(self._mass)
        self._log_scale = self._log_mass + np.log(self._width)
        self._choice = choice.T
        self._same, self._other = choice_tables(space.n_choices, n + 1, kernels)
        weights = np.append(weights, kernels.prior_weight)
        total = float(weights.sum())
        if total <= 0.0:
            weights[-1] = total = 1.0
        weights /= total
        with np.errstate(divide="ignore"):
            self._log_weights = np.log(weights)
        self._cumulated = weights.cumsum()
        self._cumulated[-1] = 1.0

    def draw(self, rng: np.random.Generator, m: int, jointly: bool) -> Candidates:
        """Draw ``m`` candidates: each from one kernel, or each parameter from its own."""
        from scipy.special import ndtri

        dn, dc = self._width.shape[1], len(self._same)
        d = dn + dc
        uniforms = rng.random((m, d + (1 if jointly else d)))
        kernel = self._cumulated.searchsorted(uniforms[:, d:], side="right")
        axes = np.arange(d)
        picked = np.broadcast_to(kernel, (m, d)) if jointly else kernel
        at, on = picked[:, :dn], axes[:dn]
        quantile = self._below[at, on] + uniforms[:, :dn] * self._mass[at, on]
        unit = self._center[at, on] + self._width[at, on] * ndtri(quantile)
        np.clip(unit, 0.0, 1.0, out=unit)
        if not dc:
            return self._space.snap(unit, np.empty((m, 0), dtype=np.intp))
        return self._space.snap(unit, self._draw_choices(picked[:, dn:], uniforms[:, dn:d]))

    def _draw_choices(self, kernel: Ints, uniforms: Floats) -> Ints:
        # A kernel's table is a uniform one with a chance of `any`, and its own choice otherwise.
        counts = self._space.n_choices
        n = len(self._choice)
        any_ = np.where(kernel == n, 1.0, self._other * counts)
        choice = np.minimum((uniforms / any_ * counts).astype(np.intp), counts - 1)
        if n:
            own = self._choice[np.minimum(kernel, n - 1), np.arange(len(counts))]
            choice = np.where(uniforms < any_, choice, own)
        return choice

    def log_terms(self, candidates: Candidates) -> Floats:
        """Return the logarithm of each kernel's density along each parameter, (m, K, D).

        The constant of the normal density is left out where values are continuous.
        """
        unit = candidates.unit
        m, dn = unit.shape
        n_kernels, dc = len(self._width), len(self._same)
        terms = np.empty((m, n_kernels, dn + dc))
        numeric = terms[:, :, :dn]
        np.subtract(unit[:, None, :], self._center, out=numeric)
        numeric *= self._inverse
        numeric *= numeric
        numeric *= -0.5
        numeric -= self._log_scale
        found = self._space.discrete
        if len(found):
            numeric[:, :, found] = self._log_cell_masses(candidates, found)
        if dc:
            self._set_choices(terms[:, :, dn:], candidates.choice)
        return terms

    def _log_cell_masses(self, candidates: Candidates, found: Ints) -> Floats:
        from scipy.special import ndtr

        center, inverse = self._center[:, found], self._inverse[:, found]
        mass = ndtr((candidates.upper[:, None, :] - center) * inverse)
        mass -= ndtr((candidates.lower[:, None, :] - center) * inverse)
        logs: Floats = np.log(np.maximum(mass, _LEAST_MASS, out=mass), out=mass)
        logs -= self._log_mass[:, found]
        return logs

    def _set_choices(self, terms: Floats, choice: Ints) -> None:
        same = choice[:, None, :] == self._choice
        terms[:, :-1] = np.where(same, np.log(self._same), np.log(self._other))
        terms[:, -1] = -np.log(self._space.n_choices)

    def log_mixture(self, logs: NDArray[np.float64]) -> Floats:
        """Return the logarithm of the mixture from those of its kernels along axis 1."""
        weights = self._log_weights
        logs = logs + (weights[:, None] if logs.ndim == 3 else weights)
        top = logs.max(axis=1)
        logs -= top[:, None]
        np.exp(logs, out=logs)
        result: Floats = np.log(logs.sum(axis=1)) + top
        return result
