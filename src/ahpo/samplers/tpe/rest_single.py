"""g(x) of each parameter for itself."""
from __future__ import annotations
import numpy as np
from scipy.special import ndtr
from ahpo.samplers.tpe.good import smallest_bandwidth
def log_singly(candidates, rows, pending, weights, log_prior, kernels, n):
    raise NotImplementedError
