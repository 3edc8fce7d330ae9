"""Ranges of numbers, continuous or on a grid, in the linear or in the log domain."""

from __future__ import annotations

import warnings
from functools import lru_cache
from math import isfinite
from typing import Any

from ahpo.distributions.base import BaseDistribution

__all__ = ("FloatDistribution", "IntDistribution")

# How far from a grid point, in steps, a float may be and still count as on it.
_GRID_TOLERANCE = 1e-8

_PLAIN = frozenset((float, int))

_EXACT = 2**53 - 1  # the internal form, a float, tells all ints up to here apart
_LARGEST = 2**1022  # a float, and so is the length of any range


class FloatDistribution(BaseDistribution):
    """Describe a range of floats, both ends included.

    :param low: the lower end, above 0 if ``log``.
    :param high: the upper end, not below ``low``. If ``step`` does not divide the range, it is
        lowered to the last point of the grid, with a UserWarning.
    :param log: whether values are sampled in the log domain; not with ``step``.
    :param step: the distance of neighbouring values, or None for a continuous range.
    :raises TypeError: if an argument is not a number.
    :raises ValueError: if the arguments describe no range.
    """

    __slots__ = ("high", "log", "low", "step")

    def __init__(
        self, low: float, high: float, log: bool = False, step: float | None = None
    ) -> None:
        if step is not None:
            high = _high_on_float_grid(low, high, log, step)
            step = float(step)
        # Written so that the common call pays little, and NaN goes to the full check.
        elif type(low) not in _PLAIN or type(high) not in _PLAIN or not low <= high:
            _check_ends(low, high)
        if log and not low > 0:
            raise ValueError(
                f"`low` must be above 0 when `log` is true, but low={low!r} and high={high!r}."
            )
        self.low: float = float(low)
        self.high: float = float(high)
        self.log: bool = bool(log)
        self.step: float | None = step

    def single(self) -> bool:
        return self.low == self.high

    def _contains(self, param_value_in_internal_repr: float) -> bool:
        value = param_value_in_internal_repr
        if self.step is None:
            return self.low <= value <= self.high
        if not self.low <= value <= self.high:
            return False
        steps = (value - self.low) / self.step
        return abs(steps - round(steps)) < _GRID_TOLERANCE

    def to_internal_repr(self, param_value_in_external_repr: float) -> float:
        if type(param_value_in_external_repr) is float:
            value = param_value_in_external_repr
        else:
            value = _as_float(param_value_in_external_repr, self)
        if value != value or (self.log and value <= 0.0):
            raise _bad_value(value, self)
        return value

    def _asdict(self) -> dict[str, Any]:
        return {"step": self.step, "low": self.low, "high": self.high, "log": self.log}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FloatDistribution) or type(other) is not type(self):
            return NotImplemented
        return self is other or (
            self.low == other.low
            and self.high == other.high
            and self.step == other.step
            and self.log == other.log
        )

    def __hash__(self) -> int:
        return hash((type(self), self.low, self.high, self.log, self.step))


class IntDistribution(BaseDistribution):
    """Describe a range of integers, both ends included.

    Beyond 2**53, where floats are further apart than ints, not every int of the range is reached.

    :param low: the lower end, at least 1 if ``log``; a fraction is cut off.
    :param high: the upper end, not below ``low``; a fraction is cut off. If ``step`` does not
        divide the range, it is lowered to the last point of the grid, with a UserWarning.
    :param log: whether values are sampled in the log domain; only with a ``step`` of 1.
    :param step: the distance of neighbouring values.
    :raises TypeError: if an argument is not a number.
    :raises ValueError: if the arguments describe no range.
    """

    __slots__ = ("high", "log", "low", "step")

    def __init__(self, low: int, high: int, log: bool = False, step: int = 1) -> None:
        if type(low) is not int or type(high) is not int or type(step) is not int:
            low, high, step = _as_ints(low, high, step)
        if not -_LARGEST <= low <= high <= _LARGEST:
            _refuse_ends(low, high)
        if step != 1:
            if step <= 0:
                raise ValueError(f"`step` must be at least 1, but it is {step}.")
            if log:
                raise ValueError(f"`step` must be 1 when `log` is true, but it is {step}.")
            last = high - (high - low) % step
            if last != high:
                _warn_high_lowered(low, high, step, last, 3)
                high = last
        if log and low < 1:
            raise ValueError(
                f"`low` must be at least 1 when `log` is true, but low={low} and high={high}."
            )
        self.low: int = low
        self.high: int = high
        self.log: bool = bool(log)
        self.step: int = step

    def single(self) -> bool:
        return self.low == self.high

    def _contains(self, param_value_in_internal_repr: float) -> bool:
        value = param_value_in_internal_repr
        if -_EXACT <= value <= _EXACT:
            whole = int(value)  # with floats, the difference might be rounded
            inside = whole == value and self.low <= whole <= self.high
            return inside and (whole - self.low) % self.step == 0
        return isfinite(value) and float(self._nearest(int(value))) == value

    def to_internal_repr(self, param_value_in_external_repr: int) -> float:
        value = _as_float(param_value_in_external_repr, self)
        if value != value or (self.log and value <= 0.0):
            raise _bad_value(value, self)
        return value

    def to_external_repr(self, param_value_in_internal_repr: float) -> int:
        value = int(param_value_in_internal_repr)
        if -_EXACT <= value <= _EXACT:
            return value
        # The float may be off the grid, or out of the range, by what it was rounded.
        inside = float(self.low) <= value <= float(self.high)
        return self._nearest(value) if inside else value

    def _nearest(self, value: int) -> int:
        """Return the point of the grid that is nearest to a value."""
        nearest = self.low + (value - self.low + self.step // 2) // self.step * self.step
        return max(self.low, min(nearest, self.high))

    def _asdict(self) -> dict[str, Any]:
        return {"log": self.log, "step": self.step, "low": self.low, "high": self.high}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IntDistribution) or type(other) is not type(self):
            return NotImplemented
        return self is other or (
            self.low == other.low
            and self.high == other.high
            and self.step == other.step
            and self.log == other.log
        )

    def __hash__(self) -> int:
        return hash((type(self), self.low, self.high, self.log, self.step))


