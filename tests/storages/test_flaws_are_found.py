"""The state machine notices a storage that breaks one of the promises of the protocol."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from ahpo.testing.storage_handles import Connect
from ahpo.testing.storage_machine import StorageMachine
from tests.storages.replicated import FLAWS, Server


def flawed_machine(flaw: str) -> type[StorageMachine]:
    class Flawed(StorageMachine):
        def new_storage(self) -> Connect:
            return Server(flaw).connect

    return Flawed


@pytest.mark.parametrize("flaw", FLAWS)
def test_flaw_is_found(flaw: str) -> None:
    search = settings(
        max_examples=300,
        stateful_step_count=20,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # to find it is enough
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises((AssertionError, KeyError, ValueError)):
        run_state_machine_as_test(flawed_machine(flaw), settings=search)
