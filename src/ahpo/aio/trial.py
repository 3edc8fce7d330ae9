"""Trials, under the names of `ahpo.trial`, for coroutines."""

from __future__ import annotations

from ahpo.engine.async_trial import AsyncTrial as Trial
from ahpo.engine.fixed_trial import FixedTrial
from ahpo.states import TrialState
from ahpo.trials.base import BaseTrial
from ahpo.trials.create import create_trial
from ahpo.trials.frozen import FrozenTrial

__all__ = (
    "BaseTrial",
    "FixedTrial",
    "FrozenTrial",
    "Trial",
    "TrialState",
    "create_trial",
)
