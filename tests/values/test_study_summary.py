"""A summary holds the basic facts of a study and is ordered by the study's identifier."""

from __future__ import annotations

from typing import Any

import pytest

from ahpo.states import StudyDirection
from ahpo.study_summary import StudySummary

MINIMIZE, MAXIMIZE = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE


def summary(**parts: Any) -> StudySummary:
    given: dict[str, Any] = {
        "study_name": "n",
        "direction": MINIMIZE,
        "best_trial": None,
        "user_attrs": {"a": 1},
        "n_trials": 3,
        "datetime_start": None,
        "study_id": 4,
    }
    return StudySummary(**{**given, **parts})


def test_directions_are_given_one_way_or_the_other() -> None:
    assert summary().direction is MINIMIZE
    assert summary().directions == [MINIMIZE]
    assert summary(direction=None, directions=(MAXIMIZE,)).direction is MAXIMIZE
    assert summary(directions=[MINIMIZE]).directions == [MINIMIZE]


def test_direction_of_several_objectives_cannot_be_read() -> None:
    several = summary(direction=None, directions=[MINIMIZE, MAXIMIZE])
    assert several.directions == [MINIMIZE, MAXIMIZE]
    with pytest.raises(RuntimeError, match="several objectives: use `directions`"):
        _ = several.direction


@pytest.mark.parametrize("directions", [None, [MAXIMIZE]])
def test_directions_that_are_missing_or_differ_are_refused(directions: Any) -> None:
    direction = None if directions is None else MINIMIZE
    with pytest.raises(ValueError, match="One of `direction` and `directions` must be given"):
        summary(direction=direction, directions=directions)


def test_summaries_are_compared_by_content_and_ordered_by_identifier() -> None:
    assert summary() == summary() != summary(n_trials=4)
    assert summary() != 3
    assert [s._study_id for s in sorted([summary(study_id=9), summary()])] == [4, 9]
    assert summary() <= summary()
    assert not summary() < summary()
    for compare in (lambda: summary() < 3, lambda: summary() <= 3, lambda: hash(summary())):
        with pytest.raises(TypeError):
            compare()
