"""Some parameters fixed, the others sampled by any sampler."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Self

from ahpo.overrides import keeps
from ahpo.samplers.array_sampler import DOCUMENTED, ArraySampler, is_pure
from ahpo.samplers.base import BaseSampler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ahpo.distributions import BaseDistribution
    from ahpo.history.base_study import BaseStudy
    from ahpo.history.view import View
    from ahpo.states import TrialState
    from ahpo.streams import Stream
    from ahpo.trials.frozen import FrozenTrial

__all__ = ("PartialFixedSampler",)


class PartialFixedSampler(BaseSampler):
    """Give some parameters fixed values and let another sampler choose the others.

    A fixed value out of the range that the objective asks for is used, with a UserWarning.

    :param fixed_params: ``{name: value}`` as the objective shall see them.
    :param base_sampler: any sampler; it never hears of the fixed parameters.
    """

    def __new__(cls, fixed_params: dict[str, Any], base_sampler: BaseSampler) -> Self:
        # Around a sampler with pure functions there are such functions, too.
        arrays = cls is PartialFixedSampler and isinstance(base_sampler, ArraySampler)
        return super().__new__(_ArrayPartialFixedSampler if arrays else cls)  # type: ignore[return-value]

    def __init__(self, fixed_params: dict[str, Any], base_sampler: BaseSampler) -> None:
        self._fixed_params = dict(fixed_params)
        self._base_sampler = base_sampler

    def __getnewargs__(self) -> tuple[dict[str, Any], BaseSampler]:
        return self._fixed_params, self._base_sampler

    def __str__(self) -> str:
        return f"PartialFixedSampler({self._base_sampler})"

    def _without_fixed(self, space: dict[str, BaseDistribution]) -> dict[str, BaseDistribution]:
        fixed = self._fixed_params
        return {name: space[name] for name in space if name not in fixed}

    def _fixed_value(self, name: str, distribution: BaseDistribution) -> float:
        fixed = self._fixed_params[name]
        value = distribution.to_internal_repr(fixed)
        if not distribution._contains(value):
            warnings.warn(
                f"`fixed_params` has {fixed!r} for {name!r}, which is out of the range of "
                f"{distribution}; it is used all the same.",
                UserWarning,
                stacklevel=3,
            )
        return value

    def infer_relative_search_space(
        self, study: BaseStudy, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return what the base sampler samples jointly, without the fixed parameters."""
        return self._without_fixed(self._base_sampler.infer_relative_search_space(study, trial))

    def sample_relative(
        self, study: BaseStudy, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return what the base sampler chooses for ``search_space``."""
        return self._base_sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: BaseStudy,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the fixed value, or what the base sampler chooses for the parameter."""
        if param_name in self._fixed_params:
            self._fixed_value(param_name, param_distribution)
            return self._fixed_params[param_name]
        return self._base_sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: BaseStudy, trial: FrozenTrial) -> None:
        """Let the base sampler prepare for the trial."""
        self._base_sampler.before_trial(study, trial)

    def after_trial(
        self,
        study: BaseStudy,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Let the base sampler learn how the trial ended."""
        self._base_sampler.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Let the base sampler replace its random numbers."""
        self._base_sampler.reseed_rng()


class _ArrayPartialFixedSampler(PartialFixedSampler, ArraySampler):
    """Wrap an `ArraySampler`: each pure function is that one's, but for fixed parameters."""

    _base_sampler: ArraySampler

    def _is_derived(self) -> bool:
        # A user may have overridden something in what is wrapped.
        return keeps(self, PartialFixedSampler, DOCUMENTED) and is_pure(self._base_sampler)

    @property
    def stream(self) -> Stream:  # type: ignore[override]
        """Return the random numbers of the base sampler."""
        return self._base_sampler.stream

    def uses(self, hook: str) -> bool:
        """Tell whether the base sampler does anything in the method."""
        return self._base_sampler.uses(hook)

    @property
    def takes_long(self) -> bool:  # type: ignore[override]
        """Tell whether the base sampler may take long."""
        return self._base_sampler.takes_long

    def warm_up(self) -> None:
        """Let the base sampler do what takes long the first time."""
        self._base_sampler.warm_up()

    def draw(self, view: View, number: int, name: str, distribution: BaseDistribution) -> float:
        """Return the internal form of the fixed value, or what the base sampler draws."""
        if name in self._fixed_params:
            return self._fixed_value(name, distribution)
        return self._base_sampler.draw(view, number, name, distribution)

    def relative_space(self, view: View) -> dict[str, BaseDistribution]:
        """Return what the base sampler samples jointly, without the fixed parameters."""
        return self._without_fixed(self._base_sampler.relative_space(view))

    def propose_within(
        self, view: View, number: int, space: dict[str, BaseDistribution]
    ) -> dict[str, float]:
        """Return what the base sampler proposes for ``space``."""
        return self._base_sampler.propose_within(view, number, space)

    def prepare(self, view: View, number: int) -> dict[str, Any] | None:
        """Return what the base sampler wants to be recorded at ask."""
        return self._base_sampler.prepare(view, number)

    def observe(
        self, view: View, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> dict[str, Any] | None:
        """Return what the base sampler wants to be recorded at the end."""
        return self._base_sampler.observe(view, trial, state, values)

    def exhausted(self, view: View) -> bool:
        """Tell whether the base sampler has nothing left to try."""
        return self._base_sampler.exhausted(view)

    def all_taken(self, view: View) -> bool:
        """Tell whether the trials that run are the last ones of the base sampler."""
        return self._base_sampler.all_taken(view)
