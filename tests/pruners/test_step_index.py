"""The values by step, and their percentiles, equal what numpy says about all trials at once."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.pruners.first_length import FirstLength
from ahpo.pruners.step_index import StepIndex, percentile_of_sorted
from ahpo.states import TrialState
from tests.pruners.plain_study import PlainStudy

values = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, math.nan])
reports = st.dictionaries(st.integers(0, 5), values, max_size=6)
states = st.sampled_from([TrialState.COMPLETE] * 3 + [TrialState.PRUNED, TrialState.FAIL])
percentiles = st.floats(0.0, 100.0) | st.sampled_from([0.0, 25.0, 50.0, 100.0])


@given(st.lists(st.tuples(reports, states), max_size=20), percentiles)
def test_percentiles_of_a_history_are_those_of_numpy(
    history: list[tuple[dict[int, float], TrialState]], percentile: float
) -> None:
    """Of complete trials only, without NaN; a NaN counts as a report all the same."""
    study = PlainStudy()
    index = study.view().index(StepIndex)
    for reported, state in history:
        study.add(reported, state=state)
    complete = [reported for reported, state in history if state is TrialState.COMPLETE]
    assert index.n_complete == len(complete)
    for step in range(6):
        at_step = np.array([reported[step] for reported in complete if step in reported])
        assert index.count(step) == len(at_step)
        got = index.percentile(step, percentile)
        if np.isfinite(at_step).any():
            assert got == np.nanpercentile(at_step, percentile)
        else:
            assert math.isnan(got)


def test_an_index_made_later_is_the_same() -> None:
    """Replayed from the history."""
    early, late = PlainStudy(), PlainStudy()
    index = early.view().index(StepIndex)
    for study in (early, late):
        for n in range(5):
            study.add({0: float(n % 3), 1: math.nan})
    replayed = late.view().index(StepIndex)
    assert replayed.percentile(0, 37.5) == index.percentile(0, 37.5) == 0.5
    assert replayed.count(1) == index.count(1) == 5


@pytest.mark.parametrize(
    ("values", "percentile", "expected"),
    [
        ([1.0, math.inf, math.inf], 50.0, math.inf),
        ([1.0, 2.0, math.inf], 50.0, 2.0),
        ([1.0, 2.0, math.inf], 75.0, math.inf),
        ([-math.inf, 1.0], 50.0, -math.inf),
        ([-math.inf, -math.inf, 3.0], 25.0, -math.inf),
        ([-math.inf, 1.0], 75.0, -math.inf),
        ([math.inf], 50.0, math.inf),
    ],
)
def test_infinite_values_count_as_what_they_are(
    values: list[float], percentile: float, expected: float
) -> None:
    """A trial that diverged must not keep others from being pruned; numpy would say NaN."""
    assert percentile_of_sorted(array("d", values), percentile) == expected


def test_the_first_length_is_that_of_the_first_complete_trial_with_reports() -> None:
    """And stays so."""
    study = PlainStudy()
    index = study.view().index(FirstLength)
    study.add({}, state=TrialState.COMPLETE)
    study.add({50: 1.0}, state=TrialState.PRUNED)
    study.add({60: 1.0}, state=TrialState.FAIL)
    assert index.last_step is None
    study.add({3: 1.0, 7: 1.0, 5: 1.0})
    study.add({90: 1.0})
    assert index.last_step == 7
