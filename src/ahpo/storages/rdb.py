"""Studies in a relational database, in the tables that Optuna has."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ahpo.storages.leases import LEASES, Leases
from ahpo.storages.replicated import ReplicatedStorage

if TYPE_CHECKING:
    from ahpo.storages.exchange import Backend
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("RDBStorage", "checked_leases")


class RDBStorage(ReplicatedStorage):
    """Keep studies in SQLite, PostgreSQL, MySQL or MariaDB.

    Running trials have leases: one whose worker died is failed by whoever notices first.

    :param url: ``sqlite:///file.db``, ``sqlite:///:memory:``, ``postgresql://...``, ``mysql://...``;
        a driver's name, as in ``postgresql+psycopg2://``, is accepted and left aside
    :param engine_kwargs: ``{"connect_args": {"timeout": seconds}}``, for example
    :param skip_compatibility_check: whether to open a database whose tables are of another version
    :param heartbeat_interval: how often leases are renewed, in seconds; None for every 60
    :param grace_period: how long a lease lasts without being renewed, in seconds; None for twice
        the interval
    :param heartbeat_stale_trial_callback: called with the study and each trial that was failed
        because its lease had expired
    :param failed_trial_callback: the old name of ``heartbeat_stale_trial_callback``
    :param skip_table_creation: whether to leave a database without tables as it is
    :raises ValueError: if the URL is of no kind that is known, or a time is not positive
    """

    def __init__(
        self,
        url: str,
        engine_kwargs: dict[str, Any] | None = None,
        skip_compatibility_check: bool = False,
        *,
        heartbeat_interval: float | None = None,
        grace_period: float | None = None,
        heartbeat_stale_trial_callback: Callable[[Any, FrozenTrial], None] | None = None,
        failed_trial_callback: Callable[[Any, FrozenTrial], None] | None = None,
        skip_table_creation: bool = False,
    ) -> None:
        if failed_trial_callback is not None:
            warnings.warn(
                "`failed_trial_callback` has a new name: use `heartbeat_stale_trial_callback`.",
                FutureWarning,
                stacklevel=2,
            )
        self.url = url
        make_backend = functools.partial(
            _backend_of,
            url,
            engine_kwargs or {},
            skip_compatibility_check,
            skip_table_creation,
            # Where a relative path begins must not change with the working directory.
            os.getcwd() if url.lower().startswith("sqlite") else "",
        )
        make_backend()  # so that a wrong argument is refused here and not later
        super().__init__(make_backend, checked_leases(heartbeat_interval, grace_period))
        self.on_stale_trial = heartbeat_stale_trial_callback or failed_trial_callback

    def __repr__(self) -> str:
        return f"RDBStorage({self.url.split('://')[0]!r}, ...)"  # there may be a password in it


def _backend_of(
    url: str, engine_kwargs: dict[str, Any], skip_check: bool, skip_creation: bool, folder: str
) -> Backend:
    from ahpo.storages.sql.url import backend_of

    return backend_of(url, engine_kwargs, skip_check, skip_creation, folder)


def checked_leases(interval: float | None, grace: float | None) -> Leases:
    """Return how leases are kept.

    :raises ValueError: if a time is not positive
    """
    for name, seconds in (("heartbeat_interval", interval), ("grace_period", grace)):
        if seconds is not None and not seconds > 0:
            raise ValueError(f"`{name}` must be above 0 or None, but it is {seconds!r}.")
    if interval is None:
        interval = LEASES.interval
    return Leases(interval, 2 * interval if grace is None else grace)
