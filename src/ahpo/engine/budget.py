"""How many trials an `optimize` may still start. Pure: told the time, never looking at it."""

from __future__ import annotations

__all__ = ("Budget",)


class Budget:
    """Count trials down and watch a deadline.

    :param n_trials: how many trials may start; None for any number
    :param deadline: from this time on none starts; None for never
    """

    __slots__ = ("deadline", "n_left", "stopped")

    def __init__(self, n_trials: int | None, deadline: float | None) -> None:
        self.n_left = n_trials
        self.deadline = deadline
        self.stopped = False

    def stop(self) -> None:
        """Let no further trial start."""
        self.stopped = True

    def take(self, now: float) -> bool:
        """Take one trial from the budget; False if there is none left."""
        if self.stopped or (self.deadline is not None and now >= self.deadline):
            return False
        if self.n_left is None:
            return True
        if self.n_left <= 0:
            return False
        self.n_left -= 1
        return True
