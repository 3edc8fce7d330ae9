"""Conformance suites: subclass one in your tests to check a storage, a sampler or a pruner.

They need pytest, pytest-asyncio and Hypothesis, which the package itself does not.
"""

from __future__ import annotations

import pytest

# Before they are imported: then a failed assertion shows the values that it compared.
pytest.register_assert_rewrite(
    "ahpo.testing.problems",
    "ahpo.testing.pruners",
    "ahpo.testing.samplers",
    "ahpo.testing.storage_cancelling",
    "ahpo.testing.storage_facts",
    "ahpo.testing.storage_machine",
    "ahpo.testing.storage_studies",
    "ahpo.testing.storage_trials",
)

from ahpo.testing.pruners import PrunerTests  # noqa: E402
from ahpo.testing.samplers import SamplerTests  # noqa: E402
from ahpo.testing.storage_machine import StorageMachine  # noqa: E402
from ahpo.testing.storages import StorageTests  # noqa: E402

__all__ = ("PrunerTests", "SamplerTests", "StorageMachine", "StorageTests")
