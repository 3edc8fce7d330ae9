"""Async-native hyperparameter optimization, with the API of Optuna beside it.

``import ahpo as optuna`` runs a synchronous script; `ahpo.aio` is the same for coroutines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ahpo import distributions, exceptions, logging, pruners, samplers, storages, study, trial
from ahpo.engine.trial import Trial
from ahpo.exceptions import TrialInterrupted, TrialPruned
from ahpo.lazy import lazily
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

if TYPE_CHECKING:
    from ahpo import aio, integration, search_space
    from ahpo.aio import AsyncStudy, AsyncTrial

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
    "integration",
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

# The asynchronous face brings asyncio, which takes longer to import than all else here.
__getattr__ = lazily(
    globals(),
    {
        "AsyncStudy": "ahpo.aio",
        "AsyncTrial": "ahpo.aio",
        "aio": "ahpo.aio",
        "integration": "ahpo.integration",
        "search_space": "ahpo.search_space",
    },
)


def __dir__() -> tuple[str, ...]:
    return __all__
