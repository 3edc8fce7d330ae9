"""Crossovers and mutations of NSGAIISampler and NSGAIIISampler."""

from __future__ import annotations

from ahpo.samplers.nsgaii.crossover import BaseCrossover
from ahpo.samplers.nsgaii.mutation import BaseMutation, PolynomialMutation
from ahpo.samplers.nsgaii.three_parents import SPXCrossover, UNDXCrossover
from ahpo.samplers.nsgaii.two_parents import (
    BLXAlphaCrossover,
    SBXCrossover,
    UniformCrossover,
    VSBXCrossover,
)

__all__ = (
    "BLXAlphaCrossover",
    "BaseCrossover",
    "BaseMutation",
    "PolynomialMutation",
    "SBXCrossover",
    "SPXCrossover",
    "UNDXCrossover",
    "UniformCrossover",
    "VSBXCrossover",
)
