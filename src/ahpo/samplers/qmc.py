"""Quasi-Monte Carlo: points that fill the space more evenly than random ones.

J. Bergstra and Y. Bengio, Random search for hyper-parameter optimization, JMLR 13, 2012.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ahpo.samplers.fallback import FallbackSampler
from ahpo.samplers.random import at_quantile
from ahpo.states import TrialState
from ahpo.streams import Stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ahpo.distributions import BaseDistribution
    from ahpo.history.view import View
    from ahpo.samplers.base import BaseSampler

__all__ = ("QMCSampler",)

_TYPES = ("sobol", "halton")
_BLOCK = 256  # points that are made at once; a power of 2, which Sobol' sequences are made for
_FAIL = int(TrialState.FAIL)


class QMCSampler(FallbackSampler):
    """Take the points of a low-discrepancy sequence, one by one.

    Trial n has point n - 1: trials that run at the same time, in whichever process, never share
    one, and no trial has to know of the others. The first trial is sampled independently and
    fixes the space: parameters that it lacks are always sampled so.

    :param qmc_type: "sobol" or "halton".
    :param scramble: randomize the sequence, but keep its evenness.
    :param seed: seed of the scrambling, and of what is sampled independently; None for one from
        the operating system. Workers of one study need the same.
    :param independent_sampler: samples what is not in the space; None for a RandomSampler.
    :param warn_asynchronous_seeding: whether to warn when ``scramble`` is True without a seed.
    :param warn_independent_sampling: whether to warn of parameters that the first trial lacked.
    :raises ValueError: if ``qmc_type`` is neither.
    """

    def __init__(
        self,
        *,
        qmc_type: str = "sobol",
        scramble: bool = False,
        seed: int | None = None,
        independent_sampler: BaseSampler | None = None,
        warn_asynchronous_seeding: bool = True,
        warn_independent_sampling: bool = True,
    ) -> None:
        super().__init__(seed, independent_sampler, warn_independent_sampling)
        if qmc_type not in _TYPES:
            raise ValueError(f'`qmc_type` must be "sobol" or "halton", but it is {qmc_type!r}.')
        if scramble and seed is None and warn_asynchronous_seeding:
            warnings.warn(
                "`seed` is not given, so that the sequence is scrambled at random: if several "
                "workers share a study, all of them need the same seed.",
                UserWarning,
                stacklevel=2,
            )
        self._qmc_type = qmc_type
        self._scramble = scramble
        # Stays when random numbers are replaced: the sequence must be one and the same.
        self._seed = int(Stream(None).uniform(0, "qmc") * 2**53) if seed is None else seed

    def warm_up(self) -> None:
        """Import scipy, and let it read the tables of the sequences."""
        super().warm_up()
        self._engine(1).random(1)

    def why_independent(self, view: View) -> str | None:
        """Return why a parameter is drawn by itself, or None as long as no trial has finished."""
        if not self._first(view):
            return None
        return "the first trial did not have it, or had it with another range"

    def relative_space(self, view: View) -> dict[str, BaseDistribution]:
        """Return the parameters of the first trial; at first, those of all that are running."""
        space = self._first(view)
        if space is None:
            space = {}
            for trial in view.running():
                space |= dict(trial.distributions)
        return space

    def _first(self, view: View) -> dict[str, BaseDistribution] | None:
        """Return the parameters of the first trial that was complete or pruned."""
        cache, key = view.cache, ("qmc", "first")
        known: tuple[int, int, dict[str, BaseDistribution]] | None = cache.get(key)
        seen = 0 if known is None else known[0]
        if known is None or view.n > seen:
            # A trial of a lower number may finish later.
            rows = np.flatnonzero(view.states[seen:] != _FAIL)
            if len(rows):
                number = int(view.numbers[seen:][rows].min())
                if known is None or number < known[1]:
                    known = (view.n, number, dict(view.finished(number).distributions))
            if known is not None:
                known = cache[key] = (view.n, *known[1:])
        return None if known is None else known[2]

    def propose_within(
        self, view: View, number: int, space: dict[str, BaseDistribution]
    ) -> dict[str, float]:
        """Return the internal values of the trial's point."""
        block, place = divmod(max(number - 1, 0), _BLOCK)
        point = self._points(view, len(space), block)[place].tolist()
        return {
            name: at_quantile(kind, u) for (name, kind), u in zip(space.items(), point, strict=True)
        }

    def _points(self, view: View, d: int, block: int) -> NDArray[np.float64]:
        """Return a block of points, (_BLOCK, d)."""
        cache = view.cache
        key = ("qmc", self._qmc_type, self._scramble and self._seed, d)
        # The last two: trials on both sides of where one ends may be asked for by turns.
        known: dict[int, NDArray[np.float64]] = cache.get(key, {})
        points = known.get(block)
        if points is None:
            engine = self._engine(d)
            if block:
                engine.fast_forward(block * _BLOCK)
            points = engine.random(_BLOCK)
            latest = dict(list(known.items())[-1:])
            cache[key] = {**latest, block: points}
        return points

    def _engine(self, d: int) -> Any:
        from scipy.stats import qmc  # takes half a second

        kind: Any = qmc.Sobol if self._qmc_type == "sobol" else qmc.Halton
        return kind(d, scramble=self._scramble, seed=self._seed)
