"""Ctrl-C and SIGTERM, once and twice: real signals to real processes, in each way of running.

`interrupted_script.py` sends them to itself while trials run, and says what it found afterwards.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("interrupted_script.py")
ONE, THREE = 1, 3
# How many trials run when the signal comes, and what ends them with Ctrl-C: asyncio turns it into
# a cancellation before we see it.
WAYS = {
    "in place": (ONE, "KeyboardInterrupt"),
    "threads": (THREE, "KeyboardInterrupt"),
    "own loop": (THREE, "KeyboardInterrupt"),
    "asyncio": (THREE, "cancelled"),
    "uvloop": (THREE, "cancelled"),
    "asyncio with threads": (THREE, "cancelled"),
    "stream": (THREE, "cancelled"),
    "two studies": (THREE, "cancelled"),
    "block": (ONE, "cancelled"),
    "blocks": (THREE, "cancelled"),
}
RAISED = {
    "ctrl-c": "KeyboardInterrupt()",
    "ctrl-c twice": "KeyboardInterrupt()",
    "sigterm": "SystemExit(143)",
    "sigterm twice": "SystemExit(143)",
    "ctrl-c, sigterm": "KeyboardInterrupt()",
}
LEFT = ("ahpo-optimize", "AnyIO worker thread")


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, Any]]:
    """What happened, by way and scenario. All scripts run side by side: they mostly wait."""
    ways = [*WAYS, "blocked asyncio", "stuck threads"]
    processes = {way: start(way) for way in ways}
    said = {way: process.communicate(timeout=100) for way, process in processes.items()}
    for way, process in processes.items():
        assert process.returncode == 0, said[way][1]
    return {
        way: {line["scenario"]: line for line in map(json.loads, out.splitlines())}
        for way, (out, _) in said.items()
    }


def assert_clean(result: dict[str, Any], n_trials: int) -> None:
    assert result["states"] == ["FAIL"] * n_trials
    assert result["numbers"] == list(range(n_trials))
    assert result["went on"] == ["COMPLETE"] * 2
    assert result["handlers"] == result["before"]


@pytest.mark.parametrize("scenario", RAISED)
@pytest.mark.parametrize("way", WAYS)
def test_signal(outcomes: dict[str, dict[str, Any]], way: str, scenario: str) -> None:
    """The signal is raised when all trials are finished; no thread is left, and it can go on."""
    result = outcomes[way][scenario]
    n_trials, by_ctrl_c = WAYS[way]
    assert_clean(result, n_trials)
    if way.startswith("block") and scenario == "ctrl-c, sigterm":  # as they come in time
        assert result["raised"] in (RAISED["ctrl-c"], RAISED["sigterm"])
    else:
        assert result["raised"] == RAISED[scenario]
    assert result["threads"] == []
    possible = {"SIGTERM" if scenario.startswith("sigterm") else by_ctrl_c}
    if by_ctrl_c == "cancelled":  # the second signal may come in the middle of the cancellation
        possible |= {"ctrl-c, sigterm": {"SIGTERM"}, "ctrl-c twice": {"KeyboardInterrupt()"}}.get(
            scenario, set()
        )
    assert set(result["reasons"]) <= possible


def test_ctrl_c_while_the_loop_is_blocked(outcomes: dict[str, dict[str, Any]]) -> None:
    """Ctrl-C that comes while a coroutine objective keeps the loop busy arrives all the same."""
    result = outcomes["blocked asyncio"]["ctrl-c"]
    assert_clean(result, 1)
    assert result["raised"] == "KeyboardInterrupt()"


def test_ctrl_c_leaves_threads_that_never_end(outcomes: dict[str, dict[str, Any]]) -> None:
    """A thread that never calls its trial again can not be ended: the third Ctrl-C leaves it."""
    result = outcomes["stuck threads"]["ctrl-c three times"]
    assert_clean(result, 3)
    assert result["raised"] == "KeyboardInterrupt()"
    assert set(result["threads"]) == set(LEFT)


@pytest.mark.parametrize(
    ("scenario", "code"), [("ctrl-c", -signal.SIGINT), ("sigterm", 128 + signal.SIGTERM)]
)
def test_exit_code(scenario: str, code: int) -> None:
    """A script that handles neither ends as any other does: by SIGINT, or with the code 143."""
    processes = [start(way, scenario) for way in ("in place", "asyncio", "block")]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == code
