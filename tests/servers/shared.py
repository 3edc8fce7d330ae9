"""One server for all test processes of a run: the first starts it, and it ends after the last."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.kinds import KINDS

__all__ = ("shared_server",)

_ROOT = Path(__file__).parents[2]


@contextmanager
def shared_server(kind: str, folder: Path, *upstream: str) -> Iterator[str]:
    """Yield the URL of the one server of this kind that the processes given this folder share.

    Who uses the server holds a shared lock, which the kernel lets go however a process ends. The
    server's keeper waits until it can lock alone, and then ends it: see `tests.servers.keeper`.

    :param folder: exists, and is the same for all who share
    :param upstream: the URL of the server that a PgBouncer is in front of
    :raises MissingServer: this machine does not have it
    """
    import fcntl  # not on Windows, where no server is found

    KINDS[kind].find_programs()
    url = folder / f"{kind}.url"
    with (folder / f"{kind}.users").open("w") as users:
        with (folder / f"{kind}.start").open("w") as start:
            fcntl.flock(start, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)  # after a keeper that is just ending its server
            if not url.exists():
                _start_keeper(kind, folder, *upstream)
        yield url.read_text()


def _start_keeper(kind: str, folder: Path, *upstream: str) -> None:
    command = [sys.executable, "-m", "tests.servers.keeper", kind, str(folder), *upstream]
    # It returns when the server answers, and leaves the keeper behind.
    done = subprocess.run(
        command,
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the keeper of {kind} failed:\n{done.stdout}")
