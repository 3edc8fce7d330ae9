"""A server as an object: started, stopped, restarted and killed by the test that has it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

from tests.servers.databases import with_database
from tests.servers.places import MissingServer, find_program, free_port, make_home, server_user
from tests.servers.process import GuardedProcess
from tests.servers.waiting import until

__all__ = ("Server",)

_ATTEMPTS = 3
_STARTS_IN = 60.0


class Server(ABC):
    """Be one server on a port of the loopback interface, with its data in a folder of its own.

    Data outlives `stop`, `kill` and `restart`, under the same URL; `close` removes all.

    :param durable: whether an acknowledged write outlives a power cut too; slower
    :raises MissingServer: this machine does not have it
    """

    kind: ClassVar[str]
    variable: ClassVar[str]  # the environment variable that names a server, or a folder of programs
    package: ClassVar[str]  # the name of Debian's package
    program: ClassVar[str]
    helpers: ClassVar[tuple[str, ...]] = ()
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    last_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(self, durable: bool = False) -> None:
        self.programs = self.find_programs()
        self.durable = durable
        self.port = 0
        self.database = ""  # that of the test which has the server
        self.process: GuardedProcess | None = None
        self._home: Path | None = None

    @classmethod
    def folders(cls) -> list[Path]:
        """List where this server's programs may be besides the usual places, the best first."""
        return []

    @classmethod
    def find_programs(cls) -> dict[str, Path]:
        """Find all programs that this server needs, by name.

        :raises MissingServer: one of them is not there
        """
        if sys.platform != "linux":
            raise MissingServer(f"tests start servers on Linux only: name a URL in {cls.variable}")
        chosen = os.environ.get(cls.variable, "")
        folders = [Path(chosen)] if chosen and "://" not in chosen else cls.folders()
        found = {name: find_program(name, folders) for name in (cls.program, *cls.helpers)}
        missing = [name for name, path in found.items() if path is None]
        if missing:
            raise MissingServer(
                f"there is no {' and no '.join(missing)}: install {cls.package}, or name a folder "
                f"of programs or a server's URL in {cls.variable}"
            )
        return {name: path for name, path in found.items() if path is not None}

    @property
    def home(self) -> Path:
        """Return the folder of the server's data and log, made by the first start."""
        assert self._home is not None, "the server was never started"
        return self._home

    @property
    @abstractmethod
    def admin_url(self) -> str:
        """Return the URL under which databases are made and dropped."""

    @property
    def url(self) -> str:
        """Return the URL of the database that the test was given."""
        return with_database(self.admin_url, self.database) if self.database else self.admin_url

    @abstractmethod
    def prepare(self) -> None:
        """Fill the new home with what the server expects there."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that serves on the port, in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Tell whether the server answers a query."""

    @property
    def running(self) -> bool:
        """Tell whether the server's process has not ended."""
        return self.process is not None and self.process.running

    @property
    def log(self) -> str:
        """Return what the server has said."""
        return (self.home / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start the server, unless it runs, and return when it answers."""
        if self.running:
            return
        if self._home is None:
            self._home = make_home()
            self.prepare()
        known = self.port
        for _ in range(_ATTEMPTS):
            self.port = known or free_port()
            if self._started():
                return
        raise RuntimeError(f"{self.kind} did not start:\n{self.log[-2000:]}")

    def _started(self) -> bool:
        with (self.home / "log").open("ab") as log:
            self.process = process = GuardedProcess(
                self.command(),
                output=log,
                user=server_user(),
                last_signal=self.last_signal,
                folder=self.home,
            )
        until(lambda: not process.running or self.answers(), f"{self.kind} answers", _STARTS_IN)
        return process.running

    def stop(self) -> None:
        """Stop the server in order; connections are cut."""
        self._end(self.stop_signal)

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_to_all(signal.SIGCONT)
            self.process.send(number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait()
            self.process.close()
            self.process = None

    def restart(self) -> None:
        """Stop the server and start it on the same port with the same data."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """End the server as a crash would (SIGKILL); what it acknowledged stays."""
        if self.process is not None:
            self.process.close()
            self.process = None

    def pause(self) -> None:
        """Make the server hang: it keeps its connections and answers nothing."""
        assert self.process is not None, "the server does not run"
        self.process.send_to_all(signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        assert self.process is not None, "the server does not run"
        self.process.send_to_all(signal.SIGCONT)

    def close(self) -> None:
        """End the server and remove its data."""
        self._end(self.last_signal)
        if self._home is not None:
            shutil.rmtree(self._home)
            self._home = None

    def run(self, command: list[str]) -> None:
        """Run a program as the servers' user in the home, and wait for its end.

        :raises RuntimeError: it failed
        """
        user = server_user()
        done = subprocess.run(
            command,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            user=None if user is None else user[0],
            group=None if user is None else user[1],
            extra_groups=None if user is None else [],
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-2000:]}")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
