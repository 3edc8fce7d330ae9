"""What a forked child must not touch, not even by forgetting it."""

from __future__ import annotations

__all__ = ("leave_to_parent",)

_left: list[object] = []


def leave_to_parent(thing: object) -> None:
    """Keep something that the parent uses from ever being finalized in this process.

    A connection that is finalized takes itself from the list of what its event loop listens to:
    and that list, in the kernel, is the parent's too, which would never hear of it again.
    """
    _left.append(thing)
    try:
        import ctypes
    except ImportError:
        return  # kept until the interpreter ends
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
