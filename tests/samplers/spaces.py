"""Search spaces with an objective each: one has every kind of parameter that there is."""

from __future__ import annotations

from typing import Any

import numpy as np

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.samplers.random import at_quantile

__all__ = ("EVERY_KIND", "PLANE", "bowl", "of_every_kind", "random_params")

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


PLANE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(-5.0, 5.0),
    "y": FloatDistribution(-5.0, 5.0),
}


def bowl(params: dict[str, Any]) -> float:
    return float((params["x"] - 2.0) ** 2 + (params["y"] + 1.0) ** 2)


def of_every_kind(params: dict[str, Any]) -> float:
    """Return a loss that each parameter of `EVERY_KIND` has a part in."""
    loss = (params["float"] - 1.0) ** 2 + (np.log10(params["log"]) + 3.0) ** 2
    loss += params["few steps"] + abs(params["int"] - 3) + abs(params["few log ints"] - 2) / 4
    loss += abs(np.log(params["graded"] / 10.0)) + abs(np.log(params["narrow cells"] / 5000.0))
    loss += {"a": 0.0, "b": 1.0, "c": 2.0}[params["choice"]] + (not params["yes or no"])
    loss += abs(params["wide choice"] - 30) / 10 + abs(params["many steps"] - 200) / 100
    return float(loss + params["countless"] / 1e8)


def random_params(rng: np.random.Generator) -> dict[str, object]:
    """Return external values, uniform on each scale."""
    return {
        name: distribution.to_external_repr(at_quantile(distribution, rng.random()))
        for name, distribution in EVERY_KIND.items()
    }
