"""What to do about a trial whose worker died: let another one try again."""

from __future__ import annotations

import warnings
from typing import Any

from ahpo.history.facts import FAIL_REASON
from ahpo.states import TrialState
from ahpo.trials.create import create_trial
from ahpo.trials.frozen import FrozenTrial

__all__ = ("RetryFailedTrialCallback", "RetryHeartbeatStaleTrialCallback", "fail_stale_trials")

_FAILED, _HISTORY = "failed_trial", "retry_history"


class RetryHeartbeatStaleTrialCallback:
    """Enqueue a trial again whose lease has expired, with its parameters and user attributes.

    :param max_retry: how many times; None for any number
    :param inherit_intermediate_values: whether the new trial begins with what was reported
    """

    def __init__(
        self, max_retry: int | None = None, inherit_intermediate_values: bool = False
    ) -> None:
        self._max_retry = max_retry
        self._inherit_intermediate_values = inherit_intermediate_values

    def __call__(self, study: Any, trial: FrozenTrial) -> None:
        history = [*self.retry_history(trial), trial.number]
        if self._max_retry is not None and len(history) > self._max_retry:
            return
        system_attrs = {_FAILED: trial.number, **trial.system_attrs, _HISTORY: history}
        system_attrs.pop(FAIL_REASON, None)
        study.add_trial(
            create_trial(
                state=TrialState.WAITING,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs=trial.user_attrs,
                system_attrs=system_attrs,
                intermediate_values=(
                    trial.intermediate_values if self._inherit_intermediate_values else None
                ),
            )
        )

    @staticmethod
    def retried_trial_number(trial: FrozenTrial) -> int | None:
        """Return the number of the first trial that this one is a retry of, None if it is none."""
        number: int | None = trial.system_attrs.get(_FAILED)
        return number

    @staticmethod
    def retry_history(trial: FrozenTrial) -> list[int]:
        """Return the numbers of the trials that this one is a retry of, the first one first."""
        return list(trial.system_attrs.get(_HISTORY, ()))


class RetryFailedTrialCallback(RetryHeartbeatStaleTrialCallback):
    """Be `RetryHeartbeatStaleTrialCallback` under its old name."""

    def __init__(
        self, max_retry: int | None = None, inherit_intermediate_values: bool = False
    ) -> None:
        warnings.warn(
            "`RetryFailedTrialCallback` has a new name: use `RetryHeartbeatStaleTrialCallback`.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__(max_retry, inherit_intermediate_values)


def fail_stale_trials(study: Any) -> Any:
    """Fail the running trials whose leases have expired, and call the callback of the storage.

    Workers do so by themselves every now and then.

    :param study: a study of either face; what is returned for an `AsyncStudy` must be awaited
    """
    return study._fail_stale_trials()
