"""Problems for samplers: search spaces of every kind, and objectives that stay inside of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from hypothesis import strategies as st

from ahpo.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.logging import WARNING, get_verbosity, set_verbosity
from ahpo.states import StudyDirection
from ahpo.study import Study, create_study

__all__ = (
    "CONDITIONAL",
    "FINITE_KINDS",
    "INFINITE_KINDS",
    "SINGLE_VALUES",
    "Problem",
    "Space",
    "assert_inside",
    "distributions_drawn",
    "flat",
    "loss",
    "negative",
    "new_study",
    "params_of",
    "quietly",
    "suggest",
    "told",
)

Space = Mapping[str, BaseDistribution]

NAN = float("nan")
FINITE_KINDS: Space = {
    "float_step": FloatDistribution(0.0, 1.0, step=0.1),
    "float_odd_step": FloatDistribution(-1.5, 1.2, step=0.3),
    "int": IntDistribution(-3, 3),
    "int_step": IntDistribution(1, 10, step=3),
    "int_log": IntDistribution(1, 64, log=True),
    "choice": CategoricalDistribution(("a", "b", "c")),
    "mixed_choice": CategoricalDistribution((None, True, 2, 0.5, "x", NAN)),
}
INFINITE_KINDS: Space = {
    "float": FloatDistribution(-5.0, 5.0),
    "float_log": FloatDistribution(1e-8, 1e2, log=True),
    "float_large": FloatDistribution(-1e308, 1e308),
    "float_narrow": FloatDistribution(1.0, math.nextafter(1.0, 2.0)),
    "float_tiny": FloatDistribution(5e-324, 1e-300, log=True),
    "int_large": IntDistribution(-(2**50), 2**50),
    "int_large_log": IntDistribution(1, 2**50, log=True),
}
SINGLE_VALUES: Space = {
    "float": FloatDistribution(2.5, 2.5),
    "float_log": FloatDistribution(1e-3, 1e-3, log=True),
    "float_step": FloatDistribution(1.0, 1.0, step=0.5),
    "int": IntDistribution(7, 7),
    "int_log": IntDistribution(3, 3, log=True),
    "choice": CategoricalDistribution(("only",)),
}


def suggest(trial: Any, name: str, distribution: BaseDistribution) -> Any:
    """Ask a trial for a parameter as an objective does."""
    if isinstance(distribution, FloatDistribution):
        low, high, step = distribution.low, distribution.high, distribution.step
        return trial.suggest_float(name, low, high, step=step, log=distribution.log)
    if isinstance(distribution, IntDistribution):
        first, last, stride = distribution.low, distribution.high, distribution.step
        return trial.suggest_int(name, first, last, step=stride, log=distribution.log)
    assert isinstance(distribution, CategoricalDistribution)
    return trial.suggest_categorical(name, distribution.choices)


def assert_inside(distribution: BaseDistribution, value: Any) -> None:
    """Check that a value is one that the distribution has, and of the type that it should be."""
    assert distribution._contains(distribution.to_internal_repr(value)), (
        f"{value!r} is not in {distribution}"
    )
    if isinstance(distribution, CategoricalDistribution):
        assert any(value is choice for choice in distribution.choices), repr(value)
        return
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    assert distribution.low <= value <= distribution.high, f"{value!r} is not in {distribution}"
    wanted = float if isinstance(distribution, FloatDistribution) else int
    assert type(value) is wanted, f"{value!r} is a {type(value).__name__}, not a {wanted.__name__}"


def loss(distribution: BaseDistribution, value: Any) -> float:
    """Return a smooth loss of one value, from 0 to 1."""
    internal = distribution.to_internal_repr(value)
    low, high = 0.0, 1.0
    if isinstance(distribution, CategoricalDistribution):
        high = float(len(distribution.choices))
    elif isinstance(distribution, FloatDistribution | IntDistribution):
        low, high = float(distribution.low), float(distribution.high)
    width = 0.5 * high - 0.5 * low  # halves, because high - low may overflow
    return ((0.5 * internal - 0.5 * low) / width - 0.3) ** 2 if width else 0.0


class Problem(NamedTuple):
    """Give an objective, and all the parameters that it may ask for."""

    space: Space
    objective: Callable[[Any], float]


def flat(space: Space) -> Problem:
    """Return the problem in which each trial has all the parameters."""

    def objective(trial: Any) -> float:
        total = 0.0
        for name, distribution in space.items():
            value = suggest(trial, name, distribution)
            assert_inside(distribution, value)
            total += loss(distribution, value)
        return total

    return Problem(space, objective)


def negative(problem: Problem) -> Problem:
    """Return the problem with the negative objective."""
    return Problem(problem.space, lambda trial: -problem.objective(trial))


def _conditional() -> Problem:
    space: Space = {
        "kind": CategoricalDistribution(("forest", "net", "none")),
        "depth": IntDistribution(1, 8),
        "layers": IntDistribution(1, 3),
        "width0": IntDistribution(2, 10, step=2),
        "width1": IntDistribution(2, 10, step=2),
        "width2": IntDistribution(2, 10, step=2),
        "rate": FloatDistribution(0.0, 1.0, step=0.25),
    }

    def objective(trial: Any) -> float:
        kind = suggest(trial, "kind", space["kind"])
        names = {"forest": ["depth"], "net": ["layers"], "none": []}[kind]
        total = {"forest": 0.0, "net": 0.5, "none": 2.0}[kind]
        for name in names:
            value = suggest(trial, name, space[name])
            assert_inside(space[name], value)
            total += loss(space[name], value)
            if name == "layers":
                names += [*(f"width{layer}" for layer in range(value)), "rate"]
        return total

    return Problem(space, objective)


CONDITIONAL = _conditional()


@st.composite
def _floats(draw: st.DrawFn, log: bool) -> FloatDistribution:
    ends = st.floats(5e-324 if log else None, allow_nan=False, allow_infinity=False)
    low, high = sorted((draw(ends), draw(ends)))
    return FloatDistribution(low, high, log=log)


@st.composite
def _stepped(draw: st.DrawFn) -> FloatDistribution:
    low, step = draw(st.integers(-50, 50)), draw(st.sampled_from([1, 3, 7, 10, 25]))
    cells = draw(st.integers(0, 30))
    return FloatDistribution(low / 10, (low + cells * step) / 10, step=step / 10)


@st.composite
def _ints(draw: st.DrawFn, finite: bool, log: bool) -> IntDistribution:
    low = draw(st.integers(1, 20) if log else st.integers(-(2**50), 2**50))
    cells = draw(st.integers(0, 30 if finite else 2**50))
    step = 1 if log else draw(st.integers(1, 5))
    return IntDistribution(low, low + cells * step, log=log, step=step)


def distributions_drawn(finite: bool) -> st.SearchStrategy[BaseDistribution]:
    """Return a strategy for distributions of any kind, of few values if ``finite``."""
    choices: st.SearchStrategy[list[CategoricalChoiceType]] = st.lists(
        st.none() | st.booleans() | st.sampled_from([7, 0.5, "a", "b"]),
        min_size=1,
        max_size=5,
        unique=True,
    )
    kinds: list[st.SearchStrategy[BaseDistribution]] = [
        choices.map(CategoricalDistribution),
        _stepped(),
        _ints(finite, log=False),
        _ints(finite, log=True),
    ]
    if not finite:
        kinds += [_floats(log=False), _floats(log=True)]
    return st.one_of(kinds)


def new_study(sampler: Any, direction: str = "minimize", **options: Any) -> Study:
    """Return a study in memory, always of the same name."""
    if "directions" not in options:
        options["direction"] = StudyDirection[direction.upper()]
    return create_study(study_name="study", sampler=sampler, **options)


def told(study: Study) -> list[str]:
    """Return what the trials of a study are, but for times, as text, in which NaN equals NaN."""
    return [
        repr((trial.number, trial.state, trial.params, trial.values, trial.intermediate_values))
        for trial in study.get_trials(deepcopy=False)
    ]


def params_of(study: Study) -> list[str]:
    """Return the parameters of the trials of a study as text, in which NaN equals NaN."""
    return [repr(trial.params) for trial in study.get_trials(deepcopy=False)]


@contextmanager
def quietly() -> Iterator[None]:
    """Log nothing of the trials."""
    before = get_verbosity()
    set_verbosity(WARNING)
    try:
        yield
    finally:
        set_verbosity(before)
