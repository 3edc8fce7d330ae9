"""Names are unique in a process, and in those that are forked from it."""

from __future__ import annotations

import os

from ahpo.storages.unique import unique_name


def test_names_differ_in_a_process_and_in_its_children() -> None:
    reading, writing = os.pipe()
    before = unique_name()
    child = os.fork()
    if child == 0:
        os.write(writing, unique_name().encode())
        os._exit(0)
    os.waitpid(child, 0)
    names = [before, os.read(reading, 1000).decode(), *(unique_name() for _ in range(100))]
    os.close(reading)
    os.close(writing)
    assert len(set(names)) == len(names) == 102
    assert names[1].split("-")[:5] != before.split("-")[:5]
    assert not any(one in other for one in names for other in names if one is not other)
