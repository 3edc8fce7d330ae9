"""Distributions keep values in two forms, and refuse what is no range in one clear sentence."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.distributions import (
    DISTRIBUTION_CLASSES,
    BaseDistribution,
    CategoricalDistribution,
    DiscreteUniformDistribution,
    FloatDistribution,
    IntDistribution,
    IntLogUniformDistribution,
    IntUniformDistribution,
    LogUniformDistribution,
    UniformDistribution,
    check_distribution_compatibility,
    convert_old_distribution,
    distribution_to_json,
    incompatibility,
    json_to_distribution,
    single_value,
)

NAN, INF = float("nan"), float("inf")

# Arguments of types that the signatures do not allow.
Float: Any = FloatDistribution
Int: Any = IntDistribution
Choice: Any = CategoricalDistribution
to_json: Any = distribution_to_json

BAD_ARGUMENTS: list[tuple[Any, type[Exception], str]] = [
    (lambda: Float(1, 0), ValueError, "`low` must not be above `high`, but low=1"),
    (lambda: Float(0, 1, log=True), ValueError, "`low` must be above 0 when `log`"),
    (lambda: Float(NAN, 1), ValueError, "must not be NaN, but low=nan and high=1"),
    (lambda: Float(0, NAN), ValueError, "must not be NaN, but low=0 and high=nan"),
    (lambda: Float("0", "1"), TypeError, "`low` must be a number, but it is '0'"),
    (lambda: Float(0, None), TypeError, "`high` must be a number, but it is None"),
    (lambda: Float(0, 1, step=0), ValueError, "`step` must be a finite number above 0"),
    (lambda: Float(0, 1, step=NAN), ValueError, "`step` must be a finite number"),
    (lambda: Float(0, 1, step=INF), ValueError, "`step` must be a finite number"),
    (
        lambda: Float(0, 1, step="a"),
        TypeError,
        "`step` must be a number, but it is 'a'",
    ),
    (lambda: Float(0, INF, step=1), ValueError, "finite when there is a `step`"),
    (lambda: Float(1, 2, log=True, step=1), ValueError, "`step` must be None when"),
    (lambda: Float(2, 1, step=1), ValueError, "`low` must not be above `high`"),
    (lambda: Int(10, 0), ValueError, "`low` must not be above `high`, but low=10"),
    (lambda: Int(1.5, 1), ValueError, "`low` must not be above `high`, but low=1.5"),
    (lambda: Int(0, 10, log=True), ValueError, "`low` must be at least 1 when `log`"),
    (lambda: Int(1, 9, log=True, step=2), ValueError, "`step` must be 1 when `log`"),
    (lambda: Int(1, 9, step=0), ValueError, "`step` must be at least 1, but it is 0"),
    (lambda: Int(1, 9, step=0.5), ValueError, "`step` must be at least 1"),
    (lambda: Int(1, INF), ValueError, "`high` must be a finite number, but it is inf"),
    (lambda: Int(NAN, 1), ValueError, "`low` must be a finite number, but it is nan"),
    (lambda: Int(0, 2**1100), ValueError, "between -2**1022 and 2**1022, but one of them has 1101"),
    (lambda: Int(-(2**1100), 0), ValueError, "`low` and `high` must be between"),
    (lambda: Int("1", 5), TypeError, "`low` must be a number, but it is '1'"),
    (lambda: Choice([]), ValueError, "`choices` must hold at least one choice"),
    (lambda: Choice(5), TypeError, "`choices` must be a sequence, but it is 5"),
    (lambda: BaseDistribution(), TypeError, "BaseDistribution is abstract: use"),
    (lambda: to_json(5), TypeError, "`dist` must be a distribution, but it is 5"),
    (lambda: json_to_distribution("x"), ValueError, "Expecting value"),
    (lambda: json_to_distribution("[]"), ValueError, "must be a JSON object, but it is '[]'"),
    (lambda: json_to_distribution('{"low": 0}'), ValueError, "must have the key 'type'"),
    (lambda: json_to_distribution('{"type": "int"}'), ValueError, "must have the key 'low'"),
    (lambda: json_to_distribution('{"type": "a"}'), ValueError, "but it is 'a'"),
    (lambda: json_to_distribution('{"name": "A"}'), ValueError, "but it is 'A'"),
    (
        lambda: json_to_distribution('{"name": "FloatDistribution"}'),
        ValueError,
        "must have the key 'attributes'",
    ),
    (
        lambda: json_to_distribution(
            '{"name": "UniformDistribution", "attributes": {"low": 0, "high": 1, "q": 1}}'
        ),
        TypeError,
        "attributes of UniformDistribution are",
    ),
    (lambda: single_value(Float(0, 1)), ValueError, "must have a single value"),
]


@pytest.mark.parametrize(("call", "error", "sentence"), BAD_ARGUMENTS)
def test_bad_argument_is_refused(call: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert caught.type in (error, json.JSONDecodeError)
    assert sentence in str(caught.value)


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.data())
def test_float_goes_there_and_back(a: float, b: float, data: st.DataObject) -> None:
    distribution = FloatDistribution(min(a, b), max(a, b))
    value = data.draw(st.floats(distribution.low, distribution.high))
    internal = distribution.to_internal_repr(value)
    assert type(internal) is float
    assert distribution._contains(internal)
    assert distribution.to_external_repr(internal) == value


@given(st.integers(-(10**9), 10**9), st.integers(1, 50), st.integers(0, 10**6), st.data())
def test_int_goes_there_and_back(low: int, step: int, count: int, data: st.DataObject) -> None:
    distribution = IntDistribution(low, low + step * count, step=step)
    value = low + step * data.draw(st.integers(0, count))
    internal = distribution.to_internal_repr(value)
    assert type(internal) is float
    assert distribution._contains(internal)
    assert not distribution._contains(internal + 0.5)
    assert step == 1 or not distribution._contains(internal + 1)
    external = distribution.to_external_repr(internal)
    assert external == value
    assert type(external) is int


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(
    st.integers(2**52, 2**70), st.integers(1, 10**6), st.integers(0, 50), st.booleans(), st.data()
)
def test_int_beyond_those_that_floats_tell_apart_stays_on_the_grid(
    start: int, step: int, count: int, negative: bool, data: st.DataObject
) -> None:
    """A value is then the nearest that has the same float."""
    low = -start - step * count if negative else start
    distribution = IntDistribution(low, low + step * count, step=step)
    value = low + step * data.draw(st.integers(0, count))
    internal = distribution.to_internal_repr(value)
    assert distribution._contains(internal)
    external = distribution.to_external_repr(internal)
    assert distribution.low <= external <= distribution.high
    assert (external - low) % step == 0
    assert float(external) == float(value)
    assert external == value or abs(value) > 2**53


def test_int_far_out_of_a_huge_range_stays_what_it_is() -> None:
    distribution = IntDistribution(2**60, 2**61)
    for value in (2**70, 0, -(2**70)):
        internal = distribution.to_internal_repr(value)
        assert not distribution._contains(internal)
        assert distribution.to_external_repr(internal) == value
    assert not distribution._contains(INF)


@given(st.lists(plain, min_size=1), st.data())
def test_choice_goes_there_and_back(choices: list[Any], data: st.DataObject) -> None:
    distribution = CategoricalDistribution(choices)
    value = data.draw(st.sampled_from(choices))
    internal = distribution.to_internal_repr(value)
    assert type(internal) is float
    assert distribution._contains(internal)
    assert repr(distribution.to_external_repr(internal)) == repr(value)


Custom = type("Custom", (), {"__eq__": lambda self, other: True, "__hash__": None})
CUSTOMS = [Custom(), Custom()]


@pytest.mark.filterwarnings("ignore:A choice should be")
@pytest.mark.parametrize(
    "choices",
    [
        [True, 1],
        [1, 1.0, True],
        [0, False, "a"],
        [0.0, -0.0],
        [(1, 2), (True, 2), [1, 2]],
        [{"a": 1}, {"a": True}, {"a": [1.0]}],
        [{1}, frozenset({1})],
        CUSTOMS,
    ],
)
def test_choices_that_are_equal_are_told_apart_by_their_types(choices: list[Any]) -> None:
    distribution = CategoricalDistribution(choices)
    for position, choice in enumerate(choices):
        assert distribution.to_internal_repr(choice) == position


def test_value_that_equals_a_choice_is_that_choice_if_none_is_nearer() -> None:
    assert CategoricalDistribution([True, 2]).to_internal_repr(1.0) == 0
    assert CategoricalDistribution([2, True, 1]).to_internal_repr(1.0) == 1
    assert CategoricalDistribution([2, "a", "a"]).to_internal_repr("a") == 1
    assert Choice([True, 1.0]).to_internal_repr(np.float64(1.0)) == 1


@given(st.lists(st.decimals(-100, 100, places=2), min_size=2, max_size=2), st.integers(1, 99))
@pytest.mark.filterwarnings("ignore:`high` is lowered:UserWarning")
def test_every_point_of_a_grid_of_floats_is_in_range(ends: list[Any], hundredths: int) -> None:
    low, high = sorted(float(end) for end in ends)
    step = hundredths / 100
    distribution = FloatDistribution(low, high, step=step)
    assert high - step - 1e-9 < distribution.high <= high
    points = np.arange(low, distribution.high + step / 2, step)
    assert all(distribution._contains(min(float(x), distribution.high)) for x in points)
    assert not distribution._contains(low + step / 2) or distribution.single()


def test_high_that_is_off_the_grid_is_lowered_with_a_warning_at_the_caller() -> None:
    with pytest.warns(UserWarning, match=r"`high` is lowered from 1 to 0\.9") as caught:
        assert FloatDistribution(0, 1, step=0.3).high == 0.9
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="`high` is lowered from 10 to 9") as caught:
        assert IntDistribution(0, 10, step=3).high == 9
    assert caught[0].filename == __file__


def test_step_far_smaller_than_the_range_is_exact() -> None:
    assert FloatDistribution(0, 1e300, step=1e-300).high == 1e300
    assert FloatDistribution(True, 3, step=True).high == 3.0


class Celsius:
    """A number of a foreign kind, shown in a way that is no number."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return self.value

    def __gt__(self, other: Any) -> bool:
        return self.value > float(other)

    __lt__ = __le__ = __ge__ = lambda self, other: not self > other


