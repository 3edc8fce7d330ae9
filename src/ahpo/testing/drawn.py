"""Hypothesis strategies for what studies are made of."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.history.records import FinishedTrial
from ahpo.states import TrialState

__all__ = (
    "attributes",
    "keys",
    "params",
    "records",
    "reported",
    "seconds",
    "told",
    "told_values",
)

# Each parameter keeps its kind, as it must; the range of "x" and "n" differs from trial to trial.
_X = [FloatDistribution(0.0, high) for high in (1.0, 2.0, 1e9)]
_N = [IntDistribution(0, high, step=2) for high in (4, 8)]
_LR = FloatDistribution(1e-5, 1.0, log=True)
_C = CategoricalDistribution(("a", None, True, 2, 0.5))

Param = tuple[str, float, BaseDistribution]

_unit = st.floats(0.0, 1.0, allow_subnormal=False)
params: st.SearchStrategy[Param] = st.one_of(
    st.builds(lambda d, u: ("x", u * d.high, d), st.sampled_from(_X), _unit),
    st.builds(lambda d, k: ("n", 2.0 * k, d), st.sampled_from(_N), st.integers(0, 2)),
    st.builds(lambda u: ("lr", max(u, 1e-5), _LR), _unit),
    st.builds(lambda k: ("c", float(k), _C), st.integers(0, 4)),
)
keys = st.sampled_from(["k", "other key", "k2"])
attributes: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.sampled_from([0.1, -1e300, ""])
    # Without control characters, of which some databases refuse a few.
    | st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=2),
    max_leaves=4,
)
# A storage may keep no sign of zero: SQLite does not.
reported = st.floats(allow_subnormal=False).map(lambda value: value + 0.0)
told = st.floats(allow_nan=False, allow_subnormal=False).map(lambda value: value + 0.0)
# Times of whole seconds, which is all that some databases keep; in microseconds.
seconds = st.integers(10**9, 2 * 10**9).map(lambda second: second * 10**6)


def told_values(n_objectives: int) -> st.SearchStrategy[tuple[float, ...]]:
    """Return values for a trial that ends COMPLETE."""
    return st.lists(told, min_size=n_objectives, max_size=n_objectives).map(tuple)


@st.composite
def records(draw: st.DrawFn, n_objectives: int) -> FinishedTrial:
    """Return a trial to add, in any state."""
    state = draw(st.sampled_from(TrialState))
    suggested = {param[0]: param for param in draw(st.lists(params, max_size=3))}
    values = None
    if state is TrialState.COMPLETE:
        values = draw(told_values(n_objectives))
    elif state is TrialState.PRUNED:
        values = draw(st.none() | told_values(n_objectives))
    return FinishedTrial(
        number=draw(st.integers(-1, 3)),  # not heeded
        trial_id=draw(st.integers(-1, 3)),  # nor this
        state=state,
        values=values,
        params={name: value for name, value, _ in suggested.values()},
        distributions={name: kind for name, _, kind in suggested.values()},
        intermediate_values=draw(st.dictionaries(st.integers(0, 2**31 - 1), reported, max_size=2)),
        user_attrs=draw(st.dictionaries(keys, attributes, max_size=2)),
        system_attrs=draw(st.dictionaries(keys, attributes, max_size=2)),
        started=None if state is TrialState.WAITING else draw(seconds),
        completed=draw(seconds) if state.is_finished() else None,
    )
