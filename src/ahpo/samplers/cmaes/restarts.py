"""When an optimizer has converged, and how big the population of the next one is.

IPOP: Auger and Hansen, A restart CMA evolution strategy with increasing population size, 2005.
BIPOP: Hansen, Benchmarking a BI-population CMA-ES on the BBOB-2009 function testbed, 2009.
"""

from __future__ import annotations

from math import floor
from typing import NamedTuple

from ahpo.streams import Stream

__all__ = ("Restarts",)


class Restarts(NamedTuple):
    """Count the restarts of a study so far.

    ``smallest``: the population to begin with; ``n``: restarts; ``n_large``: those of them with a
    growing population; ``in_large``, ``in_small``: trials told under each regime; ``is_small``:
    whether the present population is of the small regime.
    """

    smallest: int
    n: int = 0
    n_large: int = 0
    in_large: int = 0
    in_small: int = 0
    is_small: bool = False

    def told(self, n_trials: int) -> Restarts:
        """Return the counts after so many more trials."""
        if self.is_small:
            return self._replace(in_small=self.in_small + n_trials)
        return self._replace(in_large=self.in_large + n_trials)

    def next(self, strategy: str, factor: int, draws: Stream) -> tuple[Restarts, int]:
        """Return the counts and the population after one more restart.

        :param strategy: "ipop" or "bipop"
        :param factor: by which the population grows
        """
        if strategy == "bipop" and self.n and self.in_small < self.in_large:
            # Somewhere between the smallest and half of the last large one, mostly near the former.
            most = 0.5 * factor**self.n_large
            popsize = floor(self.smallest * most ** (draws.uniform(self.n, "popsize") ** 2))
            counts = self._replace(n=self.n + 1, is_small=True)
            return counts, max(popsize, self.smallest)
        n_large = self.n_large + 1
        counts = self._replace(n=self.n + 1, n_large=n_large, is_small=False)
        return counts, self.smallest * factor**n_large
