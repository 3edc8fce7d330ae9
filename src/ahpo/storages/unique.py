"""Names that nobody else makes, on any machine, in a tenth of the time that a new UUID takes."""

from __future__ import annotations

import itertools
import os
import uuid

__all__ = ("unique_name",)

_numbers = itertools.count()
_process = str(uuid.uuid4())


def unique_name() -> str:
    """Return a name that is no part of another one: a UUID of this process, and a number."""
    return f"{_process}-{next(_numbers)}-0"


def _in_child() -> None:
    global _process
    _process = str(uuid.uuid4())


os.register_at_fork(after_in_child=_in_child)
