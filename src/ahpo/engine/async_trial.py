"""The running trial of a coroutine objective: its checkpoint is awaited."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Coroutine, Generator
from typing import Any, NoReturn

from ahpo.engine.faces import face
from ahpo.engine.live_trial import LiveTrial

__all__ = ("AsyncTrial", "Checkpoint")

_FORGOTTEN = (
    "`should_prune()` of an AsyncTrial must be awaited: write `await trial.should_prune()`."
)


class Checkpoint:
    """Be what ``should_prune()`` returns before it is awaited; it has no truth value."""

    __slots__ = ("_awaited", "_decide")

    def __init__(self, decide: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        self._decide = decide
        self._awaited = False

    def __await__(self) -> Generator[Any, Any, bool]:
        self._awaited = True
        return self._decide().__await__()

    def __bool__(self) -> NoReturn:
        self._awaited = True
        raise TypeError(_FORGOTTEN)

    def __del__(self) -> None:
        if not self._awaited:
            warnings.warn(_FORGOTTEN, RuntimeWarning, stacklevel=2)


class AsyncTrial(LiveTrial):
    """Be the trial of a coroutine (``async def``) objective."""

    @property
    def study(self) -> Any:
        """Return the study of the trial."""
        return face(self._session, "async")

    def should_prune(self) -> Checkpoint:
        """Return the checkpoint of the trial: ``if await trial.should_prune(): ...``.

        Awaiting it writes what was reported, learns what others have, gives other tasks a turn,
        and tells whether the trial should be pruned.

        :raises NotImplementedError: if the study has several objectives
        :raises TypeError: if the result is used without having been awaited
        """
        self._check_single_objective("should_prune")
        return Checkpoint(self._checkpoint)

    async def _checkpoint(self) -> bool:
        self._check_going()
        await asyncio.sleep(0)
        prune = await self._session.checkpoint(self.number)
        self._check_going()  # others may have ended it
        return prune
