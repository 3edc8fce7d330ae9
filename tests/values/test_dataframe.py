"""A frame of trials is Optuna's, cell for cell and type for type."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import optuna
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ahpo.dataframe import DEFAULT_ATTRS, trials_dataframe
from ahpo.distributions import CategoricalDistribution, FloatDistribution
from ahpo.states import StudyDirection, TrialState
from ahpo.trials import FrozenTrial

START = datetime(2020, 1, 1, 12, 30, 0, 123456)


def _trial(number: int, state: TrialState, k: int, has_choice: bool, attr: Any) -> dict[str, Any]:
    """Return the parts of a trial, common to both libraries."""
    started = state is not TrialState.WAITING
    params: dict[str, Any] = {"x": number / 7} if started else {}
    if started and has_choice:
        params["c"] = "a"
    return {
        "number": number,
        "state": state,
        "value": None,
        "values": [number / 3 + i for i in range(k)] if state is TrialState.COMPLETE else None,
        "datetime_start": START if started else None,
        "datetime_complete": START + timedelta(number) if state.is_finished() else None,
        "params": params,
        "user_attrs": {} if attr is None else {"u": attr},
        "system_attrs": {"fixed_params": {"x": 1}} if number % 3 == 1 else {},
        "intermediate_values": {s: s / 2 for s in range(number % 4)},
        "trial_id": number + 100,
    }


def _frozen(make: Any, distributions: Any, states: Any, parts: dict[str, Any]) -> Any:
    kinds = {
        "x": distributions.FloatDistribution(0, 100),
        "c": distributions.CategoricalDistribution(["a", "b"]),
    }
    state = states[parts["state"].name]
    return make(
        **{**parts, "state": state, "distributions": {n: kinds[n] for n in parts["params"]}}
    )


def frames(
    parts: Sequence[dict[str, Any]],
    k: int,
    names: list[str] | None,
    attrs: Sequence[str],
    multi_index: bool,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the frame of these trials as ahpo and as Optuna make it."""
    import ahpo.distributions

    mine = [_frozen(FrozenTrial, ahpo.distributions, TrialState, p) for p in parts]
    study = optuna.create_study(directions=["minimize"] * k)
    if names is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study.set_metric_names(names)
    theirs = optuna.trial
    frozen = [
        _frozen(theirs.FrozenTrial, optuna.distributions, theirs.TrialState, p) for p in parts
    ]
    study.get_trials = lambda *a, **kw: frozen  # type: ignore[method-assign]
    directions = [StudyDirection.MINIMIZE] * k
    return (
        trials_dataframe(mine, attrs, multi_index, directions, names),
        study.trials_dataframe(tuple(attrs), multi_index),
    )


ATTRS = [
    DEFAULT_ATTRS,
    ("number", "value", "params"),
    ("state", "values", "number", "number"),
    ("intermediate_values", "last_step", "_trial_id"),
    ("params", "duration"),
    ("value",),
]


@given(
    states=st.lists(st.sampled_from(list(TrialState)), max_size=6),
    choices=st.lists(st.booleans(), min_size=6, max_size=6),
    attr=st.lists(st.sampled_from([None, 1, 2.5, "s", True, [1]]), min_size=6, max_size=6),
    k=st.integers(1, 3),
    named=st.booleans(),
    attrs=st.sampled_from(ATTRS),
    multi_index=st.booleans(),
)
def test_frame_is_that_of_optuna(
    states: list[TrialState],
    choices: list[bool],
    attr: list[Any],
    k: int,
    named: bool,
    attrs: tuple[str, ...],
    multi_index: bool,
) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    parts = [_trial(n, state, k, choices[n], attr[n]) for n, state in enumerate(states)]
    names = ["loss", "time", "size"][:k] if named else None
    mine, theirs = frames(parts, k, names, attrs, multi_index)
    pd.testing.assert_frame_equal(mine, theirs)


@pytest.mark.parametrize("multi_index", [False, True])
def test_frame_without_columns_keeps_its_rows(multi_index: bool) -> None:
    parts = {**_trial(0, TrialState.WAITING, 1, False, None), "distributions": {}}
    trials = [FrozenTrial(**parts), FrozenTrial(**parts)]
    frame = trials_dataframe(trials, ("params",), multi_index, [StudyDirection.MINIMIZE], None)
    assert frame.shape == (2, 0)


def test_distributions_are_cells_too() -> None:
    trial = FrozenTrial(
        number=0,
        trial_id=0,
        state=TrialState.COMPLETE,
        value=1.0,
        datetime_start=START,
        datetime_complete=START,
        params={"x": 1.0, "c": "a"},
        distributions={"x": FloatDistribution(0, 2), "c": CategoricalDistribution(["a"])},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )
    frame = trials_dataframe([trial], ("distributions",), False, [StudyDirection.MINIMIZE], None)
    assert list(frame.columns) == ["distributions_c", "distributions_x"]
    assert frame["distributions_x"][0] == FloatDistribution(0, 2)


def test_without_pandas_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install ahpo\[pandas\]"):
        trials_dataframe([], ("number",), False, [StudyDirection.MINIMIZE], None)


@pytest.mark.parametrize(
    ("attrs", "error", "sentence"),
    [
        ((), ValueError, "must hold names of attributes of trials, but it is ()"),
        ("number", ValueError, "but it is 'number'"),
        (("number", "foo"), AttributeError, "but it holds 'foo'"),
    ],
)
def test_bad_attrs_are_refused(attrs: Any, error: type[Exception], sentence: str) -> None:
    parts = _trial(0, TrialState.RUNNING, 1, False, None)
    trial = FrozenTrial(**{**parts, "distributions": {"x": FloatDistribution(0, 1)}})
    with pytest.raises(error) as caught:
        trials_dataframe([trial], attrs, False, [StudyDirection.MINIMIZE], None)
    assert sentence in str(caught.value)