def _refuse_ends(low: int, high: int) -> None:
    if low > high:
        raise ValueError(f"`low` must not be above `high`, but low={low} and high={high}.")
    raise ValueError(
        f"`low` and `high` must be between -2**1022 and 2**1022, but one of them has "
        f"{max(low.bit_length(), high.bit_length())} bits."
    )


def _as_float(value: Any, distribution: BaseDistribution) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"The value of a parameter of {distribution!r} must be a number, but it is {value!r}."
        ) from None


def _bad_value(value: float, distribution: BaseDistribution) -> ValueError:
    if value != value:
        return ValueError(f"The value of a parameter of {distribution!r} must not be NaN.")
    return ValueError(
        f"The value of a parameter of {distribution!r} must be above 0, but it is {value!r}."
    )


def _check_number(argument: str, value: Any) -> None:
    # This refuses text, which float() would read: as text, "10" is below "9".
    if not hasattr(value, "__float__") and not hasattr(value, "__index__"):
        raise TypeError(f"`{argument}` must be a number, but it is {value!r}.")


def _check_ends(low: Any, high: Any) -> None:
    _check_number("low", low)
    _check_number("high", high)
    if low != low or high != high:
        raise ValueError(f"`low` and `high` must not be NaN, but low={low!r} and high={high!r}.")
    if low > high:
        raise ValueError(f"`low` must not be above `high`, but low={low!r} and high={high!r}.")


def _as_ints(low: Any, high: Any, step: Any) -> tuple[int, int, int]:
    for argument, value in (("low", low), ("high", high), ("step", step)):
        _check_number(argument, value)
        if not isfinite(value):
            raise ValueError(f"`{argument}` must be a finite number, but it is {value!r}.")
    # Compared before they are cut: 1.5 to 1 is no range.
    if low > high:
        raise ValueError(f"`low` must not be above `high`, but low={low!r} and high={high!r}.")
    return int(low), int(high), int(step)


def _high_on_float_grid(low: Any, high: Any, log: bool, step: Any) -> float:
    """Check the arguments of a distribution with a step; return ``high`` put on the grid."""
    _check_ends(low, high)
    _check_number("step", step)
    if log:
        raise ValueError(f"`step` must be None when `log` is true, but it is {step!r}.")
    if not 0 < step < float("inf"):
        raise ValueError(f"`step` must be a finite number above 0, but it is {step!r}.")
    if not (isfinite(low) and isfinite(high)):
        raise ValueError(
            f"`low` and `high` must be finite when there is a `step`, but low={low!r} and "
            f"high={high!r}."
        )
    last = _last_grid_point(_as_written(low), _as_written(high), _as_written(step))
    if last is None:
        return float(high)
    _warn_high_lowered(low, high, step, last, 4)
    return last


def _as_written(value: Any) -> float:
    """Return a plain number with the digits that ``value`` shows: 0.1 for numpy's float32(0.1)."""
    if type(value) is float or type(value) is int:
        return value
    try:
        return float(str(value))
    except ValueError:
        return float(value)


@lru_cache(maxsize=1024)
def _last_grid_point(low: float, high: float, step: float) -> float | None:
    """Return the largest ``low + k * step`` up to ``high``, or None if that is ``high`` itself.

    It is worked out on the decimal digits that each number is written with: 0.3 is on the grid of
    0.1 from 0, though in binary it is not. Cached, as objectives make the same ranges each trial.
    """
    from fractions import Fraction  # it brings decimal, and few ranges have a step

    start, end, width = Fraction(str(low)), Fraction(str(high)), Fraction(str(step))
    last = start + (end - start) // width * width
    return None if last == end else float(last)


def _warn_high_lowered(low: float, high: float, step: float, last: float, stacklevel: int) -> None:
    warnings.warn(
        f"`high` is lowered from {high} to {last}, as `step` ({step}) does not divide the range "
        f"from {low} to {high}.",
        stacklevel=stacklevel,
    )
