"""Hypothesis strategies for the lines of a journal, as Optuna might have written them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

Log = dict[str, Any]


def _distribution(name: str, **attributes: Any) -> str:
    return json.dumps({"name": name, "attributes": attributes})


_X = [
    _distribution("FloatDistribution", step=None, low=0.0, high=high, log=False)
    for high in (1.0, 2.0)
]
_LOG_X = _distribution("FloatDistribution", step=None, low=0.5, high=4.0, log=True)
_N = _distribution("IntDistribution", log=False, step=1, low=0, high=9)
_C = [
    _distribution("CategoricalDistribution", choices=choices)
    for choices in (["a", None, 2.5, True], ["a", None], [float("nan"), 1, 2, "x,y"])
]
_OLD = _distribution("UniformDistribution", low=0.0, high=1.0)
_SHORT = '{"type":"int","low":0,"high":9,"step":1,"log":false}'

distributions = st.sampled_from([*_X, _LOG_X, _N, *_C, _OLD, _SHORT])
names = st.sampled_from(["x", "y", 'a,"step":1', "δ"])
keys = st.sampled_from(["k", "l,m", 'q"'])
studies = st.integers(0, 3)
trials = st.integers(-1, 7)
numbers = st.floats(allow_subnormal=False)
times = st.sampled_from(
    [
        "2026-11-21T22:37:51.798840",
        "2026-11-21T22:37:51",
        "2026-11-21T20:37:52.637679+00:00",
        "2026-07-01T20:37:52.000001+02:00",
    ]
)
values = st.none() | st.lists(numbers, min_size=1, max_size=2)
attributes = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=2),
    max_leaves=3,
)
attribute = st.tuples(keys, attributes).map(lambda pair: {pair[0]: pair[1]})
_steps = st.integers(0, 3)
_index = st.sampled_from([0.0, 1.0, 1])  # in the range of each of them


def _log(op_code: int, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Log]:
    return st.fixed_dictionaries(
        {"op_code": st.just(op_code), "worker_id": st.sampled_from(["w-1", "w,2"]), **fields}
    )


@st.composite
def templates(draw: st.DrawFn) -> Log:
    state = draw(st.integers(0, 4))
    several = draw(values)
    kinds = draw(st.dictionaries(names, distributions, max_size=2))
    log: Log = {
        "op_code": 4,
        "worker_id": "w-1",
        "study_id": draw(studies),
        "datetime_start": draw(st.none() | times),
        "state": state,
        "value": None if several is not None else draw(st.none() | numbers),
        "values": several,
    }
    if state in (1, 2, 3) and draw(st.booleans()):
        log["datetime_complete"] = draw(times)
    return log | {
        "distributions": kinds,
        "params": {name: draw(_index) for name in kinds},
        "user_attrs": draw(st.dictionaries(keys, attributes, max_size=2)),
        "system_attrs": draw(st.dictionaries(keys, attributes, max_size=2)),
        "intermediate_values": draw(st.dictionaries(_steps, numbers, max_size=2)),
    }


logs: st.SearchStrategy[Log] = st.one_of(
    _log(0, study_name=st.sampled_from("ab"), directions=st.lists(st.integers(1, 2), min_size=1)),
    _log(1, study_id=studies),
    _log(2, study_id=studies, user_attr=attribute),
    _log(3, study_id=studies, system_attr=attribute),
    _log(4, study_id=studies, datetime_start=times),
    templates(),
    _log(
        5,
        trial_id=trials,
        param_name=names,
        param_value_internal=_index,
        distribution=distributions,
    ),
    _log(6, trial_id=trials, state=st.just(0), values=st.none(), datetime_start=times),
    _log(6, trial_id=trials, state=st.just(4), values=values),
    _log(6, trial_id=trials, state=st.integers(1, 3), values=values, datetime_complete=times),
    _log(7, trial_id=trials, step=_steps, intermediate_value=numbers),
    _log(8, trial_id=trials, user_attr=attribute),
    _log(9, trial_id=trials, system_attr=attribute),
    _log(9, trial_id=st.just(2**32 - 1), system_attr=st.just({"ahpo:leases": {"renewed": [0]}})),
    _log(10, trial_ids=st.lists(trials, max_size=2)),
)
# Studies and trials come first, so that the other lines are about something.
journals = st.builds(
    lambda first, created, rest: [*first, *created, *rest],
    st.lists(_log(0, study_name=st.sampled_from("ab"), directions=st.just([1])), max_size=2),
    st.lists(_log(4, study_id=st.integers(0, 1), datetime_start=times) | templates(), max_size=3),
    st.lists(logs, max_size=25),
)
