"""Run one script on Optuna and on both faces of ahpo, and compare what came of it."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple

import optuna

import ahpo
from tests.facade.waited import waited_face

__all__ = ("Scripts", "Trace", "check_same", "errors_of", "golden_sampler", "plain", "trace_of")

Script = Callable[[Any], Any]


class Trace(NamedTuple):
    """What a script gave, raised, warned of and logged."""

    result: Any
    error: str | None
    warnings: tuple[str, ...]
    lines: tuple[str, ...]


def plain(value: Any) -> Any:
    """Return a value of either library in a form that both share."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, float):
        return "nan" if value != value else value
    if isinstance(value, datetime | timedelta):
        return type(value).__name__  # when, is nobody's business
    if isinstance(value, Mapping):
        # The reason of a failure is an attribute that ahpo adds.
        items = ((k, v) for k, v in value.items() if k != "fail_reason")
        return {plain(key): plain(item) for key, item in items}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    kind = type(value).__name__
    if kind == "FrozenTrial":
        return {name: plain(getattr(value, name)) for name in _TRIAL}
    if kind == "StudySummary":
        return {name: plain(getattr(value, name)) for name in _SUMMARY}
    if kind == "DataFrame":
        return {"columns": [plain(c) for c in value.columns], "rows": plain(value.values.tolist())}
    return value if isinstance(value, str | int | bool | type(None)) else repr(value)


_TRIAL = (
    "number state values datetime_start datetime_complete params distributions user_attrs "
    "system_attrs intermediate_values duration last_step constraints"
).split()
_SUMMARY = "study_name directions best_trial user_attrs n_trials datetime_start".split()


class _Collect(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        with_traceback = " + traceback" if record.exc_info and record.exc_info[0] else ""
        message = re.sub(r"no-name-[0-9a-f-]{36}", "no-name-?", record.getMessage())
        # Optuna closes its sentence on None twice.
        message = re.sub(r"\.\.$", ".", message)
        self.lines.append(f"{record.levelname} {message}{with_traceback}")


@contextmanager
def _quiet(o: Any) -> Iterator[_Collect]:
    """Collect the log lines of a library in place of its handler, and put all back at the end."""
    root = logging.getLogger(o.__name__)
    before = root.handlers[:], root.level, root.propagate
    root.handlers = [collect := _Collect()]
    try:
        yield collect
    finally:
        root.handlers, root.propagate = before[0], before[2]
        root.setLevel(before[1])


def trace_of(script: Script, o: Any) -> Trace:
    """Run a script on one library."""
    error: str | None = None
    result: Any = None
    with _quiet(o) as collect, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = plain(script(o))
        except (Exception, KeyboardInterrupt) as exc:
            error = type(exc).__name__
    # That something is experimental is said by the one that is.
    kinds = tuple(w.category.__name__ for w in caught if "Experimental" not in w.category.__name__)
    return Trace(result, error, kinds, tuple(collect.lines))


def check_same(script: Script) -> None:
    """Check that a script does on both faces of ahpo what it does on Optuna."""
    theirs = trace_of(script, optuna)
    assert trace_of(script, ahpo) == theirs
    with waited_face() as o:
        assert trace_of(script, o) == theirs, "the asynchronous face differs"


class Scripts(list[Script]):
    """Collect scripts, by decorating them, that must do the same on both libraries."""

    def __call__(self, script: Script) -> Script:
        self.append(script)
        return script


def golden_sampler(o: Any) -> Any:
    """Return a sampler as a user would write it, which draws the same in both libraries."""

    class GoldenSampler(o.samplers.BaseSampler):  # type: ignore[name-defined]
        def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
            return {}

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
            return {}

        def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
            share = (len(trial.params) + 1) * (trial.number + 1) * 0.618034 % 1.0
            if isinstance(distribution, o.distributions.CategoricalDistribution):
                return distribution.choices[int(share * len(distribution.choices))]
            low, high, step = distribution.low, distribution.high, distribution.step
            value = low + share * (high - low)
            if step is not None:
                value = low + int(share * ((high - low) / step + 1)) * step
            return value

    return GoldenSampler()


def errors_of(*calls: Any) -> list[str]:
    """Return the type of error of each call, or "fine"."""
    found = []
    for call in calls:
        try:
            call()
            found.append("fine")
        except Exception as error:
            found.append(type(error).__name__)
    return found
