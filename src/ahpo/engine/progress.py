"""The progress bar of `optimize` (tqdm, imported when one is shown)."""

from __future__ import annotations

from typing import Any

from ahpo.history.history import History

__all__ = ("Progress",)


class Progress:
    """Show how many trials, or seconds of the timeout, are done, and the best value so far."""

    def __init__(self, n_trials: int | None, timeout: float | None) -> None:
        from tqdm.auto import tqdm

        self._by_seconds = n_trials is None
        self._seconds = 0.0
        self._timeout = timeout
        form = None
        if self._by_seconds and timeout is not None:
            form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}/" + f"{timeout:.0f} s"
        self._bar: Any = tqdm(total=timeout if self._by_seconds else n_trials, bar_format=form)

    def update(self, history: History, elapsed: float) -> None:
        """Count one trial more, ``elapsed`` seconds after the start."""
        number = history.best_number
        if number is not None:
            values = history.finished(number).values
            assert values is not None
            self._bar.set_description(f"Best trial: {number}. Best value: {values[0]:.6g}")
        if not self._by_seconds:
            self._bar.update(1)
        elif self._timeout is not None:
            done = min(elapsed, self._timeout)
            self._bar.update(done - self._seconds)
            self._seconds = done

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()
