"""What the engine's tests share: a quiet log, and each way of running an objective."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ahpo import logging
from tests.engine.ways import WAYS, Way


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Log errors only: thousands of trials run and fail here, on purpose."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    yield
    logging.set_verbosity(before)


@pytest.fixture(params=sorted(WAYS))
def way(request: pytest.FixtureRequest) -> Way:
    """Each way of running an objective."""
    return WAYS[request.param]
