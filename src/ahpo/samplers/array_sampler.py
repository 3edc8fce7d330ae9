"""Samplers as pure functions from (view, trial number) to parameters in internal representation.

The documented methods, which exchange external values with a study and a trial, are derived from
these functions here, once for all built-in samplers.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Self, TypeGuard

from ahpo.overrides import keeps
from ahpo.samplers.base import BaseSampler
from ahpo.samplers.calls import Calls
from ahpo.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ahpo.distributions import BaseDistribution
    from ahpo.history.base_study import BaseStudy
    from ahpo.history.view import View
    from ahpo.states import TrialState
    from ahpo.trials import FrozenTrial

__all__ = ("DOCUMENTED", "ArraySampler", "is_pure")

# What an engine may leave out for a sampler that has these as they are derived here.
DOCUMENTED = (
    "before_trial",
    "infer_relative_search_space",
    "sample_relative",
    "sample_independent",
    "after_trial",
)


def is_pure(sampler: BaseSampler) -> TypeGuard[ArraySampler]:
    """Tell whether the pure functions of a sampler do all that its documented methods do.

    They do not if a user's subclass has overridden one of the documented methods.
    """
    return isinstance(sampler, ArraySampler) and sampler._is_derived()


class ArraySampler(BaseSampler):
    """Sample from a view of the history, with random numbers that belong to the trial.

    Subclasses implement ``draw``, and those that sample jointly ``relative_space`` and
    ``propose_within``. None of them keeps anything about a study: the same view and number give
    the same parameters.

    :param seed: seed of the random numbers; None for one from the operating system.
    """

    stream: Stream
    #: Whether ``propose`` may take long even if it never did, so that no event loop waits for it.
    takes_long: bool = False

    def __init__(self, seed: int | None = None) -> None:
        self.stream = Stream(seed)

    def _is_derived(self) -> bool:
        """Tell whether the documented methods are those that derive from the pure functions."""
        return keeps(self, ArraySampler, DOCUMENTED)

    @abstractmethod
    def draw(self, view: View, number: int, name: str, distribution: BaseDistribution) -> float:
        """Return the internal value of one parameter of trial ``number`` that is not proposed."""

    def relative_space(self, view: View) -> dict[str, BaseDistribution]:
        """Return what ``propose`` samples jointly from this view; by default nothing."""
        return {}

    def propose_within(
        self, view: View, number: int, space: dict[str, BaseDistribution]
    ) -> dict[str, float]:
        """Sample the parameters of ``space`` jointly; those left out are drawn one by one."""
        return {}

    def propose(self, view: View, number: int) -> dict[str, float]:
        """Return ``{name: internal value}`` for what trial ``number`` samples jointly at ask."""
        space = self.relative_space(view)
        return self.propose_within(view, number, space) if space else {}

    def warm_up(self) -> None:
        """Do what takes long the first time, imports above all; by default there is nothing.

        An event loop calls it in a thread before the first trial, so that no trial holds it up.
        """

    def prepare(self, view: View, number: int) -> dict[str, Any] | None:
        """Return system attributes to record on the trial at ask; None if there are none."""
        return None

    def observe(
        self, view: View, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> dict[str, Any] | None:
        """Return system attributes to record with the end of a trial; None if there are none."""
        return None

    def exhausted(self, view: View) -> bool:
        """Tell whether nothing is left to try, so that the study should stop; asked at each end."""
        return False

    def all_taken(self, view: View) -> bool:
        """Tell whether it will be exhausted for sure when the trials that run now have ended."""
        return False

    def uses(self, hook: str) -> bool:
        """Tell whether the sampler does anything in one of the methods above; else skip it."""
        return getattr(type(self), hook) is not getattr(ArraySampler, hook)

    def _for_call(self, study: BaseStudy, number: int, what: str) -> Self:
        """Return the sampler that answers one call of a documented method.

        It is this one; but with other random numbers, if a trial asks again for the same.
        """
        history = study._read()
        calls: Calls = history.cache.get(Calls) or history.cache.setdefault(Calls, Calls())
        again = str(calls.count((self.stream, number, what)))
        if self.stream.seed is None:
            # Inside a user's sampler, several studies may share it without the engine's knowledge.
            again += history.study_name
        elif again == "0":
            return self
        # Not by `copy`, whose hooks a subclass may have for other ends.
        other = object.__new__(type(self))
        vars(other).update(vars(self), stream=self.stream.again(again))
        return other

    def before_trial(self, study: BaseStudy, trial: FrozenTrial) -> None:
        """Put what ``prepare`` returns into the system attributes of ``trial``.

        :param study: the study, to be read only.
        :param trial: the trial that is about to start.
        """
        attributes = self.prepare(study.view(), trial.number)
        if attributes:
            trial.system_attrs.update(attributes)

    def infer_relative_search_space(
        self, study: BaseStudy, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters, with their distributions, that ``sample_relative`` will sample.

        :param study: the study, to be read only.
        :param trial: the trial that is about to start.
        """
        return self.relative_space(study.view())

    def sample_relative(
        self, study: BaseStudy, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Sample the parameters of ``search_space`` jointly and return their external values.

        A trial that asks again gets other values.

        :param study: the study, to be read only.
        :param trial: the trial that is about to start.
        :param search_space: ``{name: distribution}``, or a part of what was inferred.
        """
        if not search_space:
            return {}
        sampler = self._for_call(study, trial.number, "")
        proposal = sampler.propose_within(study.view(), trial.number, search_space)
        return {
            name: search_space[name].to_external_repr(value) for name, value in proposal.items()
        }

    def sample_independent(
        self,
        study: BaseStudy,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Sample one parameter by itself and return its external value.

        A trial that asks again gets another value.

        :param study: the study, to be read only.
        :param trial: the running trial.
        :param param_name: name of the parameter.
        :param param_distribution: where its values come from.
        """
        sampler = self._for_call(study, trial.number, f"param {param_name}")
        value = sampler.draw(study.view(), trial.number, param_name, param_distribution)
        return param_distribution.to_external_repr(value)

    def after_trial(
        self,
        study: BaseStudy,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Put what ``observe`` returns into the system attributes of ``trial``.

        If nothing is left to try when the trial has ended, the study stops.

        :param study: the study, to be read only.
        :param trial: the trial, still RUNNING.
        :param state: the state that it will have.
        :param values: its objective values; None if it has none.
        """
        if self.uses("exhausted"):
            study._stop_if(self.exhausted, trial.number)
        attributes = self.observe(study.view(), trial, state, values)
        if attributes:
            trial.system_attrs.update(attributes)

    def reseed_rng(self) -> None:
        """Replace the random numbers by new ones from the operating system."""
        self.stream = Stream(None)
