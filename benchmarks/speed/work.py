"""The work that the rows share: a space of ten mixed parameters, and studies filled with it."""

from __future__ import annotations

import importlib
import random
from typing import Any

SEED = 1
KINDS = ("adam", "sgd", "rmsprop", "lion")


def load(impl: str) -> Any:
    """Import `ahpo`, `optuna` or `rustuna`, without a log line for each trial."""
    module = importlib.import_module(impl)
    if hasattr(module, "logging"):
        module.logging.set_verbosity(module.logging.WARNING)
    return module


def suggest_mixed(trial: Any) -> float:
    """Suggest ten parameters of all kinds, and return a smooth value that depends on them all."""
    total = trial.suggest_float("x0", -5.0, 5.0) ** 2
    total += trial.suggest_float("x1", -5.0, 5.0) ** 2
    total += abs(trial.suggest_float("lr", 1e-5, 1e-1, log=True) - 1e-3)
    total += trial.suggest_float("dropout", 0.0, 0.5, step=0.05)
    total += trial.suggest_int("layers", 1, 8)
    total += trial.suggest_int("units", 16, 1024, log=True) / 1024
    total += trial.suggest_int("batch", 16, 256, step=16) / 256
    total += KINDS.index(trial.suggest_categorical("optimizer", KINDS))
    total += trial.suggest_categorical("bias", (True, False))
    total += trial.suggest_categorical("norm", ("batch", "layer", "none")) == "none"
    return float(total)


def suggest_floats(trial: Any, count: int) -> float:
    """Suggest `count` floats, and return the sphere function of them."""
    return float(sum(trial.suggest_float(f"x{i}", -5.0, 5.0) ** 2 for i in range(count)))


def mixed_distributions(module: Any) -> dict[str, Any]:
    """The distributions that `suggest_mixed` asks for, as objects of the implementation."""
    d = module.distributions
    return {
        "x0": d.FloatDistribution(-5.0, 5.0),
        "x1": d.FloatDistribution(-5.0, 5.0),
        "lr": d.FloatDistribution(1e-5, 1e-1, log=True),
        "dropout": d.FloatDistribution(0.0, 0.5, step=0.05),
        "layers": d.IntDistribution(1, 8),
        "units": d.IntDistribution(16, 1024, log=True),
        "batch": d.IntDistribution(16, 256, step=16),
        "optimizer": d.CategoricalDistribution(KINDS),
        "bias": d.CategoricalDistribution((True, False)),
        "norm": d.CategoricalDistribution(("batch", "layer", "none")),
    }


class _Draw:
    """A stand-in for a trial, which draws at random and keeps what it drew."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.params: dict[str, Any] = {}

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        if log:
            value = low * (high / low) ** self.rng.random()
        elif step:
            value = low + step * self.rng.randrange(round((high - low) / step) + 1)
        else:
            value = self.rng.uniform(low, high)
        self.params[name] = value
        return value

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        value = self.rng.randrange(low, high + 1, step)
        if log:
            value = round(low * (high / low) ** self.rng.random())
        self.params[name] = value
        return value

    def suggest_categorical(self, name: str, choices: tuple[Any, ...]) -> Any:
        self.params[name] = self.rng.choice(choices)
        return self.params[name]


def filled_study(
    module: Any, n: int, *, objectives: int = 1, generations: int | None = None, **options: Any
) -> Any:
    """Create a study that holds `n` complete trials of the mixed space.

    With `generations`, they are marked as NSGA-II does, so many for each generation.
    """
    study = module.create_study(directions=["minimize"] * objectives, **options)
    distributions = mixed_distributions(module)
    rng = random.Random(SEED)
    trials = []
    for number in range(n):
        marks = {} if generations is None else {"NSGAIISampler:generation": number // generations}
        draw = _Draw(rng)
        value = suggest_mixed(draw)
        other = draw.params["lr"] * 10 - value if generations is None else draw.params["x0"]
        values = [value, *[other] * (objectives - 1)]
        trials.append(
            module.create_trial(
                values=values, params=draw.params, distributions=distributions, system_attrs=marks
            )
        )
    study.add_trials(trials)
    return study
