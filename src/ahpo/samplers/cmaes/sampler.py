"""CMA-ES: sample from a normal distribution that adapts to what was found.

Papers: N. Hansen, The CMA Evolution Strategy: A Tutorial, arXiv:1604.00772; Ros and Hansen 2008
(separable); Hamano et al. 2022 (margin); Nomura et al. 2021 (warm start) and 2023 (learning rates).
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ahpo.exceptions import ExperimentalWarning
from ahpo.samplers.cmaes.box import Box, Floats, numeric
from ahpo.samplers.cmaes.generations import (
    MARK,
    Generation,
    Rules,
    advanced,
    first_generation,
)
from ahpo.samplers.cmaes.optimizers import Start, package, sampled
from ahpo.samplers.fallback import FallbackSampler
from ahpo.states import TrialState

if TYPE_CHECKING:
    from ahpo.distributions import BaseDistribution
    from ahpo.history.view import View
    from ahpo.samplers.base import BaseSampler
    from ahpo.trials import FrozenTrial

__all__ = ("CmaEsSampler",)

_COMPLETE, _PRUNED = int(TrialState.COMPLETE), int(TrialState.PRUNED)
_STRATEGIES = ("ipop", "bipop")
_KEPT = 4  # generations: views of threads that work at the same time differ by a few trials
_KEPT_OF_SELECTIONS = 32  # the brackets of Hyperband are selections
_BLOCK = 32  # trials; a generator of random numbers costs as much as 32 times as many of them
_LEAST_SIGMA = 1e-10


def _check(
    popsize: int | None,
    sigma0: float | None,
    restart_strategy: str | None,
    inc_popsize: int,
) -> None:
    if popsize is not None and popsize < 2:
        raise ValueError(f"`popsize` must be at least 2, but it is {popsize!r}.")
    if sigma0 is not None and not sigma0 > 0.0:
        raise ValueError(f"`sigma0` must be above 0, but it is {sigma0!r}.")
    if restart_strategy is not None and restart_strategy not in _STRATEGIES:
        raise ValueError(
            f'`restart_strategy` must be "ipop", "bipop" or None, but it is {restart_strategy!r}.'
        )
    if inc_popsize != -1 and inc_popsize < 1:
        raise ValueError(f"`inc_popsize` must be at least 1, but it is {inc_popsize!r}.")


def _warn(deprecated: dict[str, Any], experimental: dict[str, bool]) -> None:
    for name, since in deprecated.items():
        warnings.warn(
            f"`{name}` is deprecated, as it is in Optuna since v{since}.",
            FutureWarning,
            stacklevel=4,
        )
    for name, given in experimental.items():
        if given:
            warnings.warn(
                f"`{name}` is experimental: it may still change.", ExperimentalWarning, stacklevel=4
            )


class _Kept(NamedTuple):
    """Keep a generation; of selected rows, with the numbers of the trials that it has seen."""

    kinds: tuple[BaseDistribution, ...]
    generation: Generation
    numbers: NDArray[np.int64] | None

    def is_of(self, view: View) -> bool:
        """Tell whether the generation is of the first rows of the view."""
        seen = self.generation.seen
        if seen > view.n:
            return False
        return self.numbers is None or np.array_equal(self.numbers, view.numbers[:seen])


class CmaEsSampler(FallbackSampler):
    """Sample numeric parameters from a normal distribution that adapts to what was found.

    What the sampler knows is a function of the finished trials, in the order in which they
    finished: nothing is stored, and a resumed study goes on as if it had never stopped. The
    distribution adapts each time that a population of trials has finished, whichever they are; so
    pending trials hold nothing up, and no trial is lost. Choices, and parameters that not all
    trials have, are sampled by ``independent_sampler``. For one objective only.

    :param x0: deprecated; ``{name: value}``, where to begin. Default: the middle of each range.
    :param sigma0: deprecated; the standard deviation to begin with, where each range has the
        length 1. Default: 1/6.
    :param n_startup_trials: sample independently until so many trials are complete.
    :param independent_sampler: samples what CMA-ES does not; None for a RandomSampler.
    :param warn_independent_sampling: whether to warn when it does so after the startup.
    :param seed: seed of the random numbers; None for one from the operating system.
    :param consider_pruned_trials: learn from pruned trials, too, by their last reports.
    :param restart_strategy: deprecated; "ipop" or "bipop" to begin anew somewhere else, with
        another population, when the distribution has converged; None to stay.
    :param popsize: population; None for 4 + 3 ln(number of parameters).
    :param inc_popsize: deprecated; by which the population grows at a restart. Default: 2.
    :param use_separable_cma: adapt variances only, and no covariances.
    :param with_margin: keep discrete parameters from being stuck at one value.
    :param lr_adapt: adapt the learning rates, for functions with many basins and with noise.
    :param source_trials: trials of a similar study: begin where the best of them are.
    :raises ImportError: if the package cmaes is not installed.
    :raises ValueError: if an argument is out of range, or does not go with another one.
    """

    def __init__(
        self,
        *,
        x0: dict[str, Any] | None = None,
        sigma0: float | None = None,
        n_startup_trials: int = 1,
        independent_sampler: BaseSampler | None = None,
        warn_independent_sampling: bool = True,
        seed: int | None = None,
        consider_pruned_trials: bool = False,
        restart_strategy: str | None = None,
        popsize: int | None = None,
        inc_popsize: int = -1,
        use_separable_cma: bool = False,
        with_margin: bool = False,
        lr_adapt: bool = False,
        source_trials: list[FrozenTrial] | None = None,
    ) -> None:
        if find_spec("cmaes") is None:
            package()  # says what is missing
        super().__init__(seed, independent_sampler, warn_independent_sampling)
        _check(popsize, sigma0, restart_strategy, inc_popsize)
        if source_trials is not None and (
            x0 is not None or sigma0 is not None or use_separable_cma
        ):
            raise ValueError(
                "`source_trials` must be None with `x0`, `sigma0` or `use_separable_cma`, but it "
                "has been given."
            )
        if lr_adapt and (use_separable_cma or with_margin):
            raise ValueError(
                "`lr_adapt` must be False with `use_separable_cma` or `with_margin`, but it is "
                "True."
            )
        if use_separable_cma and with_margin:
            raise ValueError(
                "`use_separable_cma` must be False with `with_margin`, but it is True."
            )
        restarts = {"restart_strategy": restart_strategy, "inc_popsize": inc_popsize + 1 or None}
        deprecated = {name: "4.4.0" for name, given in restarts.items() if given is not None}
        begin = {"x0": x0, "sigma0": sigma0}
        deprecated |= {name: "4.9.0" for name, given in begin.items() if given is not None}
        _warn(
            deprecated,
            {
                "consider_pruned_trials": consider_pruned_trials,
                "use_separable_cma": use_separable_cma,
                "source_trials": source_trials is not None,
                "with_margin": with_margin,
                "lr_adapt": lr_adapt,
            },
        )
        self._x0 = x0
        self._sigma0 = sigma0
        self._n_startup_trials = n_startup_trials
        self._consider_pruned = consider_pruned_trials
        self._restart_strategy = restart_strategy
        self._factor = 2 if inc_popsize == -1 else inc_popsize
        self._popsize = popsize
        self._separable = use_separable_cma
        self._with_margin = with_margin
        self._lr_adapt = lr_adapt
        self._source_trials = source_trials
        self._key = object()  # of what it keeps in the caches of studies, also for its copies

    def warm_up(self) -> None:
        """Import the package, which brings scipy."""
        super().warm_up()
        package()

    def uses(self, hook: str) -> bool:
        """Tell whether this sampler, with these options, does anything in the method."""
        if hook == "prepare" and not self._with_margin:
            return self._other_uses(hook)  # there is nothing to keep
        return super().uses(hook)

    def why_independent(self, view: View) -> str | None:
        """Return why a parameter is drawn by itself, or None in the startup phase."""
        if self._finished(view) < max(self._n_startup_trials, 1):
            return None
        return "CMA-ES can not sample choices, nor parameters that not all trials have alike"

    def relative_space(self, view: View) -> dict[str, BaseDistribution]:
        """Return the numeric parameters that all trials have with the same distribution.

        :raises ValueError: if the study has several objectives.
        """
        if len(view.directions) > 1:
            raise ValueError(
                f"CmaEsSampler needs a study with one objective, but this one has "
                f"{len(view.directions)}."
            )
        cache, key = view.cache, (self._key, "space")
        space = view.intersection(include_pruned=self._consider_pruned)
        # The intersection mostly is the very dict that it was the last time.
        known = cache.get(key)
        if known is not None and known[0] is space:
            return known[1]  # type: ignore[no-any-return]
        found = {name: kind for name, kind in space.items() if numeric(kind)}
        cache[key] = (space, found)
        return found

    def propose_within(
        self, view: View, number: int, space: dict[str, BaseDistribution]
    ) -> dict[str, float]:
        """Return internal values for the parameters of ``space``; {} in the startup phase."""
        found = self._point(view, number, space)
        return {} if found is None else found[0].decode(found[1])

    def marks(self, view: View, number: int) -> dict[str, Any] | None:
        """Return discrete parameters before rounding, which ``with_margin`` needs to learn from."""
        if not self._with_margin or "fixed_params" in view.open_trial(number).system_attrs:
            return None
        space = self.relative_space(view)
        found = self._point(view, number, space) if space else None
        unrounded = {} if found is None else found[0].unrounded(found[1])
        return {MARK: unrounded} if unrounded else None

    def _finished(self, view: View) -> int:
        """Return how many trials CMA-ES learns from."""
        states = view.states
        n = int(np.count_nonzero(states == _COMPLETE))
        if self._consider_pruned:
            n += int(np.count_nonzero((states == _PRUNED) & ~np.isnan(view.last_value)))
        return n

    def _point(
        self, view: View, number: int, space: dict[str, BaseDistribution]
    ) -> tuple[Box, list[float]] | None:
        """Return the coordinates of a trial, before rounding; None in the startup phase."""
        cache = view.cache
        started: int | None = cache.get((self._key, "started"))
        if started is None or view.n < started:
            if self._finished(view) < max(self._n_startup_trials, 1):
                return None
            cache[self._key, "started"] = view.n
        if view.has_constraints:
            warnings.warn(
                "Trials have constraints, which CmaEsSampler does not consider.",
                UserWarning,
                stacklevel=3,
            )
        now = self._generation(view, space)
        if now is None:
            return None
        d = len(now.box.names)

        def more(k: int) -> Floats:
            rng = self.stream.generator(number, "cmaes")
            return rng.standard_normal((k, d))

        return now.box, sampled(now.shape, now.box, self._normal(cache, number, d), more)

    def _normal(self, cache: dict[Hashable, Any], number: int, d: int) -> Floats:
        """Return the normal random numbers of a trial, (d,), which are made by the block."""
        block, place = divmod(number, _BLOCK)
        key, of = (self._key, "normal"), (self.stream, block, d)
        known: tuple[Any, Floats] | None = cache.get(key)
        if known is None or known[0] != of:
            made = self.stream.generator(block, "cmaes block").standard_normal((_BLOCK, d))
            known = cache[key] = (of, made)
        normal: Floats = known[1][place]
        return normal

    def _generation(self, view: View, space: dict[str, BaseDistribution]) -> Generation | None:
        """Return the generation that trials of this view are of, kept from one to the next."""
        key = (self._key, tuple(space), view.whole)
        kept: tuple[_Kept, ...] = view.shared_cache.get(key, ())
        kinds = tuple(space.values())
        # Comparing tuples looks for identical items first: no distribution is compared by value.
        if kept and kept[0].kinds != kinds:
            kept = ()
        before = next((one for one in kept if one.is_of(view)), None)
        if before is None:
            usable = {name: kind for name, kind in space.items() if numeric(kind)}
            if not usable:
                return None
            first = first_generation(view, Box(usable, self._with_margin), self._rules())
            before = _Kept(kinds, first, None)
            kept = () if view.whole else kept
        now = advanced(before.generation, view, self._rules())
        if not kept or now is not before.generation:
            numbers = None if view.whole else view.numbers[: now.seen].copy()
            most = _KEPT if view.whole else _KEPT_OF_SELECTIONS
            view.shared_cache[key] = (_Kept(kinds, now, numbers), *kept)[:most]
        return now

    def _rules(self) -> Rules:
        return Rules(
            self._separable,
            self._lr_adapt,
            self._consider_pruned,
            self._restart_strategy,
            self._factor,
            self._start,
        )

    def _start(self, box: Box, maximize: bool) -> Start:
        """Return where to begin."""
        d = len(box.names)
        if self._separable and d == 1:
            warnings.warn(
                "`use_separable_cma` is ignored, as there is one numeric parameter only.",
                UserWarning,
                stacklevel=2,
            )
        if self._source_trials is not None:
            return self._warm_start(box, maximize, self._source_trials)
        mean = np.full(d, 0.5)
        if self._x0 is not None:
            internal = {
                name: kind.to_internal_repr(self._x0[name])
                for name, kind in zip(box.names, box.distributions, strict=True)
                if name in self._x0
            }
            # What it does not say begins in the middle.
            mean = box.encode_some(internal, mean)
        sigma = 1.0 / 6.0 if self._sigma0 is None else self._sigma0
        return Start(mean, max(sigma, _LEAST_SIGMA), None, self._popsize)

    def _warm_start(self, box: Box, maximize: bool, trials: Sequence[FrozenTrial]) -> Start:
        """Return where the best of other trials are.

        :raises ValueError: if none of the trials can be used
        """
        solutions: list[tuple[Floats, float]] = []
        for trial in trials:
            value = self._source_value(trial)
            if value is None or not set(box.names) <= set(trial.params):
                continue
            internal = {
                name: kind.to_internal_repr(trial.params[name])
                for name, kind in zip(box.names, box.distributions, strict=True)
            }
            point = box.encode_point(internal)
            if point is not None:
                solutions.append((point, -value if maximize else value))
        if not solutions:
            raise ValueError(
                f"`source_trials` must have complete trials with values for {list(box.names)} in "
                f"their ranges, but none of its {len(trials)} trials is so."
            )
        # The best tenth, or the best one.
        share = 0.1 if len(solutions) >= 10 else 1.0 / len(solutions) + 1e-9
        mean, sigma, cov = package().get_warm_start_mgd(solutions, gamma=share)
        return Start(mean, max(float(sigma), _LEAST_SIGMA), cov, self._popsize)

    def _source_value(self, trial: FrozenTrial) -> float | None:
        if trial.state is TrialState.COMPLETE:
            return trial.value
        if (
            self._consider_pruned
            and trial.state is TrialState.PRUNED
            and trial.last_step is not None
        ):
            value = trial.intermediate_values[trial.last_step]
            return None if value != value else value
        return None
