"""Distributions of parameters: which values a parameter takes, in which form they are kept."""

from ahpo.distributions.base import BaseDistribution
from ahpo.distributions.categorical import CategoricalChoiceType, CategoricalDistribution
from ahpo.distributions.compatibility import (
    check_distribution_compatibility,
    incompatibility,
    single_value,
)
from ahpo.distributions.numeric import FloatDistribution, IntDistribution
from ahpo.distributions.old import (
    DiscreteUniformDistribution,
    IntLogUniformDistribution,
    IntUniformDistribution,
    LogUniformDistribution,
    UniformDistribution,
    convert_old_distribution,
)
from ahpo.distributions.serialization import (
    DISTRIBUTION_CLASSES,
    distribution_to_json,
    json_to_distribution,
)

__all__ = (
    "DISTRIBUTION_CLASSES",
    "BaseDistribution",
    "CategoricalChoiceType",
    "CategoricalDistribution",
    "DiscreteUniformDistribution",
    "FloatDistribution",
    "IntDistribution",
    "IntLogUniformDistribution",
    "IntUniformDistribution",
    "LogUniformDistribution",
    "UniformDistribution",
    "check_distribution_compatibility",
    "convert_old_distribution",
    "distribution_to_json",
    "incompatibility",
    "json_to_distribution",
    "single_value",
)
