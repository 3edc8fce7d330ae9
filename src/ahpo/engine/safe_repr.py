"""`repr` and `str` of what is not ours, and may fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ("safe_repr", "safe_str")


def _safe(show: Callable[[Any], str], value: Any) -> str:
    try:
        return show(value)
    except Exception as error:
        return f"<{type(value).__name__}, whose {show.__name__}() raises {type(error).__name__}>"


def safe_repr(value: Any) -> str:
    """Return ``repr(value)``, or if that fails the name of its type."""
    return _safe(repr, value)


def safe_str(value: Any) -> str:
    """Return ``str(value)``, or if that fails the name of its type."""
    return _safe(str, value)
