"""A trial of given parameters, to await a coroutine objective with outside a study."""

from __future__ import annotations

from ahpo.engine.async_trial import Checkpoint
from ahpo.trials import fixed

__all__ = ("FixedTrial",)


class FixedTrial(fixed.FixedTrial):
    """Suggest parameters that were given beforehand, to a coroutine objective.

    ``await objective(FixedTrial({"x": 1}))`` evaluates an ``async def`` objective at a point. All
    is as in `ahpo.trial.FixedTrial`, but that ``should_prune()`` is awaited.

    :param params: values of parameters by name.
    :param number: the number of the trial.
    """

    __slots__ = ()

    def should_prune(self) -> Checkpoint:  # type: ignore[override]  # awaited, as an AsyncTrial's
        """Return what gives False when awaited: there is no pruner.

        :raises TypeError: if the result is used without having been awaited
        """
        return Checkpoint(self._never)

    async def _never(self) -> bool:
        return False
