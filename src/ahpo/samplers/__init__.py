"""What chooses the parameters of trials."""

from __future__ import annotations

from ahpo.samplers.base import BaseSampler
from ahpo.samplers.brute_force import BruteForceSampler
from ahpo.samplers.grid import GridSampler
from ahpo.samplers.partial_fixed import PartialFixedSampler
from ahpo.samplers.random import RandomSampler
from ahpo.samplers.tpe import TPESampler

__all__ = (
    "BaseSampler",
    "BruteForceSampler",
    "GridSampler",
    "PartialFixedSampler",
    "RandomSampler",
    "TPESampler",
)
