"""The Tree-structured Parzen Estimator, one idea per file."""

from __future__ import annotations

from ahpo.samplers.tpe.sampler import TPESampler

__all__ = ("TPESampler",)
