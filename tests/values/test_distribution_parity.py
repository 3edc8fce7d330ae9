"""Distributions behave as Optuna's do, wherever those behave well."""

from __future__ import annotations

import math
import warnings

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ahpo.distributions as ours
from tests.values.two_libraries import AHPO, OPTUNA, outcome

SAME = """
Float(0, 1)
Float(0, 1, step=0.3)
Float(0.1, 0.3, step=0.1)
Float(0.5, 1, step=1)
Float(0, 1, step=2)
Float(0, 1e-20, step=0.1)
Float(0.1, 0.30000000000000004, step=0.1)
Float(1e10, 1e10 + 1, step=0.3)
Float(0, 1, step=1 / 3)
Float(0, 1, step=1e-10)
Float(np.float32(0.1), 1)
Float(np.float32(0.1), 1, step=0.3)
Float(0, 1, step=np.float32(0.1))
Float(True, 2)
Float(-inf, inf)
Float(1, 1)
Float(1, 2, log=True, step=None)
Float(1, 0)
Float(0, 1, log=True)
Float(-1, 1, log=True)
Float(1e-3, 1, log=True, step=0.1)
Float(0, 1, step=0)
Float(0, 1, step=-0.1)
Float("a", 1)
Float(None, 1)
Float([0], [1])
Float(0, 1, step="a")
Int(0, 10)
Int(0, 10, step=3)
Int(-5, 5, step=4)
Int(0, 2, step=5)
Int(1.5, 10)
Int(1.0, 10.7)
Int(True, 2)
Int(1, 10, step=2.0)
Int(np.int64(1), 5)
Int(2**60 + 1, 2**60 + 5)
Int(10, 0)
Int(0, 10, log=True)
Int(1, 10, log=True, step=2)
Int(1, 10, step=0)
Int(1, 10, step=-1)
Int("a", 1)
Int(nan, 1)
Cat(["a", "b"])
Cat("abc")
Cat({"a": 1})
Cat(range(3))
Cat([1, True, 1.0])
Cat([nan, None])
Cat([np.float64(1.0), np.str_("a")])
Cat([np.bool_(True), np.int64(1)])
Cat([[1, 2], (3,), {}])
Cat([])
Cat(5)
Cat(None)
Cat(x for x in "ab")
d.UniformDistribution(0, 1)
d.LogUniformDistribution(0.1, 1)
d.LogUniformDistribution(0, 1)
d.DiscreteUniformDistribution(0, 1, 0.3)
d.DiscreteUniformDistribution(0, 1, 0.25).q
x = d.DiscreteUniformDistribution(0, 1, 0.5); x.q = 0.25; x
d.IntUniformDistribution(0, 10, 3)
d.IntLogUniformDistribution(1, 10)
d.IntLogUniformDistribution(1, 10, 2)
[Float(a, b, step=s).single() for a, b, s in ((0, 1, None), (1, 1, None), (0.2, 0.3, 0.1))]
[Float(0, 1, step=s).single() for s in (1, 2)]
[Int(a, b, step=s).single() for a, b, s in ((0, 1, 1), (1, 1, 1), (0, 3, 4))]
[Cat(c).single() for c in (["a"], [1, 1])]
[Float(0, 1)._contains(x) for x in (0, 1, 0.5, -1e-9, 1 + 1e-9, nan, inf)]
[Float(0, 1, step=0.1)._contains(x) for x in (0.3, 0.1 + 0.2, 0.35, 0.3 + 1e-9, 0.3 + 1e-8, 1.0)]
[Float(0, 100, step=1)._contains(x) for x in (50 + 0.9e-8, 50 + 1.1e-8, 50 - 2e-8, 100)]
[Int(0, 10)._contains(x) for x in (0, 10, 0.5, 11, -1, 3.0, nan)]
[Int(0, 10, step=3)._contains(x) for x in (0, 3, 4, 9, 10, 3.0000001)]
[Cat(["a", "b"])._contains(x) for x in (0, 1, 2, -1, 0.5, 1.9, -0.5)]
Float(0, 1).to_internal_repr(5)
Float(0, 1).to_internal_repr("0.5")
Float(0, 1).to_internal_repr("a")
Float(0, 1).to_internal_repr(None)
Float(0, 1).to_internal_repr(nan)
Float(0, 1).to_internal_repr(inf)
Float(0, 1).to_internal_repr(np.float32(0.1))
Float(0, 1).to_internal_repr([1])
Float(0.1, 1, log=True).to_internal_repr(0)
Float(0.1, 1, log=True).to_internal_repr(-1)
Float(0, 1).to_external_repr(1)
Int(0, 5).to_internal_repr(3)
Int(0, 5).to_internal_repr(3.7)
Int(0, 5).to_internal_repr("3")
Int(0, 5).to_internal_repr("a")
Int(0, 5).to_internal_repr(None)
Int(0, 5).to_internal_repr(nan)
Int(1, 5, log=True).to_internal_repr(0)
Int(0, 5).to_external_repr(3.7)
Int(0, 5).to_external_repr(nan)
Cat(["a", "b"]).to_internal_repr("c")
Cat(["a", "b"]).to_internal_repr(None)
Cat([(1, 2), (3,)]).to_internal_repr([3])
Cat([1, 2]).to_internal_repr([1])
Cat([1, 2]).to_internal_repr(np.array([1, 2]))
Cat(["a", "b"]).to_external_repr(1.0)
Cat(["a", "b"]).to_external_repr(2)
Cat(["a", "b"]).to_external_repr(nan)
Float(0, 1) == Int(0, 1), Float(0, 1) == 5, Float(0, 1) != Float(0, 2), Int(0, 1) == Int(0.0, 1.0)
Cat([1]) == Cat([True]), Cat([nan]) == Cat([float("nan")]), Cat([1, 2]) == Cat([2, 1])
Cat([(1,)]) == Cat([[1]]), Cat(["a"]) == "a", Cat([1, 2]) == Cat([1])
d.UniformDistribution(0, 1) == Float(0, 1)
hash(Float(0, 1)) == hash(Float(0.0, 1.0)), hash(Cat([1])) == hash(Cat([True]))
hash(Cat([[1]]))
d.distribution_to_json(Float(0, 1, step=0.5))
d.distribution_to_json(Float(-inf, inf))
d.distribution_to_json(Int(1, 10, log=True))
d.distribution_to_json(Cat([1, None, "é", nan, True, 2.5]))
d.distribution_to_json(Cat([(1, 2)]))
d.distribution_to_json(Cat([object]))
d.distribution_to_json(d.UniformDistribution(0, 1))
d.distribution_to_json(d.LogUniformDistribution(1, 2))
d.distribution_to_json(d.DiscreteUniformDistribution(0, 1, 0.5))
d.distribution_to_json(d.IntUniformDistribution(0, 10, 2))
d.distribution_to_json(d.IntLogUniformDistribution(1, 10))
d.json_to_distribution('{"name": "FloatDistribution", "attributes": {"low": 0, "high": 1}}')
d.json_to_distribution('{"name": "FloatDistribution", "attributes": {"low": 0, "high": 1, "a": 1}}')
d.json_to_distribution('{"name": "FloatDistribution", "attributes": {"low": 0}}')
d.json_to_distribution('{"name": "FooDistribution", "attributes": {"low": 0, "high": 1}}')
d.json_to_distribution('{"name": "CategoricalDistribution", "attributes": {"choices": [[1]]}}')
d.json_to_distribution('{"type": "float", "low": 0, "high": 1}')
d.json_to_distribution('{"type": "float", "low": 0, "high": 1, "step": 0.3}')
d.json_to_distribution('{"type": "float", "low": 0.1, "high": 1, "log": true}')
d.json_to_distribution('{"type": "float", "low": 0.5, "high": 1, "step": 0.5, "log": true}')
d.json_to_distribution('{"type": "float", "low": 0, "high": 1, "foo": 0.5}')
d.json_to_distribution('{"type": "int", "low": 0, "high": 10}')
d.json_to_distribution('{"type": "int", "low": 0, "high": 10, "step": 5}')
d.json_to_distribution('{"type": "int", "low": 1, "high": 10, "step": null, "log": true}')
d.json_to_distribution('{"type": "int", "low": 1, "high": 10, "log": true, "step": 2}')
d.json_to_distribution('{"type": "categorical", "choices": ["a", 1]}')
d.json_to_distribution('{"type": "foo", "low": 1}')
d.check_distribution_compatibility(Float(0, 1), Float(0, 2, step=0.5))
d.check_distribution_compatibility(Float(1, 1), Float(1, 2, log=True))
d.check_distribution_compatibility(Float(1, 1), Int(1, 2))
d.check_distribution_compatibility(Int(1, 1), Int(1, 2, log=True))
d.check_distribution_compatibility(Int(1, 1), Int(1, 7, step=3))
d.check_distribution_compatibility(Cat([1, 2]), Cat([1, 2]))
d.check_distribution_compatibility(Cat([1, 2]), Cat([2, 1]))
d.check_distribution_compatibility(Cat([nan]), Cat([float("nan")]))
d.check_distribution_compatibility(d.UniformDistribution(0, 1), Float(0, 1))
d.check_distribution_compatibility(d.UniformDistribution(0, 1), d.UniformDistribution(0.1, 1))
d.check_distribution_compatibility(5, Int(0, 1))
sorted(c.__name__ for c in d.DISTRIBUTION_CLASSES)
"""


