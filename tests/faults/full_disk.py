"""Disks with little room."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ("file_size_limit", "fill", "small_disk")

_BLOCK = 4096


@contextmanager
def small_disk(folder: Path, kibibytes: int) -> Iterator[Path]:
    """Mount a disk of this size on an empty folder.

    :raises PermissionError: this user may not mount; `file_size_limit` needs no permission
    """
    size = f"size={kibibytes}k,mode=700"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True, text=True
    )
    if done.returncode != 0:
        raise PermissionError(f"no disk could be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        # Lazily: a file that a failing test left open must not keep the disk.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write a file until the disk has no room, and return it; removing it makes room again."""
    path = folder / "filling"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        while True:
            os.write(file, bytes(_BLOCK))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    finally:
        os.close(file)
    return path


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond this many bytes: a write fails with EFBIG."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
