"""A worker as a process of its own, which a test can kill, suspend and listen to."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Self

from tests.servers.process import GuardedProcess

__all__ = ("Program",)

_ROOT = Path(__file__).parents[2]
_PATIENCE = 30.0


def _path() -> list[str]:
    given = os.environ.get("PYTHONPATH")
    return [str(_ROOT), str(_ROOT / "src"), *([given] if given else [])]


class Program:
    """Run Python code in a process of its own, in the tests' environment; also as a context.

    :param code: what it runs, or the path of a script
    :param arguments: what it finds in ``sys.argv[1:]``
    """

    def __init__(self, code: str | Path, *arguments: object) -> None:
        run = [str(code)] if isinstance(code, Path) else ["-c", textwrap.dedent(code)]
        self._process = GuardedProcess(
            [sys.executable, "-u", *run, *map(str, arguments)],
            output=subprocess.PIPE,
            errors=None,
            environment={"PYTHONPATH": os.pathsep.join(_path())},
        )
        self.pid = self._process.pid
        self._unread = b""

    @property
    def running(self) -> bool:
        """Tell whether it has not ended."""
        return self._process.running

    def line(self, seconds: float = _PATIENCE) -> str:
        """Return the next line that it prints.

        :raises TimeoutError: it printed none within these seconds
        :raises EOFError: it ended without another line
        """
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.output, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"the program printed no line within {seconds:g} s")
                data = self._process.output.read1(65536)  # type: ignore[attr-defined]
                if not data:
                    raise EOFError(f"the program ended with {self._unread!r}, which is no line")
                self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()

    def suspend(self) -> None:
        """Stop it between two instructions (SIGSTOP), as if its machine hung."""
        self._process.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send(signal.SIGCONT)

    def interrupt(self) -> None:
        """Press Ctrl-C on it (SIGINT)."""
        self._process.send(signal.SIGINT)

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        self._process.send(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once (SIGKILL), suspended or not, with all that it started."""
        self._process.kill()

    def wait(self, seconds: float = _PATIENCE) -> int:
        """Wait until it has ended, and return its exit code, or 128 + the signal that ended it."""
        return self._process.wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.close()
