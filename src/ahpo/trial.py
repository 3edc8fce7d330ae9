"""Trials, under their documented names."""

from __future__ import annotations

from ahpo.engine.trial import Trial
from ahpo.states import TrialState
from ahpo.trials.base import BaseTrial
from ahpo.trials.create import create_trial
from ahpo.trials.fixed import FixedTrial
from ahpo.trials.frozen import FrozenTrial

__all__ = (
    "BaseTrial",
    "FixedTrial",
    "FrozenTrial",
    "Trial",
    "TrialState",
    "create_trial",
)
