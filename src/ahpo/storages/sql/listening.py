"""How PostgreSQL tells a store at once that somebody else has finished one of its trials.

The connections that run transactions listen as well, while they are idle: so it takes none of its
own, of which a server has few. Where nothing can be heard, as behind PgBouncer in transaction mode,
the store learns of it when it renews its leases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ahpo.storages.sql.at_once import AtOnceLink

if TYPE_CHECKING:
    from ahpo.storages.sql.exchange import StudyRow
    from ahpo.storages.sql.server import ServerBackend

__all__ = ("Ears", "ListeningLink", "channel_of")


def channel_of(study_id: int) -> str:
    """Return the name of the channel on which it is said that a study has news."""
    return f"ahpo_study_{study_id}"


class Ears:
    """Hold who wants to hear of which study, and which connection listens for it."""

    def __init__(self) -> None:
        # A store that is gone takes its link with it.
        self._wanted: WeakKeyDictionary[ListeningLink, Callable[[], object]] = WeakKeyDictionary()
        self._listening: dict[str, Any] = {}

    def want(self, link: ListeningLink, heard: Callable[[], object] | None) -> None:
        """Have ``heard`` called when the study of a link has news; None: no longer."""
        if heard is None:
            self._wanted.pop(link, None)
        else:
            self._wanted[link] = heard

    async def tune(self, connection: Any) -> None:
        """Make a connection, in which no transaction is open, listen to what nobody listens to."""
        if not (self._wanted or self._listening):
            return
        wanted = {link.channel for link in list(self._wanted)}
        lost = {name for name, ear in self._listening.items() if ear.is_closed()}
        for name in lost:
            del self._listening[name]
        new = wanted - self._listening.keys()
        old = {
            name
            for name, ear in self._listening.items()
            if ear is connection and name not in wanted
        }
        if not (new or old):
            return
        # A transaction of its own, since it takes effect with the commit: what is read in the next
        # one is at least what was there then. (And a pooler needs one to stay with a session.)
        await connection.execute("BEGIN")
        for name in sorted(new):
            await connection.add_listener(name, self._hear)
        for name in sorted(old):
            await connection.remove_listener(name, self._hear)
        await connection.execute("COMMIT")
        self._listening.update(dict.fromkeys(new, connection))
        for name in old:
            del self._listening[name]

    def _hear(self, connection: Any, pid: int, channel: str, payload: object) -> None:
        for link, heard in list(self._wanted.items()):
            if link.channel == channel:
                heard()


class ListeningLink(AtOnceLink):
    """Exchange with a database, and hear from it."""

    def __init__(self, backend: ServerBackend, row: StudyRow, ears: Ears) -> None:
        super().__init__(backend, row)
        self.channel = channel_of(row.study_id)
        self._ears = ears

    def listen(self, heard: Callable[[], object] | None) -> bool:
        self._ears.want(self, heard)
        return True

    async def aclose(self) -> None:
        self._ears.want(self, None)
