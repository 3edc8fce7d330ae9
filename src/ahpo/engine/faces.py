"""The faces of a study, made on demand for whoever gets called.

What is `def` sees the synchronous face, what is `async def` the asynchronous one: objectives,
callbacks, in both kinds of study. A user's sampler or pruner, which must not wait, sees a reader.
The classes live in other modules, which enter them here when they are imported (all are, by
``import ahpo``), so that the engine need not know them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

__all__ = ("HasFaces", "Kind", "face", "register")

Kind = Literal["sync", "async", "reader"]


class HasFaces(Protocol):
    """Keep the faces that were made of it."""

    faces: dict[str, Any]


_makers: dict[str, Callable[[Any], Any]] = {}


def register(kind: Kind, maker: Callable[[Any], Any]) -> None:
    """Enter how a face is made of a session."""
    _makers[kind] = maker


def face(session: HasFaces, kind: Kind) -> Any:
    """Return one face of the session's study; the same one each time."""
    made = session.faces.get(kind)
    if made is None:
        made = session.faces[kind] = _makers[kind](session)
    return made
