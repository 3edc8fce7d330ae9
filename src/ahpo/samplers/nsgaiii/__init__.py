"""NSGA-III: NSGA-II for many objectives, by reference points."""

from __future__ import annotations

from ahpo.samplers.nsgaiii.sampler import NSGAIIISampler

__all__ = ("NSGAIIISampler",)
