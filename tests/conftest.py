"""What all tests share: how Hypothesis searches, and the check that tests leave nothing running."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers.fixtures"]

# One 2-core machine runs many tests at once, so a slow example says nothing: no deadline.
_COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("default", _COMMON, max_examples=50)
settings.register_profile("ci", _COMMON, max_examples=50, derandomize=True, database=None)
settings.register_profile("deep", _COMMON, max_examples=2000)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default")
)

# Threads that live as long as the process and serve every study: the storages' loop, and workers
# that asyncio and anyio keep for reuse.
_KEPT = ("ahpo-storages", "asyncio_", "AnyIO worker thread", "pytest_timeout", "tqdm")
_JOIN_SECONDS = 5.0


def _strays(before: set[threading.Thread]) -> list[threading.Thread]:
    return [
        thread
        for thread in threading.enumerate()
        if thread not in before and thread.is_alive() and not thread.name.startswith(_KEPT)
    ]


@pytest_asyncio.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Fail an async test that leaves a task pending (closing the loop would hide it)."""
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks were left running: {left}"


@pytest.fixture(autouse=True)
def nothing_left_running(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread or a task behind."""
    if request.node.get_closest_marker("asyncio") is not None:
        request.getfixturevalue("no_task_left")
    before = set(threading.enumerate())
    yield
    if _strays(before):
        gc.collect()  # plain code closes no storage: its connections end with it
    for thread in _strays(before):
        thread.join(_JOIN_SECONDS)  # one that is just ending is no leak
    left = _strays(before)
    assert not left, f"threads were left running: {left}"


@pytest.fixture(autouse=True)
def optuna_speaks_as_before() -> Iterator[None]:
    """Keep what a test sets of Optuna's log from the next one."""
    before = _verbosity()
    yield
    if _verbosity() != before:
        sys.modules["optuna"].logging.set_verbosity(logging.INFO if before is None else before)


def _verbosity() -> int | None:
    optuna = sys.modules.get("optuna")
    return None if optuna is None else optuna.logging.get_verbosity()


@pytest.fixture
def quiet_optuna() -> None:
    """Let Optuna say only what is an error."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