def test_step_may_be_a_number_of_a_foreign_kind() -> None:
    assert Float(0, 1, step=Celsius(0.5)) == FloatDistribution(0, 1, step=0.5)


def test_choice_that_no_storage_keeps_gives_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"`choices` holds \[1\] of type list") as caught:
        Choice(["a", [1]])
    assert caught[0].filename == __file__


@pytest.mark.filterwarnings("ignore:A choice should be:UserWarning")
def test_choices_that_are_arrays_do_not_hide_the_others() -> None:
    distribution = Choice([np.array([1, 2]), 3])
    assert distribution.to_internal_repr(3) == 1.0
    assert distribution.to_internal_repr(distribution.choices[0]) == 0.0
    with pytest.raises(ValueError, match="must be one of its choices"):
        distribution.to_internal_repr(4)


def test_choices_that_are_equal_have_equal_hashes() -> None:
    one, other = CategoricalDistribution([float("nan"), 1]), CategoricalDistribution([NAN, True])
    assert one == other
    assert hash(one) == hash(other)


def test_choices_cannot_be_exchanged() -> None:
    with pytest.raises(AttributeError):
        CategoricalDistribution(["a"]).choices = ("b",)  # type: ignore[misc]


SOME = [
    FloatDistribution(0, 1),
    FloatDistribution(1e-3, 1, log=True),
    FloatDistribution(0, 1, step=0.25),
    IntDistribution(0, 9, step=3),
    IntDistribution(1, 9, log=True),
    CategoricalDistribution(["a", None, 1.5, True]),
]


