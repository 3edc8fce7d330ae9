"""The asynchronous face: the names of `ahpo`, with coroutines where one may have to wait.

``from ahpo import aio as optuna`` and ``await`` run a script as coroutines. What means the same in
both faces, such as samplers and ``TrialPruned``, is the same object.
"""

from __future__ import annotations

# Not `from ahpo import`: the faces do not import the package that imports them.
import ahpo.distributions as distributions
import ahpo.exceptions as exceptions
import ahpo.integration as integration
import ahpo.logging as logging
import ahpo.pruners as pruners
import ahpo.samplers as samplers
import ahpo.search_space as search_space
import ahpo.storages as storages
from ahpo.aio import study, trial
from ahpo.aio.async_study import AsyncStudy
from ahpo.aio.study import (
    Study,
    copy_study,
    create_study,
    delete_study,
    get_all_study_names,
    get_all_study_summaries,
    load_study,
)
from ahpo.aio.trial import FixedTrial, Trial, create_trial
from ahpo.engine.async_trial import AsyncTrial
from ahpo.exceptions import TrialInterrupted, TrialPruned
from ahpo.lazy import lazily

__all__ = (
    "AsyncStudy",
    "AsyncTrial",
    "FixedTrial",
    "Study",
    "Trial",
    "TrialInterrupted",
    "TrialPruned",
    "__version__",
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

__version__: str

__getattr__ = lazily(globals(), {"__version__": "ahpo"})


def __dir__() -> tuple[str, ...]:
    return __all__
