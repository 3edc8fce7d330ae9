"""Bayesian optimization by Gaussian processes."""

from ahpo.samplers.gp.sampler import GPSampler

__all__ = ("GPSampler",)
