"""What `sample_relative` of a user's sampler returns is used where its distribution allows it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.facade.two_libraries import Scripts, check_same, errors_of

same = Scripts()


def asked(o: Any, space: Any, params: Any) -> Any:
    """Return a trial whose sampler samples these parameters jointly from that space."""

    class Fixed(o.samplers.BaseSampler):  # type: ignore[name-defined]
        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return space

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            return params

        def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
            return getattr(distribution, "high", "independent")

    return o.create_study(sampler=Fixed()).ask()


@same
def names_outside_of_the_space(o: Any) -> Any:
    """They are an error when the objective asks for them, and not before."""
    x = o.distributions.FloatDistribution(0, 10)
    trial = asked(o, {"x": x}, {"x": 1.0, "y": 2.0})
    return (
        trial.suggest_float("x", 0, 10),
        trial.relative_params,
        errors_of(lambda: trial.suggest_float("y", 0, 10)),
        trial.params,
    )


@same
def other_kinds_of_distributions(o: Any) -> Any:
    """They are an error, whatever the value would be there."""
    d = o.distributions
    number, choice = d.FloatDistribution(1, 10), d.CategoricalDistribution(("a", "b"))

    def number_of(space: Any, value: Any) -> Any:
        return asked(o, {"x": space}, {"x": value})

    return errors_of(
        lambda: number_of(choice, "a").suggest_categorical("x", ["a", "b"]),
        lambda: number_of(choice, "a").suggest_categorical("x", ["b", "a"]),
        lambda: number_of(choice, "a").suggest_categorical("x", ["a", "b", "c"]),
        lambda: number_of(choice, "b").suggest_int("x", 0, 10),
        lambda: number_of(number, 2.0).suggest_int("x", 0, 10),
        lambda: number_of(number, 2.0).suggest_float("x", 1, 10, log=True),
        lambda: number_of(number, 2.0).suggest_categorical("x", [1.0, 2.0]),
        lambda: number_of(number, "text").suggest_float("x", 0, 10),
        lambda: number_of(number, None).suggest_float("x", 0, 10),
        lambda: number_of(number, float("nan")).suggest_float("x", 0, 10),
        lambda: number_of(choice, "c").suggest_categorical("x", ["a", "b"]),
    )


@same
def other_ranges_of_the_same_kind(o: Any) -> Any:
    """A value inside the new range is used, and one outside gives way to an independent one."""
    d = o.distributions
    wide, steps = d.FloatDistribution(0, 10), d.IntDistribution(0, 10)
    trials = [
        (trial := asked(o, {"x": wide}, {"x": 5.0}), trial.suggest_float("x", 0, 6)),
        (trial := asked(o, {"x": wide}, {"x": 5.0}), trial.suggest_float("x", 0, 4)),
        (trial := asked(o, {"x": wide}, {"x": 5.0}), trial.suggest_float("x", 0, 6, step=0.5)),
        (trial := asked(o, {"x": wide}, {"x": 5.1}), trial.suggest_float("x", 0, 6, step=0.5)),
        (trial := asked(o, {"x": wide}, {"x": 11.0}), trial.suggest_float("x", 0, 10)),
        (trial := asked(o, {"x": steps}, {"x": 4}), trial.suggest_int("x", 0, 8, step=2)),
        (trial := asked(o, {"x": steps}, {"x": 5}), trial.suggest_int("x", 0, 8, step=2)),
    ]
    return [(value, trial.params, trial.relative_params) for trial, value in trials]


@same
def what_is_not_asked_for(o: Any) -> Any:
    """It does no harm, whatever it is; nor where there is only one value."""
    d = o.distributions
    trial = asked(o, {"x": d.FloatDistribution(0, 1)}, {"x": "text", "y": 3})
    return trial.suggest_int("x", 3, 3), trial.suggest_int("z", 0, 5), trial.relative_params


@same
def nothing_at_all(o: Any) -> Any:
    spaces: list[Any] = [{}, None]
    found = [asked(o, space, {}).suggest_int("x", 0, 5) for space in spaces]
    return found, errors_of(lambda: asked(o, {}, None).suggest_int("x", 0, 5))


@same
def an_error_is_the_trials(o: Any) -> Any:
    """It can be caught, as one of the objective."""

    class Wrong(o.samplers.BaseSampler):  # type: ignore[name-defined]
        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return {"x": o.distributions.FloatDistribution(0, 10)}

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            return {"y": 1.0} if trial.number == 1 else {"x": 2.5}

        def sample_independent(self, study: Any, trial: Any, *named: Any) -> Any:
            return 0.5

    def objective(trial: Any) -> float:
        return float(trial.suggest_float("x", 0, 10) + trial.suggest_float("y", 0, 10))

    o.logging.set_verbosity(o.logging.ERROR + 10)
    study = o.create_study(sampler=Wrong())
    study.optimize(objective, n_trials=3, catch=ValueError)
    return study.trials


@same
def joint_sampling_by_a_subclass(o: Any) -> Any:
    """It may widen what its parent samples jointly, and correct what it chose."""

    class Mine(o.samplers.TPESampler):  # type: ignore[name-defined]
        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            space = super().infer_relative_search_space(study, trial)
            return {**space, "z": o.distributions.IntDistribution(0, 9)}

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            z = search_space.pop("z")
            found = super().sample_relative(study, trial, search_space)
            search_space["z"] = z
            return {**dict.fromkeys(found, 0.5), "z": 7}

    def objective(trial: Any) -> float:
        x, y, z = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1), 0
        if trial.number % 2:
            z = trial.suggest_int("z", 0, 9)
        seen.append(trial.relative_params)
        # Startup draws differ between the libraries.
        return float(x + y + z) if trial.number > 3 else 9.0

    o.logging.set_verbosity(o.logging.ERROR)
    seen: list[Any] = []
    study = o.create_study(sampler=Mine(seed=0, n_startup_trials=4))
    study.optimize(objective, n_trials=10)
    return [t.params for t in study.trials[4:]], [sorted(r.items()) for r in seen]


@pytest.mark.parametrize("script", same, ids=lambda script: script.__name__)
def test_same_as_optuna(script: Any) -> None:
    check_same(script)
