"""What every distribution does: translate values, tell its range, compare, hash and show itself."""

from __future__ import annotations

from typing import Any

__all__ = ("BaseDistribution",)


class BaseDistribution:
    """Be the base of the distributions of parameters.

    A value has two forms. The *external* one is what an objective gets; the *internal* one is a
    float, and the only one that samplers and storages see. A subclass gives ``single``,
    ``_contains`` and ``to_internal_repr``, and ``to_external_repr`` if the two forms differ.
    """

    # No ABCMeta: it would make each isinstance() that says no ten times as dear, and samplers ask
    # that for every parameter of every trial.
    __slots__ = ()

    def __init__(self) -> None:
        if type(self) is BaseDistribution:
            raise TypeError(
                "BaseDistribution is abstract: use FloatDistribution, IntDistribution or "
                "CategoricalDistribution."
            )

    def to_external_repr(self, param_value_in_internal_repr: float) -> Any:
        """Return the external form of a value: by default the internal one itself."""
        return param_value_in_internal_repr

    def to_internal_repr(self, param_value_in_external_repr: Any) -> float:
        """Return the internal form of a value, a float.

        :raises ValueError: if the value has no internal form under this distribution.
        """
        raise NotImplementedError

    def single(self) -> bool:
        """Tell whether the range holds one value only."""
        raise NotImplementedError

    def _contains(self, param_value_in_internal_repr: float) -> bool:
        """Tell whether a value, in its internal form, is in the range."""
        raise NotImplementedError

    def _asdict(self) -> dict[str, Any]:
        """Return the attributes by name, as they stand in the JSON form and in ``repr``."""
        return dict(self.__dict__)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._asdict() == other._asdict()

    def __hash__(self) -> int:
        return hash((type(self), *sorted(self._asdict().items())))

    def __repr__(self) -> str:
        attributes = ", ".join(f"{key}={value!r}" for key, value in sorted(self._asdict().items()))
        return f"{type(self).__name__}({attributes})"
