"""Run the same expression on ahpo and on Optuna, and tell what came of it in comparable terms."""

from __future__ import annotations

import re
import warnings
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import optuna

import ahpo.distributions
import ahpo.states
import ahpo.trials


class Outcome(NamedTuple):
    """What an expression gave: its value shown by repr, or its error, and its warnings."""

    result: str
    error: type[BaseException] | None
    warnings: tuple[type[Warning], ...]


def _names(distributions: Any, trials: Any, states: Any) -> dict[str, Any]:
    return {
        "d": distributions,
        "Float": distributions.FloatDistribution,
        "Int": distributions.IntDistribution,
        "Cat": distributions.CategoricalDistribution,
        "FrozenTrial": trials.FrozenTrial,
        "FixedTrial": trials.FixedTrial,
        "create_trial": trials.create_trial,
        "State": states.TrialState,
        "nan": float("nan"),
        "inf": float("inf"),
        "np": np,
        "SimpleNamespace": SimpleNamespace,
    }


AHPO = _names(ahpo.distributions, ahpo.trials, ahpo.states)
OPTUNA = _names(optuna.distributions, optuna.trial, optuna.trial)


def outcome(expression: str, names: dict[str, Any]) -> Outcome:
    """Evaluate an expression, or run statements and take what they leave in `result`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        error: type[BaseException] | None = None
        shown = ""
        scope = dict(names)
        try:
            *statements, last = expression.split("; ")
            for statement in statements:
                exec(statement, scope)
            shown = _plain(eval(last, scope))
        except Exception as exc:
            error = type(exc)
    return Outcome(shown, error, tuple(w.category for w in caught))


def _plain(value: Any) -> str:
    # Both libraries show members of enumerations in their own way.
    return re.sub(r"<(TrialState\.\w+): \d>", r"\1", repr(value))
