"""Fixtures that run an example as its reader would: as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
MARK = "AHPO_TEST_EXAMPLE"


@dataclass
class Example:
    """A running example, and all that it started, known by a mark in the environment."""

    name: str
    arguments: tuple[str, ...]
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(EXAMPLES / self.name), *self.arguments],
            env={**os.environ, MARK: self.mark, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a process group of its own, like a job of a terminal
        )

    def finish(self, timeout: float = 90) -> tuple[int, str, str]:
        """Wait for the end; return the exit status, standard output and standard error."""
        output, errors = self.process.communicate(timeout=timeout)
        return self.process.returncode, output, errors

    def interrupt(self, *, group: bool) -> None:
        """Press Ctrl-C: a terminal signals the whole group, `kill -INT` the process alone."""
        if group:
            os.killpg(self.process.pid, signal.SIGINT)
        else:
            self.process.send_signal(signal.SIGINT)

    def processes(self, of: str) -> list[int]:
        """Return the living processes of this example that run the given script."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                ours = f"{MARK}={self.mark}".encode() in (entry / "environ").read_bytes()
                if ours and of.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:  # it has just ended, or belongs to somebody else
                continue
        return found

    def wait_for_processes(self, of: str, at_least: int = 0, at_most: int = 10**6) -> list[int]:
        """Return the processes of a script as soon as there are that many."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = self.processes(of)
            if at_least <= len(found) <= at_most:
                return found
            if at_least and self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended early: {self.finish()}")
            time.sleep(0.02)
        raise AssertionError(f"{of}: {self.processes(of)}, expected {at_least} to {at_most}")


@pytest.fixture
def start_example() -> Iterator[Callable[..., Example]]:
    """Return a function that starts an example; whatever is left of it dies with the test."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("finding the children of a process needs /proc")
    started: list[Example] = []

    def start(name: str, *arguments: object) -> Example:
        started.append(Example(name, tuple(map(str, arguments))))
        return started[-1]

    yield start
    for example in started:
        for pid in example.processes(of=""):
            os.kill(pid, signal.SIGKILL)
        example.process.communicate()
