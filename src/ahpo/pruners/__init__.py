"""Pruners stop unpromising trials early."""

from __future__ import annotations

from ahpo.pruners.base import BasePruner
from ahpo.pruners.hyperband import HyperbandPruner
from ahpo.pruners.median import MedianPruner
from ahpo.pruners.nop import NopPruner
from ahpo.pruners.patient import PatientPruner
from ahpo.pruners.percentile import PercentilePruner
from ahpo.pruners.successive_halving import SuccessiveHalvingPruner
from ahpo.pruners.threshold import ThresholdPruner
from ahpo.pruners.wilcoxon import WilcoxonPruner

__all__ = (
    "BasePruner",
    "HyperbandPruner",
    "MedianPruner",
    "NopPruner",
    "PatientPruner",
    "PercentilePruner",
    "SuccessiveHalvingPruner",
    "ThresholdPruner",
    "WilcoxonPruner",
)
