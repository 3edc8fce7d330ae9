"""The documented interface of samplers, for those that users write and for our own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ahpo.distributions import BaseDistribution
    from ahpo.history.base_study import BaseStudy
    from ahpo.states import TrialState
    from ahpo.trials import FrozenTrial

__all__ = ("BaseSampler",)


class BaseSampler(ABC):
    """Choose the parameters of trials.

    A trial calls its sampler in this order: ``before_trial``; then, once and before the first
    parameter, ``infer_relative_search_space`` and ``sample_relative`` for the parameters that are
    sampled jointly; ``sample_independent`` for each parameter that is not among them; and
    ``after_trial`` when the objective has ended.
    """

    def __str__(self) -> str:
        return type(self).__name__

    @abstractmethod
    def infer_relative_search_space(
        self, study: BaseStudy, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters, with their distributions, that ``sample_relative`` will sample.

        :param study: the study, to be read only.
        :param trial: the trial that is about to start.
        :returns: ``{name: distribution}``; empty if each parameter is sampled independently.
        """

    @abstractmethod
    def sample_relative(
        self, study: BaseStudy, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Sample parameters jointly, considering how they depend on each other.

        :param study: the study, to be read only.
        :param trial: the trial that is about to start.
        :param search_space: what ``infer_relative_search_space`` returned.
        :returns: ``{name: value}`` with the values that the objective shall see. What is missing
            is sampled independently.
        """

    @abstractmethod
    def sample_independent(
        self,
        study: BaseStudy,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Sample one parameter that ``sample_relative`` did not give.

        :param study: the study, to be read only.
        :param trial: the running trial, with the parameters that it already has.
        :param param_name: name of the parameter.
        :param param_distribution: where its values come from.
        :returns: the value that the objective shall see.
        """

    # Hooks: a sampler that needs neither leaves them as they are.
    def before_trial(self, study: BaseStudy, trial: FrozenTrial) -> None:  # noqa: B027
        """Prepare for a trial, before any of its parameters is sampled.

        :param study: the study, to be read only.
        :param trial: the trial that is about to start.
        """

    def after_trial(  # noqa: B027
        self,
        study: BaseStudy,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Learn how a trial ended, before its state is recorded.

        :param study: the study, to be read only.
        :param trial: the trial, still RUNNING.
        :param state: the state that it will have: COMPLETE, PRUNED or FAIL.
        :param values: its objective values; None if it has none.
        """

    def reseed_rng(self) -> None:  # noqa: B027
        """Make the random numbers of this copy of the sampler differ from those of others.

        It is meant for samplers with a generator of their own that get copied to other processes.
        """
