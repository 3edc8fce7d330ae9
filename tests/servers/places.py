"""Where servers come from and live: programs, the user who runs them, folders and ports."""

from __future__ import annotations

import os
import random
import shutil
import socket
import tempfile
from collections.abc import Iterable
from pathlib import Path

__all__ = ("MissingServer", "find_program", "free_port", "make_home", "open_to_all", "server_user")

_SYSTEM = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin")
# Below the ports that the kernel gives to outgoing connections, so that none takes a server's port
# while it restarts.
_PORTS = range(20_000, 32_000)


class MissingServer(Exception):
    """A server that this machine does not have; the message says how to get it."""


def find_program(name: str, folders: Iterable[Path] = ()) -> Path | None:
    """Find a program in these folders, else where the system has its own.

    :param folders: searched first, in this order
    """
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath), *_SYSTEM])
    found = shutil.which(name, path=path)
    return None if found is None else Path(found)


def server_user() -> tuple[int, int] | None:
    """Return whom servers run as, because most refuse to run as root; None is this very user."""
    if os.geteuid() != 0:
        return None
    import pwd  # where there is a root there is this module

    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return (65534, 65534)
    return (entry.pw_uid, entry.pw_gid)


def open_to_all(path: Path) -> bool:
    """Tell whether the servers' user can read what is there."""
    if server_user() is None:
        return True
    path = path.resolve()
    modes = [folder.stat().st_mode for folder in path.parents]
    return all(mode & 0o001 for mode in modes) and bool(path.stat().st_mode & 0o004)


def make_home() -> Path:
    """Make an empty folder that belongs to the servers' user."""
    # The folder that pytest gives to a test is closed to other users.
    bases = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    base = next(base for base in bases if base.is_dir() and open_to_all(base))
    home = Path(tempfile.mkdtemp(prefix="ahpo-server-", dir=base))
    user = server_user()
    if user is not None:
        os.chown(home, *user)
    return home


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    for port in random.sample(_PORTS, 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port was found between 20000 and 32000")
