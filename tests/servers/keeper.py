"""Start a server, keep it as long as any process uses it, and end it.

Run as ``python -m tests.servers.keeper KIND FOLDER [UPSTREAM]`` by `tests.servers.shared`. It
goes into the background when the server answers; FOLDER then holds its URL in KIND.url.
"""

from __future__ import annotations

import fcntl
import os
import sys
import traceback
from pathlib import Path

from tests.servers.kinds import make_server
from tests.servers.server import Server

__all__ = ("keep",)


def main(kind: str, folder: str, upstream: str | None = None) -> int:
    reading, writing = os.pipe()
    # The server has to be a child of the process that stays, so this one forks before it starts.
    if os.fork() != 0:
        os.close(writing)
        with os.fdopen(reading) as pipe:
            error = pipe.read()
        print(error, end="")
        return 1 if error else 0
    os.close(reading)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    try:
        with make_server(kind, upstream) as server:
            keep(server, Path(folder), writing)
    except BaseException:
        os.write(writing, traceback.format_exc().encode())
    return 0


def keep(server: Server, folder: Path, started: int) -> None:
    """Say that the server has started, and return when nobody uses it."""
    url = folder / f"{server.kind}.url"
    url.write_text(server.admin_url)
    with (folder / f"{server.kind}.users").open() as users:
        os.close(started)
        fcntl.flock(users, fcntl.LOCK_EX)
        url.unlink()
        # Held until the server is gone, so that the next one does not start beside it.
        server.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
