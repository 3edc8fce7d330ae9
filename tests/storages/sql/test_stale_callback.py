"""What is called for trials whose leases have expired."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

import ahpo
from ahpo.engine.drive import drive
from ahpo.storages import RDBStorage
from ahpo.trials import FrozenTrial


def test_callback_that_raises_for_one_stale_trial_is_called_for_the_others(
    tmp_path: Path,
) -> None:
    called: list[int] = []

    def call_back(study: object, trial: FrozenTrial) -> None:
        called.append(trial.number)
        if trial.number == 0:
            raise RuntimeError("of the callback")

    url = f"sqlite:///{tmp_path}/file"
    first = RDBStorage(url)
    asking = ahpo.create_study(study_name="study", storage=first)
    for _ in range(3):
        asking.ask()
    asking.trials  # noqa: B018  (so that all is written)
    connection = sqlite3.connect(f"{tmp_path}/file")
    connection.execute("UPDATE trial_heartbeats SET heartbeat = '2020-01-01 00:00:00.000000'")
    connection.commit()
    connection.close()
    storage = RDBStorage(url, heartbeat_stale_trial_callback=call_back)
    with pytest.raises(RuntimeError, match="of the callback"):
        ahpo.load_study(study_name="study", storage=storage).optimize(lambda _: 1.0, n_trials=1)
    assert called == [0, 1, 2]
    for one in (first, storage):
        drive(one.aclose())
