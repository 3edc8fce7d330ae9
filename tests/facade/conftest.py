"""Let the comparisons that the tests of this folder share explain what differs; both faces."""

from __future__ import annotations

import pytest

from tests.facade.optimized import FACES, Optimize

pytest.register_assert_rewrite("tests.facade.two_libraries")


@pytest.fixture(params=list(FACES))
def optimize(request: pytest.FixtureRequest) -> Optimize:
    """Return what optimizes by one face, and then by the other."""
    return FACES[request.param]
