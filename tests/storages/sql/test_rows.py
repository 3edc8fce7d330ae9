"""Values come out of rows as they went in, and rows of other programs are understood."""

from __future__ import annotations

import sys
from datetime import datetime
from math import inf, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.distributions import FloatDistribution, IntDistribution
from ahpo.storages.sql.dialect import SQLiteDialect
from ahpo.storages.sql.rows import (
    SPECIAL,
    cells_of,
    datetime_of,
    distribution_of,
    json_of,
    micros_of,
    text_of,
)

_micros = st.integers(-(10**15), 10**17)


@given(_micros)
def test_time_comes_back_to_the_microsecond(micros: int) -> None:
    assert micros_of(datetime_of(micros)) == micros
    assert micros_of(SQLiteDialect().time(micros)) == micros


@pytest.mark.parametrize(
    "text",
    [
        "2023-11-14 22:13:20",
        "2023-11-14 22:13:20.000000",
        "2023-11-14T22:13:20",
        "2023-11-15 00:13:20.000000+02:00",
    ],
)
def test_times_of_other_programs_are_understood(text: str) -> None:
    assert micros_of(text) == 1_700_000_000_000_000
    assert micros_of(datetime.fromisoformat(text)) == 1_700_000_000_000_000
    assert micros_of(None) is None


@given(st.floats())
def test_number_comes_back_whatever_it_is(value: float) -> None:
    number, kind = cells_of(value)
    found = SPECIAL[kind] if number is None else number
    assert found == value or (isnan(found) and isnan(value))
    assert (number is None) == (kind != "FINITE")


def test_special_numbers_have_the_names_of_the_schema() -> None:
    kinds = [cells_of(value) for value in (inf, -inf, nan, 1.0)]
    assert kinds == [(None, "INF_POS"), (None, "INF_NEG"), (None, "NAN"), (1.0, "FINITE")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}',
            FloatDistribution(0.0, 1.0),
        ),
        (
            '{"name": "IntLogUniformDistribution", "attributes": {"low": 1, "high": 8, "step": 1}}',
            IntDistribution(1, 8, log=True),
        ),
        (
            '{"attributes":{"log":false,"high":1.0,"low":0.0,"step":null},'
            '"name":"FloatDistribution"}',
            FloatDistribution(0.0, 1.0),
        ),
    ],
)
def test_distributions_of_old_studies_are_read_as_those_of_today(
    text: str, expected: FloatDistribution
) -> None:
    found = distribution_of(text)
    assert type(found) is type(expected)
    assert found == expected
    assert distribution_of(text) is found


def test_many_distributions_do_not_fill_the_memory() -> None:
    from ahpo.storages.sql import rows

    for high in range(1, 5000):
        distribution = FloatDistribution(0.0, high)
        assert distribution_of(text_of(distribution)) == distribution
    assert max(len(rows._texts), len(rows._distributions)) <= rows._MAX_CACHED


def test_attribute_that_is_nested_too_deeply_is_refused() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="nested too deeply"):
        json_of(value)
    while value:  # else its end would be as deep
        value = value.pop()  # type: ignore[assignment]


def test_missing_driver_of_mysql_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from ahpo.storages.sql.url import backend_of

    monkeypatch.setitem(sys.modules, "asyncmy", None)
    monkeypatch.delitem(sys.modules, "ahpo.storages.sql.mysql", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'ahpo\[mysql\]'"):
        backend_of("mysql://host/db")
