"""Each durable storage, either face, other processes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ahpo
from tests.facade.storages.places import KINDS, Others, Place, others_at_work
from tests.facade.waited import waited_face


@pytest.fixture(autouse=True, scope="package")
def little_to_collect() -> Iterator[None]:
    """Leave what is there before these tests out when garbage is collected after each."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Log errors only, and close what a test has dropped."""
    before = ahpo.logging.get_verbosity()
    ahpo.logging.set_verbosity(ahpo.logging.ERROR)
    yield
    ahpo.logging.set_verbosity(before)
    gc.collect()


@pytest.fixture
def place_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Place]:
    """Return what gives an empty place of a kind."""

    def place_of(kind: str) -> Place:
        if kind in ("sqlite", "journal"):
            path = tmp_path / f"{kind}.file"
            return Place(kind, f"sqlite:///{path}" if kind == "sqlite" else str(path))
        return Place(kind, request.getfixturevalue(f"{kind}_url"))

    return place_of


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, place_of: Callable[[str], Place]) -> Place:
    """Return an empty place, of each kind."""
    return place_of(request.param)


@pytest.fixture(params=["ahpo", "ahpo.aio"])
def face(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Yield either face; the asynchronous one waits by itself, so that plain code can use it."""
    if request.param == "ahpo":
        yield ahpo
    else:
        with waited_face() as waited:
            yield waited


@pytest.fixture(scope="session")
def others() -> Iterator[Others]:
    """Yield other processes."""
    with others_at_work() as others:
        yield others