@pytest.mark.parametrize("distribution", SOME, ids=repr)
def test_distribution_survives_pickle_copy_json_and_eval(distribution: BaseDistribution) -> None:
    distribution.to_internal_repr(distribution.to_external_repr(1.0))
    assert pickle.loads(pickle.dumps(distribution)) == distribution
    assert copy.copy(distribution) == distribution
    assert copy.deepcopy(distribution) == distribution
    assert json_to_distribution(distribution_to_json(distribution)) == distribution
    assert eval(repr(distribution)) == distribution
    assert hash(pickle.loads(pickle.dumps(distribution))) == hash(distribution)
    assert sum(other == distribution for other in SOME) == 1


OLD = [
    (UniformDistribution, (0, 1), FloatDistribution(0, 1)),
    (LogUniformDistribution, (1, 2), FloatDistribution(1, 2, log=True)),
    (DiscreteUniformDistribution, (0, 1, 0.5), FloatDistribution(0, 1, step=0.5)),
    (IntUniformDistribution, (0, 9, 3), IntDistribution(0, 9, step=3)),
    (IntLogUniformDistribution, (1, 9), IntDistribution(1, 9, log=True)),
]


@pytest.mark.parametrize(("old", "arguments", "new"), OLD)
def test_old_class_names_its_successor(old: Any, arguments: Any, new: BaseDistribution) -> None:
    sentence = f"{old.__name__} is deprecated: use {type(new).__name__}"
    with pytest.warns(FutureWarning, match=sentence) as caught:
        distribution = old(*arguments)
    assert caught[0].filename == __file__
    with pytest.warns(FutureWarning, match="is replaced with"):
        assert convert_old_distribution(distribution) == new
    assert convert_old_distribution(distribution, suppress_warning=True) == new
    assert convert_old_distribution(new) is new
    assert old in DISTRIBUTION_CLASSES


