"""A search space with every kind of parameter that the Parzen estimator treats in its own way."""

from __future__ import annotations

import numpy as np

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.samplers.random import at_quantile

__all__ = ("EVERY_KIND", "random_params")

EVERY_KIND: dict[str, BaseDistribution] = {
    "float": FloatDistribution(-5.0, 5.0),
    "choice": CategoricalDistribution(("a", "b", "c")),
    "log": FloatDistribution(1e-5, 1e-1, log=True),
    "few steps": FloatDistribution(0.0, 0.5, step=0.05),
    "int": IntDistribution(1, 8),
    "graded": IntDistribution(1, 1000, log=True),
    "narrow cells": IntDistribution(100, 100_000, log=True),
    "wide choice": CategoricalDistribution(tuple(range(70))),
    "few log ints": IntDistribution(1, 12, log=True),
    "many steps": IntDistribution(3, 398, step=5),
    "yes or no": CategoricalDistribution((True, False)),
    "countless": IntDistribution(0, 3 * 10**8, step=3),
}


def random_params(rng: np.random.Generator) -> dict[str, object]:
    """Return external values, uniform on each scale."""
    return {
        name: distribution.to_external_repr(at_quantile(distribution, rng.random()))
        for name, distribution in EVERY_KIND.items()
    }