@pytest.mark.parametrize("expression", SAME.strip().splitlines())
def test_gives_what_optuna_gives(expression: str) -> None:
    assert outcome(expression, AHPO) == outcome(expression, OPTUNA)


# The internal form is an int with Optuna and a float here, so these are compared by ==.
INDEXES = """
Cat(["a", "b"]).to_internal_repr("b")
Cat([1, 2]).to_internal_repr(True)
Cat([1.0, 2]).to_internal_repr(1)
Cat([True, False]).to_internal_repr(0.0)
Cat([nan, 1]).to_internal_repr(float("nan"))
Cat([float("nan"), nan]).to_internal_repr(nan)
Cat([1, nan]).to_internal_repr(np.float32("nan"))
Cat([1, 2]).to_internal_repr(np.int64(2))
Cat([0.5, 0.1]).to_internal_repr(np.float32(0.1))
Cat(["a", 2]).to_internal_repr(np.str_("a"))
Cat([None, "x"]).to_internal_repr(None)
Cat(["1", 1]).to_internal_repr(1)
Cat([[1, 2], [3]]).to_internal_repr([3])
Cat([(1, 2), (3,)]).to_internal_repr((3,))
Cat([{"a": 1}, "x"]).to_internal_repr({"a": 1})
Cat([{"a": 1}, "x"]).to_internal_repr("x")
Cat([[nan], "x"]).to_internal_repr([nan])
Cat([1, 2]).to_internal_repr(np.array([1]))
"""


