"""Whether two distributions may belong to one parameter, and the value of one without a choice."""

from __future__ import annotations

from typing import Any

from ahpo.distributions.base import BaseDistribution
from ahpo.distributions.categorical import CategoricalDistribution
from ahpo.distributions.numeric import FloatDistribution, IntDistribution

__all__ = ("check_distribution_compatibility", "incompatibility", "single_value")


def incompatibility(dist_old: BaseDistribution, dist_new: BaseDistribution) -> str | None:
    """Return why two distributions cannot belong to the same parameter, or None if they can."""
    if dist_new is dist_old:
        return None
    kind = type(dist_old)
    if type(dist_new) is not kind:
        return f"it was {dist_old!r} and cannot become {dist_new!r}, which is of another class"
    if isinstance(dist_old, FloatDistribution | IntDistribution):
        if dist_old.log != dist_new.log:  # type: ignore[attr-defined]
            return f"it was {dist_old!r} and cannot become {dist_new!r}, with another `log`"
    elif isinstance(dist_old, CategoricalDistribution) and dist_old != dist_new:
        return (
            f"it was {dist_old!r} and cannot become {dist_new!r}: choices must stay the same, "
            "and in the same order"
        )
    return None


def check_distribution_compatibility(
    dist_old: BaseDistribution, dist_new: BaseDistribution
) -> None:
    """Check that two distributions may belong to the same parameter.

    They must be of one class and agree in ``log`` or in ``choices``; the range and the step of
    numbers may change from trial to trial.

    :raises ValueError: if they may not.
    """
    reason = incompatibility(dist_old, dist_new)
    if reason is not None:
        raise ValueError(f"A parameter must keep its distribution, but {reason}.")


def single_value(distribution: BaseDistribution) -> Any:
    """Return the only value, in its external form, of a distribution that is ``single()``.

    :raises ValueError: if the distribution has more than one value.
    """
    if not distribution.single():
        raise ValueError(f"`distribution` must have a single value, but it is {distribution!r}.")
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    if isinstance(distribution, FloatDistribution | IntDistribution):
        return distribution.low
    raise ValueError(f"`distribution` must be of a class of ahpo, but it is {distribution!r}.")
