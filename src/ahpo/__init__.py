"""Async-native hyperparameter optimization, with the API of Optuna beside it.

``import ahpo as optuna`` runs a synchronous script; `ahpo.aio` is the same for coroutines.
"""

from __future__ import annotations

from ahpo import (
    aio,
    distributions,
    exceptions,
    logging,
    pruners,
    samplers,
    search_space,
    storages,
    study,
    trial,
)
from ahpo.aio import AsyncStudy
from ahpo.engine.trial import AsyncTrial, Trial
from ahpo.exceptions import TrialInterrupted, TrialPruned
from ahpo.study import (
    Study,
    copy_study,
    create_study,
    delete_study,
    get_all_study_names,
    get_all_study_summaries,
    load_study,
)
from ahpo.trials.create import create_trial

__all__ = (
    "AsyncStudy",
    "AsyncTrial",
    "Study",
    "Trial",
    "TrialInterrupted",
    "TrialPruned",
    "__version__",
    "aio",
    "copy_study",
    "create_study",
    "create_trial",
    "delete_study",
    "distributions",
    "exceptions",
    "get_all_study_names",
    "get_all_study_summaries",
    "load_study",
    "logging",
    "pruners",
    "samplers",
    "search_space",
    "storages",
    "study",
    "trial",
)

__version__ = "0.1.0"
