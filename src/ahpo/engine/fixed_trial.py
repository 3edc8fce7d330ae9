"""A trial of given parameters, to await a coroutine objective with outside a study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ahpo.engine.async_trial import AsyncTrial, Checkpoint

if TYPE_CHECKING:
    # An objective may say `trial: AsyncTrial` and be checked all the same when it is called with
    # parameters given by hand.
    Base = AsyncTrial
else:
    from ahpo.trials.fixed import FixedTrial as Base

__all__ = ("FixedTrial",)


class FixedTrial(Base):
    """Suggest parameters that were given beforehand, to a coroutine objective.

    ``await objective(FixedTrial({"x": 1}))`` evaluates an ``async def`` objective at a point. All
    is as in `ahpo.trial.FixedTrial`, but that ``should_prune()`` is awaited.

    :param params: values of parameters by name.
    :param number: the number of the trial.
    :raises TypeError: if ``params`` is no dict.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __init__(self, params: dict[str, Any], number: int = 0) -> None: ...

    def should_prune(self) -> Checkpoint:
        """Return what gives False when awaited: there is no pruner.

        :raises TypeError: if the result is used without having been awaited
        """
        return Checkpoint(self._never)

    async def _never(self) -> bool:
        return False
