"""The running trial of a plain objective: it decides at once."""

from __future__ import annotations

from typing import Any

from ahpo.engine.drive import drive
from ahpo.engine.faces import face
from ahpo.engine.live_trial import LiveTrial

__all__ = ("Trial",)


class Trial(LiveTrial):
    """Be the trial of a plain (``def``) objective."""

    @property
    def study(self) -> Any:
        """Return the study of the trial."""
        return face(self._session, "sync")

    def should_prune(self) -> bool:
        """Tell whether the trial should be pruned, by what was reported so far.

        :raises NotImplementedError: if the study has several objectives
        """
        self._check_going()
        self._check_single_objective("should_prune")
        if not self._session.store.waits:
            return self._session.decide(self._number)  # there is nobody to tell or to learn from
        prune = drive(self._session.checkpoint(self._number))
        self._check_going()  # others may have ended it
        return prune
