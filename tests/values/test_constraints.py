"""Constraints are read from both of their forms, and a violation is the sum of what is above 0."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.trials.constraints import constraint_attribute, constraints_of, violation


def test_both_forms_are_read_and_the_named_one_holds() -> None:
    attrs = {"constraints": [1, 2.5], "constraints:1": -4.0, "constraints:a:b": 3.0, "other": 9}
    assert constraints_of(attrs) == {"0": 1, "1": -4.0, "a:b": 3.0}


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"constraints": [1.0, -2.0]}, 1.0),
        ({"constraints": [0.0]}, 0.0),
        ({"constraints": []}, 0.0),
        ({"constraints:a": 2, "constraints:b": 0.5, "constraints": [-1]}, 2.5),
        ({"constraints:a": math.inf}, math.inf),
    ],
)
def test_violation_is_the_sum_of_what_is_above_zero(attrs: Any, expected: float) -> None:
    assert violation(attrs) == expected


@pytest.mark.parametrize("attrs", [{}, {"other": 1}, {"constraints": None}])
def test_violation_of_a_trial_without_constraints_is_nan(attrs: Any) -> None:
    assert math.isnan(violation(attrs))


bounds = st.floats(allow_nan=False)


@given(st.dictionaries(st.text(), bounds), st.none() | st.lists(bounds))
def test_constraints_are_those_that_optuna_reads(named: dict[str, float], listed: Any) -> None:
    attrs: dict[str, Any] = dict(constraint_attribute(key, value) for key, value in named.items())
    if not any(key.isdigit() for key in named):  # Optuna warns where the two forms meet
        attrs["constraints"] = listed
    theirs = optuna.create_trial(value=0.0, system_attrs=attrs)
    assert constraints_of(attrs) == theirs.constraints
