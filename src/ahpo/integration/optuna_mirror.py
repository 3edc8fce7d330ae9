"""A study of Optuna's in memory that follows one of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.history.history import History
from ahpo.states import TrialState

try:
    import optuna
    from optuna.storages import InMemoryStorage
except ImportError as exc:
    raise ImportError(
        "Samplers of Optuna need Optuna, which is not installed: "
        "install it by `pip install 'ahpo[optuna]'`."
    ) from exc

if TYPE_CHECKING:
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("Mirror", "from_optuna", "optuna", "state_of", "to_optuna")


def to_optuna(distribution: BaseDistribution) -> Any:
    """Return a distribution as one of Optuna's."""
    if isinstance(distribution, FloatDistribution):
        low, high, log, step = (getattr(distribution, name) for name in _FIELDS)
        return optuna.distributions.FloatDistribution(low, high, log=log, step=step)
    if isinstance(distribution, IntDistribution):
        low, high, log, step = (getattr(distribution, name) for name in _FIELDS)
        return optuna.distributions.IntDistribution(low, high, log=log, step=step)
    assert isinstance(distribution, CategoricalDistribution)
    return optuna.distributions.CategoricalDistribution(distribution.choices)


def from_optuna(distribution: Any) -> BaseDistribution:
    """Return a distribution of Optuna's as one of ours."""
    if isinstance(distribution, optuna.distributions.FloatDistribution):
        low, high, log, step = (getattr(distribution, name) for name in _FIELDS)
        return FloatDistribution(low, high, log=log, step=step)
    if isinstance(distribution, optuna.distributions.IntDistribution):
        low, high, log, step = (getattr(distribution, name) for name in _FIELDS)
        return IntDistribution(low, high, log=log, step=step)
    return CategoricalDistribution(distribution.choices)


_FIELDS = ("low", "high", "log", "step")


class Mirror:
    """Follow a history: trials have the same numbers, and all that is known of them.

    :param history: what to follow
    :param sampler: the sampler of the study
    """

    def __init__(self, history: History, sampler: Any) -> None:
        self._storage = InMemoryStorage()
        directions = [optuna.study.StudyDirection[one.name] for one in history.directions]
        self._study_id = self._storage.create_new_study(directions, history.study_name)
        self.study = optuna.Study(history.study_name, self._storage, sampler=sampler)
        self._trial_ids: list[int] = []
        self._open: set[int] = set()

    def catch_up(self, history: History) -> None:
        """Bring the study up to date, for this thread."""
        state = self.study._thread_local
        state.in_optimize_loop = True  # a sampler may stop the study, which is refused elsewhere
        state.cached_all_trials = None
        for number in sorted(self._open):
            self._update(number, history.shared_frozen(number))
        for number in range(len(self._trial_ids), history.n_trials):
            self._add(number, history.shared_frozen(number))

    def trial(self, number: int) -> Any:
        """Return a trial of Optuna's study."""
        return self._storage.get_trial(self._trial_ids[number])

    def take_stop(self) -> bool:
        """Tell whether the sampler has stopped the study since it was asked last."""
        stopped, self.study._stop_flag = self.study._stop_flag, False
        return bool(stopped)

    def _add(self, number: int, trial: FrozenTrial) -> None:
        mirrored = optuna.trial.FrozenTrial(
            number=number,
            state=optuna.trial.TrialState[trial.state.name],
            value=None,
            datetime_start=trial.datetime_start,
            datetime_complete=trial.datetime_complete,
            params=dict(trial.params),
            distributions={name: to_optuna(d) for name, d in trial.distributions.items()},
            user_attrs=dict(trial.user_attrs),
            system_attrs=dict(trial.system_attrs),
            intermediate_values=dict(trial.intermediate_values),
            trial_id=-1,
            values=trial.values,
        )
        self._trial_ids.append(
            self._storage.create_new_trial(self._study_id, template_trial=mirrored)
        )
        if not trial.state.is_finished():
            self._open.add(number)

    def _update(self, number: int, trial: FrozenTrial) -> None:
        storage, trial_id = self._storage, self._trial_ids[number]
        known = storage.get_trial(trial_id)
        for name, value in trial.params.items():
            if name not in known.params:
                distribution = to_optuna(trial.distributions[name])
                internal = distribution.to_internal_repr(value)
                storage.set_trial_param(trial_id, name, internal, distribution)
        for step, reported in trial.intermediate_values.items():
            if known.intermediate_values.get(step) != reported:
                storage.set_trial_intermediate_value(trial_id, step, reported)
        for key, value in trial.user_attrs.items():
            storage.set_trial_user_attr(trial_id, key, value)
        for key, value in trial.system_attrs.items():
            storage.set_trial_system_attr(trial_id, key, value)
        if known.state.name != trial.state.name:
            state = optuna.trial.TrialState[trial.state.name]
            storage.set_trial_state_values(trial_id, state, trial.values)
        if trial.state.is_finished():
            self._open.discard(number)


def state_of(state: TrialState) -> Any:
    """Return a state as one of Optuna's."""
    return optuna.trial.TrialState[state.name]
