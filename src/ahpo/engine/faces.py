"""The two faces of a study and its trials, made on demand for whoever gets called.

What is `def` sees the synchronous face, what is `async def` the asynchronous one: objectives,
callbacks, both kinds of study. The classes live in higher layers, which enter them here when they
are imported (all are, by ``import ahpo``), so that the engine need not know them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ahpo.engine.session import Session

__all__ = ("async_study", "register", "sync_study")

_makers: dict[str, Callable[[Session], Any]] = {}


def register(kind: str, maker: Callable[[Session], Any]) -> None:
    """Enter how the ``"sync"`` or ``"async"`` face of a session is made."""
    _makers[kind] = maker


def sync_study(session: Session) -> Any:
    """Return the synchronous face of the session's study; the same one each time."""
    return session.faces.setdefault("sync", None) or _make(session, "sync")


def async_study(session: Session) -> Any:
    """Return the asynchronous face of the session's study; the same one each time."""
    return session.faces.setdefault("async", None) or _make(session, "async")


def _make(session: Session, kind: str) -> Any:
    face = session.faces[kind] = _makers[kind](session)
    return face
