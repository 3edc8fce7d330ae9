"""Standard error, as log lines reach it: straight, or past a progress bar that is shown there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ("Writer", "lines_through", "write_line")

Writer = Callable[[str], object]


def _straight(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


_writers: list[Writer] = [_straight]


def write_line(line: str) -> None:
    """Write a line to what `sys.stderr` is now: notebooks and tests replace it."""
    _writers[-1](line)


@contextmanager
def lines_through(writer: Writer) -> Iterator[None]:
    """Have another writer for the lines, one that minds what is shown there."""
    _writers.append(writer)
    try:
        yield
    finally:
        _writers.remove(writer)
