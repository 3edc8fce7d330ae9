"""What chooses the parameters of trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ahpo.lazy import lazily
from ahpo.samplers.base import BaseSampler

if TYPE_CHECKING:
    from ahpo.samplers import nsgaii
    from ahpo.samplers.brute_force import BruteForceSampler
    from ahpo.samplers.cmaes import CmaEsSampler
    from ahpo.samplers.genetic import BaseGASampler
    from ahpo.samplers.gp import GPSampler
    from ahpo.samplers.grid import GridSampler
    from ahpo.samplers.nsgaii.sampler import NSGAIISampler
    from ahpo.samplers.nsgaiii import NSGAIIISampler
    from ahpo.samplers.partial_fixed import PartialFixedSampler
    from ahpo.samplers.qmc import QMCSampler
    from ahpo.samplers.random import RandomSampler
    from ahpo.samplers.tpe import TPESampler

__all__ = (
    "BaseGASampler",
    "BaseSampler",
    "BruteForceSampler",
    "CmaEsSampler",
    "GPSampler",
    "GridSampler",
    "NSGAIIISampler",
    "NSGAIISampler",
    "PartialFixedSampler",
    "QMCSampler",
    "RandomSampler",
    "TPESampler",
    "nsgaii",
)

__getattr__ = lazily(
    globals(),
    {
        "BaseGASampler": "ahpo.samplers.genetic",
        "BruteForceSampler": "ahpo.samplers.brute_force",
        "CmaEsSampler": "ahpo.samplers.cmaes",
        "GPSampler": "ahpo.samplers.gp",
        "GridSampler": "ahpo.samplers.grid",
        "NSGAIIISampler": "ahpo.samplers.nsgaiii",
        "NSGAIISampler": "ahpo.samplers.nsgaii.sampler",
        "PartialFixedSampler": "ahpo.samplers.partial_fixed",
        "QMCSampler": "ahpo.samplers.qmc",
        "RandomSampler": "ahpo.samplers.random",
        "TPESampler": "ahpo.samplers.tpe",
        "nsgaii": "ahpo.samplers.nsgaii",
    },
)


def __dir__() -> tuple[str, ...]:
    return __all__
