"""CMA-ES, by the package cmaes, as a fold over finished trials; one idea per file."""

from __future__ import annotations

from ahpo.samplers.cmaes.sampler import CmaEsSampler

__all__ = ("CmaEsSampler",)
