"""A process that ends with its owner, and that can be stopped, paused and killed at any time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from tests.servers.waiting import until

__all__ = ("GuardedProcess", "descendants", "exists")

_GUARD = Path(__file__).with_name("guard.py")
_PATIENCE = 20.0


class GuardedProcess:
    """Run a command, as another user where asked, until it ends or its owner does.

    :param command: the words of the command
    :param output: where its standard output goes; a file or `subprocess.PIPE`
    :param errors: where its standard error goes; with its output if not said
    :param user: user and group to run it as; the same as this process if not said
    :param last_signal: what ends it when the owner is gone
    :param folder: what is removed when the owner is gone without having ended it
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        output: IO[Any] | int | None = None,
        errors: IO[Any] | int | None = subprocess.STDOUT,
        user: tuple[int, int] | None = None,
        last_signal: signal.Signals = signal.SIGKILL,
        folder: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        reading, writing = os.pipe()
        spec = {
            "command": [str(word) for word in command],
            "user": user and user[0],
            "group": user and user[1],
            "last_signal": int(last_signal),
            "report": writing,
            "folder": folder and str(folder),
        }
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARD), json.dumps(spec)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
            pass_fds=(writing,),
            env=None if environment is None else os.environ | environment,
            start_new_session=True,
        )
        os.close(writing)
        with os.fdopen(reading) as report:
            said = report.read()
        if not said:
            self.close()
            raise OSError(f"{command[0]} could not be run")
        self.pid = int(said)

    @property
    def output(self) -> IO[bytes]:
        """Return what the process writes, if it was run with `subprocess.PIPE`."""
        assert self._guard.stdout is not None
        return self._guard.stdout

    @property
    def running(self) -> bool:
        """Tell whether the process has not ended."""
        return self._guard.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it has not ended."""
        if self.running:
            _send(self.pid, number)

    def send_to_all(self, number: signal.Signals) -> list[int]:
        """Send a signal to the process and to all that it started, and return their ids."""
        family = [self.pid, *descendants(self.pid)] if self.running else []
        for pid in family:
            _send(pid, number)
        return family

    def wait(self, seconds: float = _PATIENCE) -> int:
        """Wait until it has ended, and return its exit code, or 128 + the signal that ended it."""
        return self._guard.wait(seconds)

    def kill(self) -> None:
        """End it and all that it started as the failure of a machine would: at once."""
        family = self.send_to_all(signal.SIGKILL)
        self._guard.wait(_PATIENCE)
        until(lambda: not any(map(exists, family)), "the end of killed processes", _PATIENCE)

    def close(self) -> None:
        """End it for sure, and let its pipes go."""
        if hasattr(self, "pid"):
            self.kill()
        for pipe in (self._guard.stdin, self._guard.stdout, self._guard.stderr):
            if pipe is not None:
                pipe.close()
        self._guard.wait(_PATIENCE)


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it may just have ended
        os.kill(pid, number)


def exists(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be reaped does not."""
    return pid in _parents()


def descendants(pid: int) -> list[int]:
    """List the processes that a process started, and those that they started."""
    parents = _parents()
    found = [pid]
    for ancestor in found:
        found.extend(child for child, parent in parents.items() if parent == ancestor)
    return found[1:]


def _parents() -> dict[int, int]:
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                # "pid (name) state parent ...", where the name may hold spaces and brackets
                words = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has just ended
            if words[0] not in "ZX":
                parents[int(folder.name)] = int(words[1])
    return parents
