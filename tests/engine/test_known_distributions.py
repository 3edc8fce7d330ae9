"""A study keeps one object for each distribution, wherever it came from."""

from __future__ import annotations

from typing import Any

from ahpo.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from ahpo.study import Study, create_study
from ahpo.trial import create_trial

SPACE: Any = {
    "x": FloatDistribution(0.0, 1.0),
    "n": IntDistribution(1, 8),
    "c": CategoricalDistribution((1, 0)),
}


def objective(trial: Any) -> float:
    x: float = trial.suggest_float("x", 0, 1)
    return x + int(trial.suggest_int("n", 1, 8)) + int(trial.suggest_categorical("c", [1, 0]))


def with_added_trial() -> Study:
    study = create_study()
    study.add_trial(create_trial(value=0.0, params={"x": 0.5, "n": 2, "c": 1}, distributions=SPACE))
    return study


def test_trials_share_the_distributions_of_trials_that_were_added() -> None:
    """Else each comparison, of which a trial makes many, would look into them."""
    study = with_added_trial()
    objective(study.ask())
    (running,) = study.view().running()
    for name, distribution in study.get_trials(deepcopy=False)[0].distributions.items():
        assert running.distributions[name] is distribution


def test_choices_that_are_equal_but_not_the_same_stay_what_was_asked_for() -> None:
    study = with_added_trial()
    trial = study.ask()
    assert type(trial.suggest_categorical("c", [True, False])) is bool
    assert repr(trial.distributions["c"]) == "CategoricalDistribution(choices=(True, False))"


def test_objective_gets_the_objects_that_it_asked_for() -> None:
    class Choice(str):
        """Be equal to others of the same letters."""

    choices = [Choice("a"), Choice("b")]
    study = create_study()
    known = CategoricalDistribution((Choice("a"), Choice("b")))
    study.add_trial(create_trial(value=0.0, params={"c": "a"}, distributions={"c": known}))
    value = study.ask().suggest_categorical("c", choices)
    assert any(value is choice for choice in choices)


def test_another_range_stays_another() -> None:
    study = with_added_trial()
    trial = study.ask()
    trial.suggest_float("x", 0, 2)
    assert trial.distributions["x"] == FloatDistribution(0.0, 2.0)
