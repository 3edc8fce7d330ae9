"""Any sampler of Optuna or OptunaHub, at work in a study of ours."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ahpo.integration.optuna_mirror import Mirror, from_optuna, optuna, state_of, to_optuna
from ahpo.samplers.base import BaseSampler

if TYPE_CHECKING:
    from ahpo.distributions import BaseDistribution
    from ahpo.history.base_study import BaseStudy
    from ahpo.history.history import History
    from ahpo.states import TrialState
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("OptunaSampler",)


class OptunaSampler(BaseSampler):
    """Sample as a sampler of Optuna does.

    It is asked by its documented methods, with a study of Optuna's in memory that follows ours.
    What it puts on trials as system attributes is recorded on ours, and so is there when a study
    is resumed; what it puts on the study itself stays with the one in memory.

    :param sampler: the sampler, of Optuna 4 or later, or of OptunaHub
    :raises TypeError: if it is none
    """

    def __init__(self, sampler: Any) -> None:
        if not isinstance(sampler, optuna.samplers.BaseSampler):
            raise TypeError(f"`sampler` must be a sampler of Optuna, but it is {sampler!r}.")
        self._sampler = sampler
        self._mirrors: WeakKeyDictionary[History, Mirror] = WeakKeyDictionary()

    def __getstate__(self) -> dict[str, Any]:
        return {"_sampler": self._sampler}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._sampler = state["_sampler"]
        self._mirrors = WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"OptunaSampler({self._sampler!r})"

    def _mirror(self, study: BaseStudy) -> Mirror:
        history = study._read()
        mirror = self._mirrors.get(history)
        if mirror is None:
            mirror = self._mirrors[history] = Mirror(history, self._sampler)
        mirror.catch_up(history)
        return mirror

    def _give_back(self, study: Any, mirror: Mirror, trial: FrozenTrial) -> None:
        for key, value in mirror.trial(trial.number).system_attrs.items():
            trial.system_attrs.setdefault(key, value)
        if mirror.take_stop():
            with suppress(RuntimeError):  # nobody optimizes it: it is asked and told
                study.stop()

    def before_trial(self, study: BaseStudy, trial: FrozenTrial) -> None:
        """Let the sampler prepare for a trial.

        :param study: the study, to be read only.
        :param trial: the trial that is about to start.
        """
        mirror = self._mirror(study)
        self._sampler.before_trial(mirror.study, mirror.trial(trial.number))
        self._give_back(study, mirror, trial)

    def infer_relative_search_space(
        self, study: BaseStudy, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters, with their distributions, that ``sample_relative`` will sample.

        :param study: the study, to be read only.
        :param trial: the trial that is about to start.
        """
        mirror = self._mirror(study)
        space = self._sampler.infer_relative_search_space(mirror.study, mirror.trial(trial.number))
        return {name: from_optuna(distribution) for name, distribution in space.items()}

    def sample_relative(
        self, study: BaseStudy, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Sample the parameters of ``search_space`` jointly and return their values.

        :param study: the study, to be read only.
        :param trial: the trial that is about to start.
        :param search_space: ``{name: distribution}``.
        """
        mirror = self._mirror(study)
        space = {name: to_optuna(distribution) for name, distribution in search_space.items()}
        params = self._sampler.sample_relative(mirror.study, mirror.trial(trial.number), space)
        self._give_back(study, mirror, trial)
        return dict(params)

    def sample_independent(
        self,
        study: BaseStudy,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Sample one parameter by itself and return its value.

        :param study: the study, to be read only.
        :param trial: the running trial.
        :param param_name: name of the parameter.
        :param param_distribution: where its values come from.
        """
        mirror = self._mirror(study)
        value = self._sampler.sample_independent(
            mirror.study, mirror.trial(trial.number), param_name, to_optuna(param_distribution)
        )
        self._give_back(study, mirror, trial)
        return value

    def after_trial(
        self,
        study: BaseStudy,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Let the sampler learn of the end of a trial.

        :param study: the study, to be read only.
        :param trial: the trial, still RUNNING.
        :param state: the state that it will have.
        :param values: its objective values; None if it has none.
        """
        mirror = self._mirror(study)
        told = None if values is None else list(values)
        self._sampler.after_trial(mirror.study, mirror.trial(trial.number), state_of(state), told)
        self._give_back(study, mirror, trial)

    def reseed_rng(self) -> None:
        """Replace the random numbers by new ones."""
        self._sampler.reseed_rng()
