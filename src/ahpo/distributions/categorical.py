"""A choice out of a fixed sequence; its internal form is the index."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, TypeAlias

from ahpo.distributions.base import BaseDistribution

__all__ = (
    "CategoricalChoiceType",
    "CategoricalDistribution",
    "exact_form",
    "same_choice",
)

CategoricalChoiceType: TypeAlias = bool | int | float | str | None

_STORABLE = (bool, int, float, str, type(None))
_STORABLE_EXACTLY = frozenset(_STORABLE)


class CategoricalDistribution(BaseDistribution):
    """Describe a choice out of a sequence.

    :param choices: the candidates, in an order that must stay the same for a parameter. Those that
        are not None, bool, int, float or str work in memory only, and give a UserWarning each.
    :raises TypeError: if ``choices`` is not a sequence.
    :raises ValueError: if ``choices`` is empty.
    """

    __slots__ = ("_choices", "_index")

    def __init__(self, choices: Sequence[CategoricalChoiceType]) -> None:
        try:
            count = len(choices)
        except TypeError:
            raise TypeError(f"`choices` must be a sequence, but it is {choices!r}.") from None
        if count == 0:
            raise ValueError(f"`choices` must hold at least one choice, but it is {choices!r}.")
        self._choices: tuple[Any, ...] = tuple(choices)
        self._index: dict[Any, float] | None = None
        if not _STORABLE_EXACTLY.issuperset(map(type, self._choices)):
            _warn_unstorable(self._choices)

    @property
    def choices(self) -> tuple[Any, ...]:
        """The candidates, as a tuple."""
        return self._choices

    def single(self) -> bool:
        return len(self._choices) == 1

    def _contains(self, param_value_in_internal_repr: float) -> bool:
        # An index with a fraction counts as the index that int() makes of it.
        return -1 < param_value_in_internal_repr < len(self._choices)

    def to_internal_repr(self, param_value_in_external_repr: CategoricalChoiceType) -> float:
        # The dict finds the choice that equals the value, as 1 does True and 1.0. The choices are
        # searched if some of them are equal, and for what has no hash or another one (NaN, lists,
        # numpy's float32).
        try:
            return self._index[param_value_in_external_repr]  # type: ignore[index]
        except (KeyError, TypeError):
            return self._search(param_value_in_external_repr)

    def to_external_repr(self, param_value_in_internal_repr: float) -> CategoricalChoiceType:
        return self._choices[int(param_value_in_internal_repr)]  # type: ignore[no-any-return]

    def _search(self, value: Any) -> float:
        if self._index is None:
            self._index = _index(self._choices)
        equal = [place for place, choice in enumerate(self._choices) if same_choice(choice, value)]
        if equal:
            # True is not 1 to who has both; `max` returns the first of several that are as near.
            return float(max(equal, key=lambda place: _nearness(self._choices[place], value)))
        raise ValueError(
            f"The value of a parameter must be one of its choices {self._choices!r}, "
            f"but it is {value!r}."
        )

    def _asdict(self) -> dict[str, Any]:
        return {"choices": self._choices}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CategoricalDistribution) or type(other) is not type(self):
            return NotImplemented
        mine, theirs = self._choices, other._choices
        return mine is theirs or (len(mine) == len(theirs) and all(map(same_choice, mine, theirs)))

    def __hash__(self) -> int:
        # All NaN are equal here, but hash() tells one NaN object from another.
        return hash(
            (
                type(self),
                tuple(0.5 if isinstance(c, float) and c != c else c for c in self._choices),
            )
        )

    def __getstate__(self) -> tuple[Any, ...]:
        return self._choices

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._choices = state
        self._index = None


def same_choice(choice: Any, value: Any) -> bool:
    """Tell whether two choices are one and the same: equal, or both NaN."""
    try:
        return bool(choice is value or choice == value or (choice != choice and value != value))
    except (TypeError, ValueError):  # an array compares by element and has no truth value
        return False


def exact_form(value: Any) -> Any:
    """Return what tells equal values apart: 1, 1.0 and True by their types, 0.0 and -0.0."""
    kind = type(value)
    if kind is float:
        return repr(value)
    if kind is tuple or kind is list:
        return (kind, *map(exact_form, value))
    if kind is dict:
        return (kind, *((exact_form(key), exact_form(item)) for key, item in value.items()))
    return kind


def _nearness(choice: Any, value: Any) -> tuple[bool, bool, bool]:
    """Rank a choice among those that equal a value."""
    return (
        choice is value,
        exact_form(choice) == exact_form(value),
        isinstance(value, type(choice)),
    )


def _index(choices: tuple[Any, ...]) -> dict[Any, float]:
    """Map each choice to its position; the map is empty if some are equal or have no hash."""
    try:
        index = {choice: float(position) for position, choice in enumerate(choices)}
    except TypeError:
        return {}
    return index if len(index) == len(choices) else {}


def _warn_unstorable(choices: tuple[Any, ...]) -> None:
    for choice in choices:
        if not isinstance(choice, _STORABLE):
            warnings.warn(
                f"A choice should be None, a bool, an int, a float or a str, so that a storage "
                f"can keep it, but `choices` holds {choice!r} of type {type(choice).__name__}.",
                stacklevel=3,
            )
