"""The Tree-structured Parzen Estimator.

Finished trials are split into good ones and the rest; l(x) is the density of the good ones, g(x)
that of the rest and of the running trials. Of some candidates drawn from l, the one with the
largest l(x) / g(x) is suggested.

Papers: Bergstra et al. 2011 and 2013 (the method), Falkner et al. 2018 (jointly over parameters),
Ozaki et al. 2020 and 2022 (several objectives), Watanabe 2023, arXiv:2304.11127 (its components).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ahpo.distributions import BaseDistribution
from ahpo.exceptions import ExperimentalWarning
from ahpo.overrides import keeps
from ahpo.samplers.array_sampler import ArraySampler
from ahpo.samplers.constraining import constraint_attributes
from ahpo.samplers.random import at_quantile
from ahpo.samplers.tpe.good import GoodMixture, describe
from ahpo.samplers.tpe.kernels import Kernels
from ahpo.samplers.tpe.rest_joint import log_rest_jointly
from ahpo.samplers.tpe.rest_single import log_rest_singly
from ahpo.samplers.tpe.rows import Pending, UnitRows, pending_trials, unit_rows
from ahpo.samplers.tpe.schedule import (
    checked_weights,
    default_gamma,
    default_weights,
    hyperopt_default_gamma,
)
from ahpo.samplers.tpe.space import learnable
from ahpo.samplers.tpe.split import good_rows
from ahpo.states import TrialState

if TYPE_CHECKING:
    from ahpo.history.view import View
    from ahpo.trials import FrozenTrial

__all__ = ("TPESampler",)

_FAIL = int(TrialState.FAIL)
_DEPRECATED_SINCE = {"consider_prior": "v4.3.0", "constraints_func": "v5.0.0"}


def _warn_of_deprecated(**arguments: Any) -> None:
    """Warn of each argument that was given."""
    for name, value in arguments.items():
        if value is not None:
            since = _DEPRECATED_SINCE.get(name, "v4.9.0")
            instead = " Use `trial.set_constraint` instead." if name == "constraints_func" else ""
            warnings.warn(
                f"`{name}` is deprecated, as it is in Optuna since {since}.{instead}",
                FutureWarning,
                stacklevel=3,
            )


class TPESampler(ArraySampler):
    """Sample where good trials are dense, and others are not.

    :param consider_prior: deprecated and without effect: there always is a prior.
    :param prior_weight: deprecated; the weight of the prior, where a trial weighs 1. Default 1.0.
    :param consider_magic_clip: deprecated; whether bandwidths have a lower bound. Default True.
    :param consider_endpoints: deprecated; whether the ends of a range count as neighbours where a
        bandwidth is the distance to one. Default False.
    :param n_startup_trials: sample at random until so many trials are complete or pruned.
    :param n_ei_candidates: how many candidates are drawn and compared.
    :param gamma: deprecated; a function from the number of trials to the number of good ones.
    :param weights: deprecated; a function from a number of trials to their weights, oldest first.
    :param seed: seed of the random numbers; None for one from the operating system.
    :param multivariate: sample all parameters that every trial has jointly, instead of each for
        itself. By default True for one objective and False for several.
    :param group: with ``multivariate``, also sample those jointly that only some trials have: the
        parameters are split into groups that come together. Experimental.
    :param warn_independent_sampling: deprecated; whether to warn when ``multivariate`` is True and
        a parameter is sampled by itself. Default False.
    :param constant_liar: count running trials as bad ones, to keep away from them.
    :param constraints_func: deprecated; a function from a trial to its constraint values, which
        are kept if none is above 0. It is called when a trial is complete or pruned.
    :raises ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        *,
        consider_prior: bool | None = None,
        prior_weight: float | None = None,
        consider_magic_clip: bool | None = None,
        consider_endpoints: bool | None = None,
        n_startup_trials: int = 10,
        n_ei_candidates: int = 24,
        gamma: Callable[[int], int] | None = None,
        weights: Callable[[int], NDArray[Any]] | None = None,
        seed: int | None = None,
        multivariate: bool | None = None,
        group: bool = False,
        warn_independent_sampling: bool | None = None,
        constant_liar: bool = True,
        constraints_func: Callable[[FrozenTrial], Sequence[float]] | None = None,
    ) -> None:
        super().__init__(seed)
        _warn_of_deprecated(
            consider_prior=consider_prior,
            prior_weight=prior_weight,
            consider_magic_clip=consider_magic_clip,
            consider_endpoints=consider_endpoints,
            gamma=gamma,
            weights=weights,
            warn_independent_sampling=warn_independent_sampling,
            constraints_func=constraints_func,
        )
        if prior_weight is not None and not prior_weight >= 0.0:
            raise ValueError(f"`prior_weight` must not be negative, but it is {prior_weight!r}.")
        if n_ei_candidates < 1:
            raise ValueError(
                f"`n_ei_candidates` must be at least 1, but it is {n_ei_candidates!r}."
            )
        if group:
            if multivariate is False:
                raise ValueError(
                    "`group` must be False when `multivariate` is False, but it is True."
                )
            warnings.warn(
                "`group` is experimental: it may still change.", ExperimentalWarning, stacklevel=2
            )
        self._kernels = Kernels(
            1.0 if prior_weight is None else float(prior_weight),
            consider_magic_clip is None or bool(consider_magic_clip),
            bool(consider_endpoints),
        )
        self._n_startup_trials = n_startup_trials
        self._n_ei_candidates = n_ei_candidates
        self._gamma = default_gamma if gamma is None else gamma
        self._weights = default_weights if weights is None else weights
        self._multivariate = multivariate
        self._group = group
        self._warn_independent_sampling = bool(warn_independent_sampling)
        self._constant_liar = constant_liar
        self._constraints_func = constraints_func

    @staticmethod
    def hyperopt_parameters() -> dict[str, Any]:
        """Return the arguments that make this sampler behave as Hyperopt's does. Deprecated."""
        warnings.warn(
            "`hyperopt_parameters` is deprecated, as it is in Optuna since v4.9.0.",
            FutureWarning,
            stacklevel=2,
        )
        return {
            "consider_prior": True,
            "prior_weight": 1.0,
            "consider_magic_clip": True,
            "consider_endpoints": False,
            "n_startup_trials": 20,
            "n_ei_candidates": 24,
            "gamma": hyperopt_default_gamma,
            "weights": default_weights,
        }

    def warm_up(self) -> None:
        """Import what the densities need."""
        import_module("scipy.special")

    def relative_space(self, view: View) -> dict[str, BaseDistribution]:
        """Return what is sampled at ask: what all trials have, or with ``group`` what any has."""
        if self._group and self._jointly(view):
            return {
                name: distribution
                for group in view.groups(include_pruned=True)
                for name, distribution in group.items()
                if learnable(distribution)
            }
        cache = view.cache
        space = view.intersection(include_pruned=True)
        # The intersection mostly is the very dict that it was the last time.
        known = cache.get(("tpe", "space"))
        if known is not None and known[0] is space:
            return known[1]  # type: ignore[no-any-return]
        found = {name: dist for name, dist in space.items() if learnable(dist)}
        cache[("tpe", "space")] = (space, found)
        return found

    def propose_within(
        self, view: View, number: int, space: dict[str, BaseDistribution]
    ) -> dict[str, float]:
        """Return internal values for the parameters of ``space``; {} in the startup phase."""
        if self._finished(view) < self._n_startup_trials:
            return {}
        jointly = self._jointly(view)
        rng = self.stream.generator(number, "tpe")
        if not (self._group and jointly):
            return self._sample(view, number, space, rng, jointly)
        proposal: dict[str, float] = {}
        for group in view.groups(include_pruned=True):
            part = {name: space[name] for name in group if name in space}
            if part:
                proposal |= self._sample(view, number, part, rng, jointly=True)
        return proposal

    def draw(self, view: View, number: int, name: str, distribution: BaseDistribution) -> float:
        """Return the internal value of one parameter that is not in the proposal."""
        if self._finished(view) < self._n_startup_trials or not learnable(distribution):
            return at_quantile(distribution, self.stream.uniform(number, name))
        if self._warn_independent_sampling and self._multivariate and not self._group:
            warnings.warn(
                f"Parameter {name!r} of trial {number} is sampled by itself, not jointly, because "
                "not all trials have it with the same distribution; `group=True` may help.",
                stacklevel=2,
            )
        rng = self.stream.generator(number, name)
        return self._sample(view, number, {name: distribution}, rng, jointly=False)[name]

    def observe(
        self, view: View, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> dict[str, Any] | None:
        """Return the constraints of a trial, if ``constraints_func`` was given.

        :raises TypeError: if the function does not return a sequence of numbers.
        :raises ValueError: if one of them is NaN.
        """
        return constraint_attributes(self._constraints_func, trial, state)

    def uses(self, hook: str) -> bool:
        """Tell whether the sampler does anything in a method: there may be no constraints."""
        if hook == "observe" and self._constraints_func is None:
            return not keeps(self, TPESampler, ("observe",))
        return super().uses(hook)

    def _jointly(self, view: View) -> bool:
        multivariate = self._multivariate
        return len(view.directions) == 1 if multivariate is None else multivariate

    @staticmethod
    def _finished(view: View) -> int:
        """Return how many trials are complete or pruned."""
        return view.n and int(np.count_nonzero(view.states != _FAIL))

    def _sample(
        self,
        view: View,
        number: int,
        space: dict[str, BaseDistribution],
        rng: np.random.Generator,
        jointly: bool,
    ) -> dict[str, float]:
        """Return the best of the candidates, of all parameters at once or of each for itself."""
        cache = view.cache
        rows = unit_rows(view, cache, space)
        n = rows.first(view.n)
        chosen = rows.places(view.n, good_rows(view, cache, self._gamma(self._finished(view))))
        mixture = self._good_mixture(view, cache, rows, chosen)
        pending = (
            pending_trials(view, cache, rows.space, number)
            if self._constant_liar
            else Pending.none(rows.space)
        )
        weights, n_rest = self._rest_weights(chosen, n, pending.unit.shape[1])
        candidates = mixture.draw(rng, self._n_ei_candidates, jointly)
        kernels = self._kernels
        if jointly:
            points = describe(rows.space, candidates)
            logs = mixture.log_kernels(points)
            ratio = mixture.log_mixture(logs)
            ratio -= log_rest_jointly(
                points, rows, pending, cache, chosen, weights, n_rest, logs[:, -1], kernels
            )
            best = int(ratio.argmax())
            return rows.space.decode(candidates.unit[best], candidates.indices[best])
        terms = mixture.log_terms(candidates)
        ratio = mixture.log_mixture(terms)
        ratio -= log_rest_singly(
            candidates, rows, pending, cache, weights, n_rest, terms[:, -1], kernels
        )
        each = ratio.argmax(axis=0)
        ds = candidates.unit.shape[1]
        return rows.space.decode(
            candidates.unit[each[:ds], np.arange(ds)],
            candidates.indices[each[ds:], np.arange(candidates.indices.shape[1])],
        )

    def _good_mixture(
        self, view: View, cache: dict[Hashable, Any], rows: UnitRows, chosen: NDArray[np.intp]
    ) -> GoodMixture:
        """Return l(x), the one of the last trial if the good trials are still the same."""
        key = ("tpe", "good", rows.space.names)
        of = (rows.space, chosen.tolist(), self._weights, self._kernels)
        known: tuple[Any, GoodMixture] | None = cache.get(key)
        if known is not None and known[0] == of:
            return known[1]
        weights = (
            checked_weights(self._weights, len(chosen))
            if len(view.directions) == 1
            else np.ones(len(chosen))
        )
        mixture = GoodMixture(
            rows.space, rows.unit[:, chosen], rows.indices[:, chosen], weights, self._kernels
        )
        cache[key] = (of, mixture)
        return mixture

    def _rest_weights(
        self, chosen: NDArray[np.intp], n: int, p: int
    ) -> tuple[NDArray[np.float32], int]:
        """Return the weights of n finished and p running trials in g, (n + p,), 0 for good ones.

        And how many trials belong to g.
        """
        in_rest = np.ones(n + p, dtype=bool)
        in_rest[chosen] = False
        n_rest = n + p - len(chosen)
        weights = np.zeros(n + p, np.float32)
        weights[in_rest] = checked_weights(self._weights, n_rest)
        return weights, n_rest
