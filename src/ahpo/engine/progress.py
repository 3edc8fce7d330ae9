"""The progress bar of `optimize` (tqdm, imported when one is shown)."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Any

from ahpo.console import lines_through
from ahpo.history.history import History

__all__ = ("Progress",)


class Progress:
    """Show how many trials, or seconds of the timeout, are done, and the best value so far.

    With neither a number of trials nor a timeout, there is no bar but a count. Log lines go above.
    """

    def __init__(self, n_trials: int | None, timeout: float | None) -> None:
        from tqdm.auto import tqdm

        self._by_seconds = n_trials is None and timeout is not None
        self._seconds = 0.0
        self._timeout = timeout
        form = None
        if timeout is not None and self._by_seconds:
            form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}/" + f"{timeout:.0f} s"
        elif n_trials is None:
            form = "{desc}{n_fmt} trials [{elapsed}]"
        self._bar: Any = tqdm(total=timeout if self._by_seconds else n_trials, bar_format=form)
        self._lines = ExitStack()
        self._lines.enter_context(lines_through(self._write))

    def _write(self, line: str) -> None:
        self._bar.write(line, file=sys.stderr)

    def update(self, history: History, elapsed: float) -> None:
        """Count one trial more, ``elapsed`` seconds after the start."""
        number = history.best_number
        if number is not None:
            values = history.finished(number).values
            assert values is not None
            best = f"Best trial: {number}. Best value: {values[0]:.6g}"
            self._bar.set_description(best, refresh=False)  # the bar itself knows when it is time
        if not self._by_seconds:
            if self._timeout is not None:
                passed = f"{elapsed:.2f}/{self._timeout} seconds"
                self._bar.set_postfix_str(passed, refresh=False)
            self._bar.update(1)
        elif self._timeout is not None:
            done = min(elapsed, self._timeout)
            self._bar.update(done - self._seconds)
            self._seconds = done

    def close(self) -> None:
        """Leave the bar as it is."""
        self._lines.close()
        self._bar.close()
