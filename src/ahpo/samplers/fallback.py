"""Samplers that leave the parameters they can not sample jointly to another sampler."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ahpo.overrides import keeps
from ahpo.samplers.array_sampler import DOCUMENTED, ArraySampler, is_pure
from ahpo.samplers.random import RandomSampler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ahpo.distributions import BaseDistribution
    from ahpo.history.base_study import BaseStudy
    from ahpo.history.view import View
    from ahpo.samplers.base import BaseSampler
    from ahpo.states import TrialState
    from ahpo.trials import FrozenTrial

__all__ = ("FallbackSampler",)


class FallbackSampler(ArraySampler):
    """Sample jointly what is in ``relative_space``, and let another sampler draw the rest.

    Subclasses implement ``why_independent``, and ``marks`` if they need it, beside the two methods
    for joint sampling. They are pure if the other sampler is.

    :param seed: seed of the random numbers; None for one from the operating system.
    :param independent_sampler: draws the rest; None for a RandomSampler of the same seed.
    :param warn_independent_sampling: whether to warn of parameters that could not be sampled
        jointly.
    """

    def __init__(
        self,
        seed: int | None,
        independent_sampler: BaseSampler | None,
        warn_independent_sampling: bool,
    ) -> None:
        super().__init__(seed)
        self._brought = independent_sampler is not None
        self._independent_sampler = independent_sampler or RandomSampler(seed)
        self._warn_independent_sampling = warn_independent_sampling

    def _is_derived(self) -> bool:
        return keeps(self, FallbackSampler, DOCUMENTED) and is_pure(self._independent_sampler)

    def uses(self, hook: str) -> bool:
        """Tell whether this sampler or the independent one does anything in the method."""
        own = "marks" if hook == "prepare" else hook
        if getattr(type(self), own) is not getattr(FallbackSampler, own):
            return True
        return self._other_uses(hook)

    def _other_uses(self, hook: str) -> bool:
        other = self._independent_sampler
        return isinstance(other, ArraySampler) and other.uses(hook)

    def why_independent(self, view: View) -> str | None:
        """Return why a parameter is drawn by itself, or None if that is as it should be."""
        return None

    def warm_up(self) -> None:
        """Let the independent sampler do what takes long the first time."""
        if isinstance(self._independent_sampler, ArraySampler):
            self._independent_sampler.warm_up()

    def _warn_of(self, view: View, name: str) -> None:
        why = self.why_independent(view) if self._warn_independent_sampling else None
        if why is not None:
            # Without the trial's number: Python shows the same warning once.
            warnings.warn(
                f"The parameter {name!r} is sampled independently by {self._independent_sampler} "
                f"and not by {type(self).__name__}, because {why}. "
                "`warn_independent_sampling=False` turns this warning off.",
                UserWarning,
                stacklevel=4,
            )

    def draw(self, view: View, number: int, name: str, distribution: BaseDistribution) -> float:
        """Return what the independent sampler draws."""
        self._warn_of(view, name)
        other = self._independent_sampler
        if not isinstance(other, ArraySampler):
            raise TypeError(
                f"`independent_sampler` must be a sampler of this package to be asked for internal "
                f"values, but it is {other!r}."
            )
        return other.draw(view, number, name, distribution)

    def marks(self, view: View, number: int) -> dict[str, Any] | None:
        """Return system attributes of its own that the sampler wants to be recorded at ask."""
        return None

    def prepare(self, view: View, number: int) -> dict[str, Any] | None:
        """Return what both samplers want to be recorded at ask."""
        other = self._independent_sampler
        of_other = other.prepare(view, number) if isinstance(other, ArraySampler) else None
        return {**(self.marks(view, number) or {}), **(of_other or {})}

    def observe(
        self, view: View, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> dict[str, Any] | None:
        """Return what the independent sampler wants to be recorded at the end."""
        other = self._independent_sampler
        return (
            other.observe(view, trial, state, values) if isinstance(other, ArraySampler) else None
        )

    def exhausted(self, view: View) -> bool:
        """Tell whether the independent sampler has nothing left to try."""
        other = self._independent_sampler
        return isinstance(other, ArraySampler) and other.exhausted(view)

    def all_taken(self, view: View) -> bool:
        """Tell whether the trials that run are the last ones of the independent sampler."""
        other = self._independent_sampler
        return isinstance(other, ArraySampler) and other.all_taken(view)

    def before_trial(self, study: BaseStudy, trial: FrozenTrial) -> None:
        """Prepare for the trial, and let the independent sampler do so.

        :param study: the study, to be read only.
        :param trial: the trial that is about to start.
        """
        trial.system_attrs.update(self.marks(study.view(), trial.number) or {})
        self._independent_sampler.before_trial(study, trial)

    def sample_independent(
        self,
        study: BaseStudy,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return what the independent sampler samples.

        :param study: the study, to be read only.
        :param trial: the running trial.
        :param param_name: name of the parameter.
        :param param_distribution: where its values come from.
        """
        self._warn_of(study.view(), param_name)
        return self._independent_sampler.sample_independent(
            study, trial, param_name, param_distribution
        )

    def after_trial(
        self,
        study: BaseStudy,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Let the independent sampler learn how the trial ended.

        :param study: the study, to be read only.
        :param trial: the trial, still RUNNING.
        :param state: the state that it will have.
        :param values: its objective values; None if it has none.
        """
        self._independent_sampler.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Replace the random numbers by new ones from the operating system.

        Those of an independent sampler that was given with a seed stay.
        """
        super().reseed_rng()
        other = self._independent_sampler
        stream = other.stream if isinstance(other, ArraySampler) else None
        if not self._brought or stream is None or stream.seed is None:
            other.reseed_rng()
