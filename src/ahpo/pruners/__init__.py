"""Pruners stop unpromising trials early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ahpo.lazy import lazily
from ahpo.pruners.base import BasePruner

if TYPE_CHECKING:
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

__getattr__ = lazily(
    globals(),
    {
        "HyperbandPruner": "ahpo.pruners.hyperband",
        "MedianPruner": "ahpo.pruners.median",
        "NopPruner": "ahpo.pruners.nop",
        "PatientPruner": "ahpo.pruners.patient",
        "PercentilePruner": "ahpo.pruners.percentile",
        "SuccessiveHalvingPruner": "ahpo.pruners.successive_halving",
        "ThresholdPruner": "ahpo.pruners.threshold",
        "WilcoxonPruner": "ahpo.pruners.wilcoxon",
    },
)


def __dir__() -> tuple[str, ...]:
    return __all__
