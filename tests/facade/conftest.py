"""Let the comparisons that the tests of this folder share explain what differs."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.facade.two_libraries")
