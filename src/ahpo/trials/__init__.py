"""Trials as values: what every trial offers, finished trials, and trials of given parameters."""

from ahpo.trials.base import BaseTrial
from ahpo.trials.create import create_trial
from ahpo.trials.fixed import FixedTrial
from ahpo.trials.frozen import FrozenTrial, check_trial

__all__ = ("BaseTrial", "FixedTrial", "FrozenTrial", "check_trial", "create_trial")
