"""What chooses the parameters of trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ahpo.lazy import lazily
from ahpo.samplers.base import BaseSampler

if TYPE_CHECKING:
    from ahpo.samplers.brute_force import BruteForceSampler
    from ahpo.samplers.gp import GPSampler
    from ahpo.samplers.grid import GridSampler
    from ahpo.samplers.partial_fixed import PartialFixedSampler
    from ahpo.samplers.random import RandomSampler
    from ahpo.samplers.tpe import TPESampler

__all__ = (
    "BaseSampler",
    "BruteForceSampler",
    "GPSampler",
    "GridSampler",
    "PartialFixedSampler",
    "RandomSampler",
    "TPESampler",
)

__getattr__ = lazily(
    globals(),
    {
        "BruteForceSampler": "ahpo.samplers.brute_force",
        "GPSampler": "ahpo.samplers.gp",
        "GridSampler": "ahpo.samplers.grid",
        "PartialFixedSampler": "ahpo.samplers.partial_fixed",
        "RandomSampler": "ahpo.samplers.random",
        "TPESampler": "ahpo.samplers.tpe",
    },
)


def __dir__() -> tuple[str, ...]:
    return __all__