@pytest.mark.parametrize("expression", INDEXES.strip().splitlines())
def test_index_of_a_choice_is_that_of_optuna(expression: str) -> None:
    mine, theirs = outcome(expression, AHPO), outcome(expression, OPTUNA)
    assert mine.error is theirs.error is None
    assert mine.result == f"{float(theirs.result)!r}"
    assert mine.warnings == theirs.warnings


@pytest.mark.parametrize("expression", INDEXES.strip().splitlines())
def test_index_of_a_choice_is_the_same_when_it_is_asked_again(expression: str) -> None:
    """The first question builds the dict that the second one uses."""
    twice = expression.replace("Cat", "x = Cat", 1).replace(".to_internal", "; x.to_internal", 1)
    again = "; ".join([*twice.split("; "), twice.split("; ")[-1]])
    assert outcome(again, AHPO) == outcome(expression, AHPO)


numbers = st.floats(-1e6, 1e6).map(lambda x: round(x, 4))
steps = st.floats(0.001, 100).map(lambda x: round(x, 3))


@given(low=numbers, width=st.floats(0, 1e3).map(lambda x: round(x, 3)), step=steps)
def test_grid_ends_where_that_of_optuna_ends(low: float, width: float, step: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine = ours.FloatDistribution(low, low + width, step=step)
        theirs = optuna.distributions.FloatDistribution(low, low + width, step=step)
    assert mine.high == theirs.high
    assert mine.single() == theirs.single()
    for count in (0, 1, 7):
        value = low + count * step
        assert mine._contains(value) == theirs._contains(value)


choices = st.lists(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=2),
    min_size=1,
    max_size=6,
)


@given(first=choices, second=choices)
def test_choices_are_equal_where_those_of_optuna_are(first: list, second: list) -> None:
    theirs = optuna.distributions.CategoricalDistribution
    mine = ours.CategoricalDistribution
    assert (mine(first) == mine(second)) == (theirs(first) == theirs(second))
    for value in first + second:
        expected: float | None = None
        try:
            expected = theirs(first).to_internal_repr(value)
            found = mine(first).to_internal_repr(value)
            # Of equal choices Optuna takes the first, even if another one has the type.
            assert found == expected or first[int(found)] == first[int(expected)]
        except ValueError:
            assert expected is None or math.isnan(expected)
            with pytest.raises(ValueError, match="must be one of its choices"):
                mine(first).to_internal_repr(value)


@st.composite
def distributions(draw: st.DrawFn) -> ours.BaseDistribution:
    kind = draw(st.sampled_from(["float", "log", "grid", "int", "int log", "int grid", "choice"]))
    if kind == "choice":
        return ours.CategoricalDistribution(draw(choices))
    if kind.startswith("int"):
        low = draw(st.integers(1, 10**6))
        step = draw(st.integers(2, 9)) if kind == "int grid" else 1
        high = low + step * draw(st.integers(0, 1000))
        return ours.IntDistribution(low, high, log=kind == "int log", step=step)
    bottom = draw(st.floats(1e-9, 1e9))
    if kind == "grid":
        return ours.FloatDistribution(0.0, 0.25 * draw(st.integers(0, 99)), step=0.25)
    return ours.FloatDistribution(bottom, draw(st.floats(bottom, 1e10)), log=kind == "log")


@given(distributions())
def test_json_goes_to_optuna_and_back(distribution: ours.BaseDistribution) -> None:
    text = ours.distribution_to_json(distribution)
    theirs = optuna.distributions.json_to_distribution(text)
    assert repr(theirs) == repr(distribution)
    assert optuna.distributions.distribution_to_json(theirs) == text
    assert ours.json_to_distribution(text) == distribution