@pytest.mark.parametrize(("old", "arguments", "new"), OLD)
def test_old_class_is_read_from_storage_without_a_warning(
    old: Any, arguments: Any, new: BaseDistribution
) -> None:
    with pytest.warns(FutureWarning):
        distribution = old(*arguments)
    for back in (
        json_to_distribution(distribution_to_json(distribution)),
        pickle.loads(pickle.dumps(distribution)),
        copy.deepcopy(distribution),
    ):
        assert type(back) is old
        assert back == distribution != new
        assert convert_old_distribution(back, suppress_warning=True) == new


def test_incompatible_distributions_are_named() -> None:
    same = CategoricalDistribution("ab")
    assert incompatibility(same, same) is None
    sentence = r"was FloatDistribution\(.*\) and cannot become IntDistribution\(.*another class"
    with pytest.raises(ValueError, match=sentence):
        check_distribution_compatibility(FloatDistribution(0, 1), IntDistribution(0, 1))
    with pytest.raises(ValueError, match="with another `log`"):
        check_distribution_compatibility(IntDistribution(1, 2), IntDistribution(1, 2, log=True))
    with pytest.raises(ValueError, match="choices must stay the same, and in the same order"):
        check_distribution_compatibility(
            CategoricalDistribution("ab"), CategoricalDistribution("ba")
        )


def test_single_value_is_the_only_one() -> None:
    assert single_value(FloatDistribution(0.5, 0.5)) == 0.5
    assert single_value(IntDistribution(3, 3)) == 3
    assert single_value(CategoricalDistribution([None])) is None


class Coin(BaseDistribution):
    """A distribution that a user wrote."""

    def __init__(self, sides: int) -> None:
        super().__init__()
        self.sides = sides

    def single(self) -> bool:
        return self.sides == 1

    def _contains(self, param_value_in_internal_repr: float) -> bool:
        return 0 <= param_value_in_internal_repr < self.sides

    def to_internal_repr(self, param_value_in_external_repr: Any) -> float:
        return float(param_value_in_external_repr)


def test_distribution_of_a_user_is_compared_and_shown_by_its_attributes() -> None:
    assert Coin(2) == Coin(2) != Coin(3)
    assert Coin(1) != IntDistribution(1, 1)
    assert hash(Coin(2)) == hash(Coin(2))
    assert repr(Coin(2)) == "Coin(sides=2)"
    assert Coin(2).to_external_repr(1.0) == 1.0
    assert incompatibility(Coin(2), Coin(3)) is None
    with pytest.raises(ValueError, match="must be of a class of ahpo"):
        single_value(Coin(1))
