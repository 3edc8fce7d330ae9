"""Studies in a journal: a file, or a list in Redis, to which every change is appended."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ahpo.storages.journal.backend import JournalBackend
from ahpo.storages.rdb import checked_leases
from ahpo.storages.replicated import ReplicatedStorage

if TYPE_CHECKING:
    from collections.abc import Callable

    from ahpo.storages.journal.base import BaseJournalBackend
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("JournalStorage",)


class JournalStorage(ReplicatedStorage):
    """Keep studies in a journal, which several processes and machines may append to.

    Running trials have leases: one whose worker died is failed by whoever notices first.

    :param log_storage: where the journal is: a `JournalFileBackend` or a `JournalRedisBackend`, or
        what a user made of a `BaseJournalBackend`
    :param heartbeat_interval: how often leases are renewed, in seconds; None for every 60
    :param grace_period: how long a lease lasts without being renewed, in seconds; None for twice
        the interval
    :param heartbeat_stale_trial_callback: called with the study and each trial that was failed
        because its lease had expired
    :raises ValueError: if a time is not positive
    """

    def __init__(
        self,
        log_storage: BaseJournalBackend,
        *,
        heartbeat_interval: float | None = None,
        grace_period: float | None = None,
        heartbeat_stale_trial_callback: Callable[[Any, FrozenTrial], None] | None = None,
    ) -> None:
        super().__init__(
            functools.partial(JournalBackend, log_storage),
            checked_leases(heartbeat_interval, grace_period),
        )
        self.on_stale_trial = heartbeat_stale_trial_callback
