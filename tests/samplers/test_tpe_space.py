"""Unit coordinates: values survive the way there and back; points lie in the cells of values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.samplers.random import at_quantile
from ahpo.samplers.tpe.space import UnitSpace, learnable
from tests.samplers.spaces import EVERY_KIND
from tests.samplers.test_random import distributions

RANGE = FloatDistribution(0.0, 1.0)


def raw_values(space: dict[str, BaseDistribution], u: list[list[float]]) -> np.ndarray:
    """Return internal values, (D, n), at quantiles (D, n)."""
    return np.array(
        [[at_quantile(d, v) for v in row] for d, row in zip(space.values(), u, strict=True)]
    )


@given(st.lists(distributions().filter(learnable), min_size=1, max_size=6), st.data())
def test_values_survive_being_encoded_and_decoded(
    drawn: list[BaseDistribution], data: st.DataObject
) -> None:
    space = {f"x{position}": distribution for position, distribution in enumerate(drawn)}
    row = st.lists(st.floats(0.0, 1.0, exclude_max=True), min_size=3, max_size=3)
    raw = raw_values(space, [data.draw(row) for _ in drawn])
    unit_space = UnitSpace(space)
    unit, indices, inside = unit_space.encode(raw)
    assert inside.all()
    assert ((unit >= -1e-9) & (unit <= 1 + 1e-9)).all()
    for column in range(3):
        point = unit_space.encode_point(raw[:, column].tolist())
        assert point is not None
        assert point[0] == pytest.approx(unit[:, column], abs=1e-12)
        assert point[1] == indices[:, column].tolist()
        decoded = unit_space.decode(unit[:, column], indices[:, column])
        assert list(decoded) == list(space)
        for position, (name, value) in enumerate(decoded.items()):
            distribution = space[name]
            assert distribution._contains(value)
            width = getattr(distribution, "high", 1.0) - getattr(distribution, "low", 0.0)
            expected = float(raw[position, column])
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-9 * width)


@given(st.integers(0, 2**32))
def test_a_point_is_snapped_to_the_cell_that_it_lies_in(seed: int) -> None:
    space = UnitSpace(EVERY_KIND)
    rng = np.random.default_rng(seed)
    unit = rng.random((5, space.smooth))
    indices = (rng.random((5, len(space.counts))) * space.counts).astype(np.intp)
    found = space.snap(unit.copy(), indices)
    lower, upper = found.lower, found.upper
    graded = unit[:, space.plain :]
    assert ((lower <= graded + 1e-12) & (graded <= upper + 1e-12)).all()
    assert found.unit[:, space.plain :] == pytest.approx((lower + upper) / 2)
    half = space.cell_width / 2 + 1e-12
    assert (np.abs(found.unit[:, : space.plain] - unit[:, : space.plain]) <= half).all()
    for row in range(5):
        values = space.decode(found.unit[row], found.indices[row])
        assert all(EVERY_KIND[name]._contains(value) for name, value in values.items())


@pytest.mark.parametrize("value", [float("nan"), -5.1, 5.1])
def test_a_missing_value_or_one_out_of_range_is_not_inside(value: float) -> None:
    space = UnitSpace({"x": FloatDistribution(-5.0, 5.0), "c": CategoricalDistribution("ab")})
    raw = np.array([[0.0, value, 5.0], [0.0, 1.0, 1.0]])
    unit, indices, inside = space.encode(raw)
    assert inside.tolist() == [True, False, True]
    assert np.isfinite(unit).all()
    assert (indices < 2).all()
    assert space.encode_point([value, 1.0]) is None


def test_the_cells_of_numbers_in_tables_cover_the_range() -> None:
    space = UnitSpace({"i": IntDistribution(1, 4), "log": IntDistribution(1, 20, log=True)})
    assert space.edges[0, :5] == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])
    assert space.centers[0, :4] == pytest.approx([0.125, 0.375, 0.625, 0.875])
    logs = np.log(np.arange(0.5, 21.0))
    assert space.edges[1] == pytest.approx((logs - logs[0]) / (logs[-1] - logs[0]))
    assert (space.edges[0, 5:] == 1.0).all()


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (RANGE, True),
        (FloatDistribution(1.0, 1.0), False),
        (FloatDistribution(-1.7e308, 1.7e308), False),
        (CategoricalDistribution("a"), False),
        (CategoricalDistribution("ab"), True),
        (IntDistribution(1, 2, log=True), True),
    ],
)
def test_what_cannot_be_spanned_cannot_be_learned(
    distribution: BaseDistribution, expected: bool
) -> None:
    assert learnable(distribution) is expected


def test_an_unknown_kind_of_distribution_is_refused() -> None:
    class Other(BaseDistribution):
        def single(self) -> bool:
            return False

    with pytest.raises(NotImplementedError, match="`distribution` must be a FloatDistribution"):
        learnable(Other())
