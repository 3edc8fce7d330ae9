"""g(x) of each parameter for itself."""

from __future__ import annotations


def log_singly(candidates, rows, pending, weights, log_prior, kernels, n):
    raise NotImplementedError
